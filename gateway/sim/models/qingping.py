"""Qingping CGPR1, a motion sensor: service data of UUID 0xFDCD, type, length, value.

From https://github.com/Bluetooth-Devices/qingping-ble. It reports motion in one kind of frame,
light and battery in the other; the packet counter of both is the low byte of the serial.
"""

from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16, reverse

_UUID: Final = id16(0xFDCD)
_STATUS: Final = b"\x08\x12"
_EVENT: Final = b"\x48\x12"
_BATTERY: Final = 0x02
_MOTION: Final = 0x08
_LIGHT: Final = 0x09
_PACKET: Final = 0x0F


def _value(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value))) + value


def _encode(sender: Sender, readings: Readings) -> bytes:
    address = reverse(sender.octets)
    packet = _value(_PACKET, bytes((readings.serial & 0xFF,)))
    if readings.serial % 2:
        motion = bytes((readings.flag("motion_detected"), 0, 0, 0))
        return _UUID + _EVENT + address + _value(_MOTION, motion) + packet
    battery = _value(_BATTERY, bytes((readings.raw("battery_level"),)))
    light = _value(_LIGHT, readings.raw("illuminance").to_bytes(4, "little"))
    return _UUID + _STATUS + address + battery + packet + light


MODELS: Final = {
    "qingping": Model(
        title="A Qingping CGPR1: motion, and in other frames light and battery.",
        driver="qingping",
        medium="service",
        sends=(
            Quantity(name="battery_level", low=1, high=100),
            Quantity(name="illuminance", low=0, high=83_000),
            Quantity(name="motion_detected"),
        ),
        encode=_encode,
        turns=(("battery_level", "illuminance"), ("motion_detected",)),
        counts=1 << 8,
    ),
}
