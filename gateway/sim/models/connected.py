"""Sensors that have to be connected to: what they measure stands in GATT characteristics.

Environmental Sensing from the Bluetooth GATT Specification Supplement; Flower Care from
https://github.com/vrachieru/xiaomi-flower-care-api. Each measures when it is read, so one poll has
the values of one moment.
"""

import struct
from typing import Final

from gateway.sim.bluez_air import Characteristic, Peripheral, Service, uuid_text
from gateway.sim.models.model import Measure, Model, Quantity, Readings, Sender

_ENVIRONMENT: Final = 0x181A
_BATTERY_SERVICE: Final = 0x180F
_FLOWER: Final = 0x1204
_PLACEHOLDER: Final = bytes.fromhex("aabbccddeeff99887766000000000000")
_MEASURE: Final = b"\xa0\x1f"
_FLOWER_END: Final = bytes.fromhex("023c00fb349b")  # not known
_FIRMWARE_MARK: Final = b"\x28"

_BATTERY: Final = Quantity(name="battery_level", low=1, high=100)


class _Station:
    """An Environmental Sensing device: reading its temperature takes a measurement."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._last: Readings | None = None

    def services(self) -> tuple[Service, ...]:
        environment = (
            Characteristic(uuid=uuid_text(0x2A6E), on_read=self._temperature),
            Characteristic(uuid=uuid_text(0x2A6F), on_read=self._humidity),
            Characteristic(uuid=uuid_text(0x2A6D), on_read=self._pressure),
        )
        battery = (Characteristic(uuid=uuid_text(0x2A19), on_read=self._battery),)
        return (
            Service(uuid=uuid_text(_ENVIRONMENT), characteristics=environment),
            Service(uuid=uuid_text(_BATTERY_SERVICE), characteristics=battery),
        )

    def _measured(self) -> Readings:
        if self._last is None:
            self._last = self._measure()
        return self._last

    def _temperature(self) -> bytes:
        self._last = self._measure()
        return struct.pack("<h", self._last.raw("air_temperature", 0.01))

    def _humidity(self) -> bytes:
        return struct.pack("<H", self._measured().raw("relative_humidity", 0.01))

    def _pressure(self) -> bytes:
        return struct.pack("<I", self._measured().raw("atmospheric_pressure", 0.001))

    def _battery(self) -> bytes:
        return bytes((self._measured().raw("battery_level"),))


class _FlowerCare:
    """A probe that measures when it is told to, and holds a placeholder until then."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._values = Characteristic(uuid=uuid_text(0x1A01), value=_PLACEHOLDER)
        self._state = Characteristic(uuid=uuid_text(0x1A02), on_read=self._firmware)
        self._last: Readings | None = None

    def services(self) -> tuple[Service, ...]:
        command = Characteristic(
            uuid=uuid_text(0x1A00), flags=("read", "write"), on_write=self._commanded
        )
        parts = (command, self._values, self._state)
        return (Service(uuid=uuid_text(_FLOWER), characteristics=parts),)

    def _commanded(self, command: bytes) -> None:
        if command == _MEASURE:
            self._last = self._measure()
            self._values.value = _soil(self._last)

    def _firmware(self) -> bytes:
        readings = self._last or self._measure()
        head = bytes((readings.raw("battery_level"),)) + _FIRMWARE_MARK
        return head + readings.text("firmware_version").encode()


def _soil(readings: Readings) -> bytes:
    values = struct.pack(
        "<hxIBH",
        readings.raw("soil_temperature", 0.1),
        readings.raw("illuminance"),
        readings.raw("soil_moisture"),
        readings.raw("soil_ec"),
    )
    return values + _FLOWER_END


def _station(sender: Sender, measure: Measure) -> Peripheral:
    return Peripheral(address=sender.address, services=_Station(measure).services())


def _flower_care(sender: Sender, measure: Measure) -> Peripheral:
    return Peripheral(address=sender.address, services=_FlowerCare(measure).services())


MODELS: Final = {
    "environmental-sensing": Model(
        title="A device with the Environmental Sensing Service, read over a connection.",
        driver="environmental-sensing",
        medium="gatt",
        sends=(
            Quantity(name="air_temperature", step=0.01, low=-40, high=60),
            Quantity(name="relative_humidity", step=0.01, low=0, high=100),
            Quantity(name="atmospheric_pressure", step=0.001, low=800, high=1100),
            _BATTERY,
        ),
        serve=_station,
        serial=None,
        listed=(_ENVIRONMENT,),
    ),
    "flower-care": Model(
        title="A Xiaomi Flower Care in a plant pot, told to measure over a connection.",
        driver="flower-care",
        medium="gatt",
        sends=(
            Quantity(name="soil_temperature", step=0.1, low=-30, high=60),
            Quantity(name="illuminance", low=0, high=100_000),
            Quantity(name="soil_moisture", low=0, high=100),
            Quantity(name="soil_ec", low=0, high=10_000),
            _BATTERY,
            Quantity(name="firmware_version", choices=("3.1.9",)),
        ),
        serve=_flower_care,
        serial=None,
        local_name="Flower care",
        listed=(0xFE95,),
    ),
}
