"""Sensors that have to be connected to: their services, and what they measure when they are read.

Made from the specifications and apart from the drivers.
"""

import struct
from collections.abc import Sequence

from gateway.sim.bluez_air import Advertisement, Characteristic, Peripheral, Service, uuid_text

_ENVIRONMENT = 0x181A
_BATTERY = 0x180F
_PLACEHOLDER = bytes.fromhex("aabbccddeeff99887766000000000000")
_MEASURE = b"\xa0\x1f"


def hello(address: str, *, rssi_dbm: int = -70) -> Advertisement:
    """Return what such a device advertises: that it is there, and no value."""
    return Advertisement(address=address, rssi_dbm=rssi_dbm, uuids=(uuid_text(_ENVIRONMENT),))


class WeatherStation:
    """An Environmental Sensing device. Each time it is read it has measured once more.

    The number of the measurement stands in it as CO2; 0.25 K lies between two of them.
    """

    def __init__(self, address: str, *, connect_s: float = 0.0) -> None:
        self.measured = 0
        environment = (
            Characteristic(uuid=uuid_text(0x2A6E), on_read=self._measure),
            Characteristic(uuid=uuid_text(0x2A6F), value=struct.pack("<H", 5420)),
            Characteristic(uuid=uuid_text(0x2B8C), on_read=self._number),
        )
        battery = (Characteristic(uuid=uuid_text(0x2A19), value=b"\x61"),)
        self.peripheral = Peripheral(
            address=address, services=_services(environment, battery), connect_s=connect_s
        )

    def _measure(self) -> bytes:
        self.measured += 1
        return struct.pack("<h", 25 * self.measured)

    def _number(self) -> bytes:
        return struct.pack("<H", 300 + self.measured)


class FlowerCare:
    """A Xiaomi Flower Care: it measures when it is told to, and holds a placeholder until then."""

    def __init__(self, address: str, *, values: bytes, state: bytes) -> None:
        self._values = values
        self._data = Characteristic(uuid=uuid_text(0x1A01), value=_PLACEHOLDER)
        command = Characteristic(
            uuid=uuid_text(0x1A00), flags=("read", "write"), on_write=self._commanded
        )
        firmware = Characteristic(uuid=uuid_text(0x1A02), value=state)
        service = Service(uuid=uuid_text(0x1204), characteristics=(command, self._data, firmware))
        self.peripheral = Peripheral(address=address, services=(service,))

    def _commanded(self, command: bytes) -> None:
        if command == _MEASURE:
            self._data.value = self._values


def _services(
    environment: Sequence[Characteristic], battery: Sequence[Characteristic]
) -> tuple[Service, ...]:
    return (
        Service(uuid=uuid_text(_ENVIRONMENT), characteristics=tuple(environment)),
        Service(uuid=uuid_text(_BATTERY), characteristics=tuple(battery)),
    )
