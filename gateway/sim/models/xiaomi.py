"""Xiaomi: MiBeacon in clear and encrypted, a scale, and a plant sensor of HHCC.

MiBeacon from Xiaomi's "BLE MiBeacon protocol v5" and "Mijia BLE object definition", as kept at
https://github.com/pvvx/ATC_MiThermometer/tree/master/InfoMijiaBLE; the others from
https://github.com/Bluetooth-Devices/xiaomi-ble.
"""

import struct
from typing import Final

from gateway.crypto import seal_ccm
from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16, reverse

_MIBEACON: Final = id16(0xFE95)
_LYWSDCGQ: Final = bytes.fromhex("5020aa01")  # version 2, objects, address; product
_LYWSD03MMC: Final = bytes.fromhex("58585b05")  # version 5, objects, address, encrypted; product
_CLIMATE: Final = 0x100D  # objects
_BATTERY: Final = 0x100A
_TEMPERATURE: Final = 0x1004
_HUMIDITY: Final = 0x1006
_TAG_BYTES: Final = 4
_ASSOCIATED: Final = b"\x11"

_SCALE: Final = id16(0x181D)
_STABLE_IN_KG: Final = 0x22
_DAY: Final = struct.pack("<HBB", 2021, 4, 11)
_DAY_S: Final = 86_400
_MORNING_S: Final = 16 * 3600 + 19 * 60

_TUYA: Final = id16(0xFD50)

_PERCENT: Final = Quantity(name="battery_level", low=1, high=100)
_TENTHS: Final = (
    Quantity(name="air_temperature", step=0.1, low=-40, high=60),
    Quantity(name="relative_humidity", step=0.1, low=0, high=100),
)


def _object(kind: int, value: bytes) -> bytes:
    return struct.pack("<HB", kind, len(value)) + value


def _tenths(readings: Readings) -> tuple[int, int]:
    return readings.raw("air_temperature", 0.1), readings.raw("relative_humidity", 0.1)


def _mibeacon(sender: Sender, readings: Readings) -> bytes:
    climate = _object(_CLIMATE, struct.pack("<hH", *_tenths(readings)))
    battery = _object(_BATTERY, bytes((readings.raw("battery_level"),)))
    counter = bytes((readings.serial & 0xFF,))
    return _MIBEACON + _LYWSDCGQ + counter + reverse(sender.octets) + climate + battery


def _mibeacon_encrypted(sender: Sender, readings: Readings) -> bytes:
    """Seal one object: the low byte of the counter is in front, the others are behind it."""
    temperature, humidity = _tenths(readings)
    clear = (
        _object(_TEMPERATURE, struct.pack("<h", temperature)),
        _object(_HUMIDITY, struct.pack("<H", humidity)),
        _object(_BATTERY, bytes((readings.raw("battery_level"),))),
    )[readings.serial % 3]
    counter = (readings.serial & 0xFFFFFFFF).to_bytes(4, "little")
    address = reverse(sender.octets)
    head = _LYWSD03MMC + counter[:1]
    sealed = seal_ccm(
        key=sender.key,
        nonce=address + head[2:] + counter[1:],
        clear=clear,
        tag_length=_TAG_BYTES,
        associated_data=_ASSOCIATED,
    )
    return _MIBEACON + head + address + sealed[:-_TAG_BYTES] + counter[1:] + sealed[-_TAG_BYTES:]


def _scale(_: Sender, readings: Readings) -> bytes:
    """Put a person on it each time, a second later by its clock."""
    minutes, second = divmod((_MORNING_S + readings.serial) % _DAY_S, 60)
    hour, minute = divmod(minutes, 60)
    mass = struct.pack("<BH", _STABLE_IN_KG, readings.raw("mass", 0.005))
    return _SCALE + mass + _DAY + bytes((hour, minute, second))


def _hhcc(_: Sender, readings: Readings) -> bytes:
    return (
        _TUYA
        + struct.pack(">Bh", readings.raw("soil_moisture"), readings.raw("air_temperature", 0.1))
        + readings.raw("illuminance").to_bytes(3, "big")
        + struct.pack(">BH", readings.raw("battery_level"), readings.raw("soil_ec"))
    )


MODELS: Final = {
    "xiaomi-mibeacon": Model(
        title="A Xiaomi LYWSDCGQ, MiBeacon in clear: temperature, humidity and battery.",
        driver="xiaomi-mibeacon",
        medium="service",
        sends=(*_TENTHS, _PERCENT),
        encode=_mibeacon,
        counts=1 << 8,
    ),
    "xiaomi-mibeacon-encrypted": Model(
        title="A Xiaomi LYWSD03MMC, MiBeacon encrypted: one value in each frame.",
        driver="xiaomi-mibeacon",
        medium="service",
        sends=(*_TENTHS, _PERCENT),
        encode=_mibeacon_encrypted,
        turns=(("air_temperature",), ("relative_humidity",), ("battery_level",)),
        counts=1 << 32,
        encrypted=True,
    ),
    "xiaomi-scale": Model(
        title="A Xiaomi Mi Smart Scale: what somebody weighs.",
        driver="xiaomi-scale",
        medium="service",
        sends=(Quantity(name="mass", step=0.005, low=0.005, high=200),),
        encode=_scale,
        serial="mass",
        fresh=True,
    ),
    "hhcc-jcy10": Model(
        title="An HHCCJCY10 in a plant pot: soil, light and temperature.",
        driver="hhcc-jcy10",
        medium="service",
        sends=(
            Quantity(name="soil_moisture", low=0, high=100),
            Quantity(name="air_temperature", step=0.1, low=-40, high=60),
            Quantity(name="illuminance", low=0, high=150_000),
            _PERCENT,
            Quantity(name="soil_ec", low=0, high=20_000),
        ),
        encode=_hhcc,
        serial="illuminance",
        named=True,
    ),
}
