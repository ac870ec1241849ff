"""BTHome, both versions: service data in little-endian objects (https://bthome.io/format, /v1).

Version 1, which version 2 has followed in 2022, puts length and type before each object. Encrypted
frames are sealed with AES-CCM and numbered by its counter.
"""

import struct
from typing import Final

from gateway.crypto import seal_ccm
from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16

BTHOME_UUID: Final = 0xFCD2
_UUID: Final = id16(BTHOME_UUID)
_UUID_V1: Final = id16(0x181C)
_UUID_V1_SEALED: Final = id16(0x181E)
_PLAIN: Final = b"\x40"
_ENCRYPTED: Final = b"\x41"
_TAG_BYTES: Final = 4
_ASSOCIATED_V1: Final = b"\x11"

_BATTERY: Final = Quantity(name="battery_level", low=1, high=100)
_TEMPERATURE: Final = Quantity(name="air_temperature", step=0.01, low=-40, high=60)
_HUMIDITY: Final = Quantity(name="relative_humidity", step=0.01, low=0, high=100)
_COUNT: Final = Quantity(name="count", counts=1 << 32)


def _objects(readings: Readings) -> bytes:
    """Return battery, temperature, humidity and a count: objects 01, 02, 03, 3E."""
    return struct.pack(
        "<BBBhBHBI",
        0x01,
        readings.raw("battery_level"),
        0x02,
        readings.raw("air_temperature", 0.01),
        0x03,
        readings.raw("relative_humidity", 0.01),
        0x3E,
        readings.raw("count"),
    )


def _plain(_: Sender, readings: Readings) -> bytes:
    packet_id = bytes((0x00, readings.serial & 0xFF))
    return _UUID + _PLAIN + packet_id + _objects(readings)


def _encrypted(sender: Sender, readings: Readings) -> bytes:
    counter = (readings.serial & 0xFFFFFFFF).to_bytes(4, "little")
    nonce = sender.octets + _UUID + _ENCRYPTED + counter
    sealed = seal_ccm(key=sender.key, nonce=nonce, clear=_objects(readings), tag_length=_TAG_BYTES)
    return _UUID + _ENCRYPTED + sealed[:-_TAG_BYTES] + counter + sealed[-_TAG_BYTES:]


def _climate_v1(readings: Readings) -> bytes:
    """Return temperature, humidity and battery: signed of 2 bytes, unsigned of 2 and of 1."""
    return struct.pack(
        "<BBhBBHBBB",
        0x23,
        0x02,
        readings.raw("air_temperature", 0.01),
        0x03,
        0x03,
        readings.raw("relative_humidity", 0.01),
        0x02,
        0x01,
        readings.raw("battery_level"),
    )


def _plain_v1(_: Sender, readings: Readings) -> bytes:
    packet_id = bytes((0x02, 0x00, readings.serial & 0xFF))
    count = struct.pack("<BBI", 0x05, 0x09, readings.raw("count"))
    return _UUID_V1 + packet_id + _climate_v1(readings) + count


def _encrypted_v1(sender: Sender, readings: Readings) -> bytes:
    counter = (readings.serial & 0xFFFFFFFF).to_bytes(4, "little")
    sealed = seal_ccm(
        key=sender.key,
        nonce=sender.octets + _UUID_V1_SEALED + counter,
        clear=_climate_v1(readings),
        tag_length=_TAG_BYTES,
        associated_data=_ASSOCIATED_V1,
    )
    return _UUID_V1_SEALED + sealed[:-_TAG_BYTES] + counter + sealed[-_TAG_BYTES:]


MODELS: Final = {
    "bthome-v1": Model(
        title="A sensor of BTHome v1: temperature, humidity, battery and a count.",
        driver="bthome-v1",
        medium="service",
        sends=(_TEMPERATURE, _HUMIDITY, _BATTERY, _COUNT),
        encode=_plain_v1,
        serial="count",
    ),
    "bthome-v1-encrypted": Model(
        title="A sensor of BTHome v1, encrypted: temperature, humidity and battery.",
        driver="bthome-v1-encrypted",
        medium="service",
        sends=(_TEMPERATURE, _HUMIDITY, _BATTERY),
        encode=_encrypted_v1,
        counts=1 << 32,
        encrypted=True,
    ),
    "bthome-v2": Model(
        title="A sensor of BTHome v2: battery, temperature, humidity and a count.",
        driver="bthome-v2",
        medium="service",
        sends=(_BATTERY, _TEMPERATURE, _HUMIDITY, _COUNT),
        encode=_plain,
        serial="count",
    ),
    "bthome-v2-encrypted": Model(
        title="A sensor of BTHome v2, encrypted: battery, temperature, humidity and a count.",
        driver="bthome-v2",
        medium="service",
        sends=(_BATTERY, _TEMPERATURE, _HUMIDITY, _COUNT),
        encode=_encrypted,
        serial="count",
        encrypted=True,
    ),
}
