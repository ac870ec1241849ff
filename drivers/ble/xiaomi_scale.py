"""Xiaomi Mi Smart Scale and Mi Body Composition Scale: service data 0x181D and 0x181B.

    CC WWWW YYYY MM DD HH NN SS                          0x181D, Mi Smart Scale
    UU CC YYYY MM DD HH NN SS IIII WWWW                  0x181B, Mi Body Composition Scale

    C  0x181D: bit 0 lb, bit 4 catty, bit 5 stable, bit 7 nobody on it
       0x181B: bit 1 impedance measured, bit 5 stable, bit 6 catty, bit 7 nobody on it
    U  bit 0 lb                              W  weight: 0.005 kg, 0.01 lb, or 0.01 catty of 0.5 kg
    Y M D H N S  the scale's clock, year to second: not mapped      I  impedance, Ohm

Little-endian. A weight that still moves, or was left on the display, is on channel "unsettled".
The services are the Bluetooth SIG's: a frame with a clock that cannot be is refused (bad_value).
Source: https://github.com/Bluetooth-Devices/xiaomi-ble,
https://github.com/custom-components/ble_monitor (miscale.py).
"""

from gateway.core.context import Context
from gateway.core.fields import u16le
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError

API = 1
MODEL = "xiaomi-scale"
DEVICES = ("Xiaomi Mi Smart Scale", "Xiaomi Mi Body Composition Scale")
UNMAPPED = ("the scale's clock",)
MATCH = ({"service_uuid": 0x181D}, {"service_uuid": 0x181B})
STRENGTH = 1

_SIZE = 10
_COMPOSITION_SIZE = 13
_LB = 0x01
_IMPEDANCE = 0x02
_STABLE = 0x20
_REMOVED = 0x80
_LOWEST = (1, 1, 0, 0, 0)  # of month, day, hour, minute, second
_HIGHEST = (12, 31, 23, 59, 59)


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the weight, and the impedance where it has been measured."""
    if len(payload) == _SIZE:
        _check_clock(payload[5:])
        return [_mass(payload[0], u16le(payload, 1), is_pound=payload[0] & _LB != 0)]
    if len(payload) != _COMPOSITION_SIZE:
        raise DecodeError(BAD_LENGTH)
    _check_clock(payload[4:9])
    control = payload[1]
    mass = _mass(control, u16le(payload, 11), is_pound=payload[0] & _LB != 0)
    if control & _IMPEDANCE and not mass[3]:
        return [mass, ("electric_resistance", u16le(payload, 9), 0, "")]
    return [mass]


def _mass(control: int, raw: int, *, is_pound: bool) -> tuple[str, int | str | None, int, str]:
    settled = raw and control & _STABLE and not control & _REMOVED
    value, scale = (raw * 45_359_237, 10) if is_pound else (raw * 5, 3)
    return ("mass", value, scale, "" if settled else "unsettled")


def _check_clock(clock: bytes) -> None:
    for part, lowest, highest in zip(clock, _LOWEST, _HIGHEST):  # noqa: B905 - no strict there
        if not lowest <= part <= highest:
            raise DecodeError(BAD_VALUE)
