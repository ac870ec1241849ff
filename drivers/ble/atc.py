"""ATC1441 and pvvx custom firmware of small thermometers: service data of UUID 0x181A.

    AAAAAAAAAAAA TTTT HH BB VVVV NN              ATC1441, 13 bytes, big-endian
    AAAAAAAAAAAA TTTT HHHH VVVV BB NN [FF]       pvvx custom, 15 or 14 bytes, low byte first
    NN CCCCCCCCCCCC GGGGGGGG                     pvvx encrypted, 11 bytes; C: TTTT HHHH BB FF
    NN CCCCCC GGGGGGGG                           ATC1441 encrypted, 8 bytes; C: TT HH BB

    A  address of the device; pvvx: reversed     N  number of the measurement, wraps around
    T  temperature: 0.1 Cel (ATC1441), 0.01 (pvvx), signed; encrypted ATC1441: 0.5 above -40
    H  humidity: 1 % (ATC1441), 0.01 (pvvx); encrypted ATC1441: 0.5
    B  battery, %; encrypted ATC1441: bits 0-6
    V  battery, mV
    F  bit 0: reed switch open, bit 1: trigger output on; bits 2-4, as bit 7 of B in the encrypted
       ATC1441 format, say how that output is controlled, and are not read
    G  tag of AES-CCM. Nonce: address reversed, then the structure from its length up to N.
       Associated data: 11.

The length tells them apart. The counter of an encrypted frame has 8 bits and is back after 256
measurements: what it says is flagged, for it may be a recording.
Source: https://github.com/pvvx/ATC_MiThermometer (README; src/custom_beacon.h and .c),
https://github.com/atc1441/ATC_MiThermometer (README); bit 0 of F as ble_monitor reads it.
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, i16le, take, u8, u16be, u16le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, NO_KEY, DecodeError

API = 1
MODEL = "atc"
DEVICES = (
    "Xiaomi LYWSD03MMC, MHO-C401, Qingping CGG1 and alike with the firmware of atc1441 or pvvx",
)
UNMAPPED = ("how the trigger output is controlled",)
MATCH = {"service_uuid": 0x181A}
STRENGTH = 1

_ATC1441 = 13
_PVVX = (15, 14)  # with flags, and of a firmware built without
_SEALED = {11: 6, 8: 3}  # bytes of a frame: of its clear text
_TAG_SIZE = 4
_ASSOCIATED = b"\x11"


def decode(payload: bytes, context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return temperature, humidity and battery, and what pvvx's formats say of two switches."""
    size = len(payload)
    if size == _ATC1441:
        return _atc1441(payload, context)
    if size in _PVVX:
        return _pvvx(payload, context)
    if size not in _SEALED:
        raise DecodeError(BAD_LENGTH)
    if context.opened is None:
        raise DecodeError(NO_KEY)
    if len(context.opened) != _SEALED[size]:
        raise DecodeError(BAD_VALUE)
    return _opened_pvvx(context.opened) if size == 11 else _opened_atc1441(context.opened)


def sealed(payload: bytes, context: Context) -> tuple[bytes, bytes, int, bytes, None] | None:
    """Return nonce, ciphertext with tag, tag length and associated data; None: plain."""
    size = len(payload)
    if size not in _SEALED:
        return None
    head = bytes((size + 3, 0x16, 0x1A, 0x18)) + payload[:1]  # the structure as on the air
    nonce = bytes(reversed(context.address)) + head
    return (nonce, payload[1:], _TAG_SIZE, _ASSOCIATED, None)


def packet_counter(payload: bytes) -> int | None:
    """Return the number of the measurement: repeats of one measurement carry the same."""
    size = len(payload)
    if size in _SEALED:
        return payload[0]
    if size == _ATC1441:
        return payload[12]
    return payload[13] if size in _PVVX else None


def _of_device(address: bytes, context: Context) -> None:
    """Refuse a frame that names another device than the one that sent it."""
    if context.address and address != context.address:
        raise DecodeError(BAD_TYPE)


def _atc1441(payload: bytes, context: Context) -> list[tuple[str, int | None, int, str]]:
    _of_device(take(payload, 0, 6), context)
    return [
        ("air_temperature", i16be(payload, 6), 1, ""),
        ("relative_humidity", u8(payload, 8), 0, ""),
        ("battery_level", u8(payload, 9), 0, ""),
        ("battery_voltage", u16be(payload, 10), 3, ""),
    ]


def _pvvx(payload: bytes, context: Context) -> list[tuple[str, int | None, int, str]]:
    _of_device(bytes(reversed(take(payload, 0, 6))), context)
    readings: list[tuple[str, int | None, int, str]] = [
        ("air_temperature", i16le(payload, 6), 2, ""),
        ("relative_humidity", u16le(payload, 8), 2, ""),
        ("battery_level", u8(payload, 12), 0, ""),
        ("battery_voltage", u16le(payload, 10), 3, ""),
    ]
    return readings + _switches(payload[14]) if len(payload) > 14 else readings


def _opened_pvvx(clear: bytes) -> list[tuple[str, int | None, int, str]]:
    readings: list[tuple[str, int | None, int, str]] = [
        ("air_temperature", i16le(clear, 0), 2, ""),
        ("relative_humidity", u16le(clear, 2), 2, ""),
        ("battery_level", u8(clear, 4), 0, ""),
    ]
    return readings + _switches(u8(clear, 5))


def _opened_atc1441(clear: bytes) -> list[tuple[str, int | None, int, str]]:
    return [
        ("air_temperature", u8(clear, 0) * 5 - 400, 1, ""),
        ("relative_humidity", u8(clear, 1) * 5, 1, ""),
        ("battery_level", u8(clear, 2) & 0x7F, 0, ""),
    ]


def _switches(flags: int) -> list[tuple[str, int | None, int, str]]:
    return [("opening_open", flags & 1 != 0, 0, ""), ("switch_on", flags & 2 != 0, 0, "")]
