"""What sensors put on the air, byte by byte: the drivers' work the other way round.

Kept apart from the drivers on purpose: what one wrote wrong, the other does not read right.
"""

import struct

import msgspec

from gateway.crypto import seal_ccm

BTHOME_UUID = 0xFCD2
RUUVI_COMPANY = 0x0499
_BTHOME_PLAIN = 0x40
_BTHOME_ENCRYPTED = 0x41
_BTHOME_TAG_BYTES = 4
_RUUVI_NUMBERS = 0xFFFF  # 0xFFFF itself says that there is none
_RUUVI_MOVEMENTS = 0xFF  # the same


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated sensor measures at one moment. `serial` counts its frames from 1."""

    serial: int
    temperature_c: float
    humidity_percent: float
    pressure_pa: float
    battery_percent: float


def bthome_objects(readings: Readings) -> bytes:
    """Return battery, temperature, humidity and a count: BTHome objects 01, 02, 03, 3E."""
    return struct.pack(
        "<BBBhBHBI",
        0x01,
        round(readings.battery_percent),
        0x02,
        round(readings.temperature_c * 100),
        0x03,
        round(readings.humidity_percent * 100),
        0x3E,
        readings.serial,
    )


def bthome_plain(readings: Readings) -> bytes:
    """Return BTHome v2 service data with a packet id."""
    packet_id = bytes((0x00, readings.serial & 0xFF))
    return bytes((_BTHOME_PLAIN,)) + packet_id + bthome_objects(readings)


def bthome_encrypted(readings: Readings, *, address: str, key: bytes) -> bytes:
    """Return BTHome v2 service data under AES-CCM; the serial is its counter."""
    info = bytes((_BTHOME_ENCRYPTED,))
    counter = readings.serial.to_bytes(4, "little")
    uuid = BTHOME_UUID.to_bytes(2, "little")
    nonce = bytes.fromhex(address.replace(":", "")) + uuid + info + counter
    sealed = seal_ccm(
        key=key, nonce=nonce, clear=bthome_objects(readings), tag_length=_BTHOME_TAG_BYTES
    )
    return info + sealed[:-_BTHOME_TAG_BYTES] + counter + sealed[-_BTHOME_TAG_BYTES:]


def ruuvi_rawv2(readings: Readings, *, address: str) -> bytes:
    """Return Ruuvi manufacturer data, format 5; the serial is its measurement number."""
    millivolts = 2000 + round(readings.battery_percent * 10)
    power = (millivolts - 1600) << 5 | (4 + 40) // 2  # 4 dBm
    return struct.pack(
        ">BhHHhhhHBH6s",
        5,
        round(readings.temperature_c / 0.005),
        round(readings.humidity_percent / 0.0025),
        round(readings.pressure_pa) - 50_000,
        4,
        -4,
        1036,
        power,
        readings.serial % _RUUVI_MOVEMENTS,
        ruuvi_number(readings.serial),
        bytes.fromhex(address.replace(":", "")),
    )


def ruuvi_number(serial: int) -> int:
    """Return the measurement number of a serial: it wraps before the value that means none."""
    return serial % _RUUVI_NUMBERS


def cayenne_lpp(readings: Readings) -> bytes:
    """Return temperature, humidity, battery voltage and a count on channels 1 to 4."""
    return struct.pack(
        ">BBhBBBBBhBBI",
        1,
        103,
        round(readings.temperature_c * 10),
        2,
        104,
        round(readings.humidity_percent * 2),
        3,
        2,
        round(200 + readings.battery_percent),
        4,
        100,
        readings.serial,
    )
