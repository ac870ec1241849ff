"""Thermometers with the firmware of pvvx: service data of UUID 0x181A, little-endian.

From https://github.com/pvvx/ATC_MiThermometer (README, src/custom_beacon.h): the custom format and
its encrypted form, which is AES-CCM over the structure as it is on the air.
"""

import struct
from typing import Final

from gateway.crypto import seal_ccm
from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16, reverse

_UUID: Final = id16(0x181A)
_TAG_BYTES: Final = 4
_ASSOCIATED: Final = b"\x11"
_HEAD: Final = bytes((14, 0x16)) + _UUID  # the structure's length and type before it
_REED: Final = 0x01
_TRIGGER: Final = 0x02
_BY_TEMPERATURE: Final = 0x04  # how the trigger is controlled

_SENDS: Final = (
    Quantity(name="air_temperature", step=0.01, low=-40, high=60),
    Quantity(name="relative_humidity", step=0.01, low=0, high=100),
    Quantity(name="battery_level", low=1, high=100),
    Quantity(name="opening_open"),
    Quantity(name="switch_on"),
)
_VOLTAGE: Final = Quantity(name="battery_voltage", step=0.001, low=1.8, high=3.3)


def _flags(readings: Readings) -> int:
    reed = _REED if readings.flag("opening_open") else 0
    trigger = _TRIGGER if readings.flag("switch_on") else 0
    return _BY_TEMPERATURE | reed | trigger


def _plain(sender: Sender, readings: Readings) -> bytes:
    return (
        _UUID
        + reverse(sender.octets)
        + struct.pack(
            "<hHHBBB",
            readings.raw("air_temperature", 0.01),
            readings.raw("relative_humidity", 0.01),
            readings.raw("battery_voltage", 0.001),
            readings.raw("battery_level"),
            readings.serial & 0xFF,
            _flags(readings),
        )
    )


def _encrypted(sender: Sender, readings: Readings) -> bytes:
    number = bytes((readings.serial & 0xFF,))
    clear = struct.pack(
        "<hHBB",
        readings.raw("air_temperature", 0.01),
        readings.raw("relative_humidity", 0.01),
        readings.raw("battery_level"),
        _flags(readings),
    )
    sealed = seal_ccm(
        key=sender.key,
        nonce=reverse(sender.octets) + _HEAD + number,
        clear=clear,
        tag_length=_TAG_BYTES,
        associated_data=_ASSOCIATED,
    )
    return _UUID + number + sealed


MODELS: Final = {
    "atc": Model(
        title="A Xiaomi thermometer with pvvx's firmware: climate, battery, reed switch.",
        driver="atc",
        medium="service",
        sends=(*_SENDS, _VOLTAGE),
        encode=_plain,
        counts=1 << 8,
    ),
    "atc-encrypted": Model(
        title="A Xiaomi thermometer with pvvx's firmware, encrypted.",
        driver="atc",
        medium="service",
        sends=_SENDS,
        encode=_encrypted,
        counts=1 << 8,
        encrypted=True,
    ),
}
