"""Govee H5123, a door or window contact: what happened, in one block of AES-128.

From the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble. The key
is the sensor's clock, which stands in the frame beside it, so no two frames are alike; key, clear
text and block are enciphered backwards.
"""

from typing import Final

from gateway.crypto import AesKey
from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import crc16_aug_ccitt, id16, reverse

_COMPANY: Final = id16(0xEF88)
_DOOR: Final = bytes.fromhex("01050202")
_OPEN: Final = 2
_CLOSED: Final = 1
_BLOCK_BYTES: Final = 16
_KEY_REST: Final = bytes(12)


def _encode(sender: Sender, readings: Readings) -> bytes:
    clock = (readings.serial & 0xFFFFFFFF).to_bytes(4, "big")
    state = _OPEN if readings.flag("opening_open") else _CLOSED
    clear = (_DOOR + bytes((readings.raw("battery_level"), state))).ljust(_BLOCK_BYTES, b"\0")
    block = reverse(AesKey(reverse(clock + _KEY_REST)).encrypt(reverse(clear)))
    checksum = crc16_aug_ccitt(block).to_bytes(2, "big")
    return _COMPANY + reverse(sender.octets[-2:]) + clock + block + checksum


MODELS: Final = {
    "govee-event": Model(
        title="A Govee H5123 on a door or window: whether it is open, and the battery.",
        driver="govee-event",
        medium="manufacturer",
        sends=(Quantity(name="opening_open"), Quantity(name="battery_level", low=1, high=100)),
        encode=_encode,
        serial="opening_open",
        fresh=True,
        local_name="GV5123{tail}",
    ),
}
