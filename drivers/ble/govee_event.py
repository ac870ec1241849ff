"""Govee H5121 to H5126 and H5130, what happens: manufacturer data of company id EF88, 24 bytes.

    AAAA SSSSSSSS E*16 KKKK           E deciphered:  xxxx MM xx BB VV xx*10

    A  end of the address      S  the device's clock, with 12 zeros behind it the key of E
    E  one block of AES-128; key and block are reversed before, the clear text after
    K  CRC of E, big-endian: polynomial 1021, initial value 1D0F
    M  model: 3 H5121, motion; 8 H5122, 10 H5125, 11 H5126, buttons; 2 H5123, door or window;
       9 H5124, vibration; 13 H5130, pressure pad with a button
    B  battery, %
    V  motion, vibration: 1; buttons: which, the first is 0; door or window: 2 open, else closed;
       pad: bit 0 pressed, bit 4 its button was; 10 says nothing of the pad
    x  not known

The key stands in the frame: this hides, it does not protect.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.aes_block import decipher
from gateway.core.context import Context
from gateway.core.fields import u16be
from gateway.core.govee import channel
from gateway.core.refusal import BAD_CHECKSUM, BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "govee-event"
DEVICES = (
    "Govee H5121",
    "Govee H5122",
    "Govee H5123",
    "Govee H5124",
    "Govee H5125",
    "Govee H5126",
    "Govee H5130",
)
MATCH = {"manufacturer_id": 0xEF88}
STRENGTH = 2

_BUTTON_OF_PAD = 0x10


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str, int, str]]:
    """Return what happened, and the battery."""
    if len(payload) != 24:
        raise DecodeError(BAD_LENGTH)
    block = payload[6:22]
    if _crc(block) != u16be(payload, 22):
        raise DecodeError(BAD_CHECKSUM)
    key = bytes(12) + bytes(reversed(payload[2:6]))
    clear = bytes(reversed(decipher(key, bytes(reversed(block)))))
    happened = _KINDS.get(clear[2])
    if happened is None:
        raise DecodeError(BAD_TYPE)
    readings = happened(clear[5])
    readings.append(("battery_level", clear[4], 0, ""))
    return readings


def _shifted(crc: int) -> int:
    for _ in range(4):
        crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


_HALVES = tuple([_shifted(half << 12) for half in range(16)])


def _crc(data: bytes) -> int:
    """Half a byte at a time: a table of bytes would be as large as the driver."""
    crc = 0x1D0F
    for byte in data:
        crc ^= byte << 8
        crc = (crc << 4 & 0xFFFF) ^ _HALVES[crc >> 12]
        crc = (crc << 4 & 0xFFFF) ^ _HALVES[crc >> 12]
    return crc


def _motion(value: int) -> list[tuple[str, int | str, int, str]]:
    return [("motion_detected", True, 0, "")] if value == 1 else []


def _vibration(value: int) -> list[tuple[str, int | str, int, str]]:
    return [("vibration_detected", True, 0, "")] if value == 1 else []


def _contact(value: int) -> list[tuple[str, int | str, int, str]]:
    return [("opening_open", value == 2, 0, "")]


def _button(value: int) -> list[tuple[str, int | str, int, str]]:
    return [("button_event", "press", 0, channel(value + 1))]


def _pad(value: int) -> list[tuple[str, int | str, int, str]]:
    readings: list[tuple[str, int | str, int, str]] = []
    if value & _BUTTON_OF_PAD:
        readings.append(("button_event", "press", 0, ""))
    if value != _BUTTON_OF_PAD:
        readings.append(("pressed", value & 1 != 0, 0, ""))
    return readings


_KINDS = {2: _contact, 3: _motion, 8: _button, 9: _vibration, 10: _button, 11: _button, 13: _pad}
