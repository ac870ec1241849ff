"""Eddystone UID, URL and TLM: service data of UUID 0xFEAA, big-endian.

    00 PP NNNNNNNNNNNNNNNNNNNN IIIIIIIIIIII [RRRR]     UID
    10 PP SS UU...                                     URL
    20 00 VVVV TTTT CCCCCCCC DDDDDDDD                  TLM

    P  power at 0 m, dBm, signed              V  battery, mV; 0: none
    N  I  namespace and instance              T  temperature, 1/256 Cel, signed; 8000: none
    R  reserved                               C  frames sent since the start
    S  0-3: how the address begins            D  time since the start, 0.1 s
    U  the rest of it, up to 17 characters; 0-13 stand for its usual ends

A beacon sends its identity and its telemetry in turn. Encrypted telemetry (20 01) is refused: to
open it takes AES-EAX and the clock of the beacon, which only its owner's resolver has. Nobody else
can tell ephemeral identities (30) apart either; they are not claimed.
Source: https://github.com/google/eddystone/blob/master/protocol-specification.md
"""

from gateway.core.context import Context
from gateway.core.fields import i8, i16be, take, u8, u16be, u32be
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, BAD_VERSION, DecodeError

API = 1
MODEL = "eddystone"
DEVICES = ("Eddystone beacons",)
UNMAPPED = ("encrypted telemetry", "ephemeral identities")
MATCH = (
    {"service_uuid": 0xFEAA, "prefix": b"\x00"},
    {"service_uuid": 0xFEAA, "prefix": b"\x10"},
    {"service_uuid": 0xFEAA, "prefix": b"\x20"},
)
STRENGTH = 1

_UID_SIZES = (18, 20)  # older beacons leave the reserved bytes out
_URL_SIZES = range(3, 21)
_TLM_SIZE = 14
_STARTS = ("http://www.", "https://www.", "http://", "https://")
_DOMAINS = (".com", ".org", ".edu", ".net", ".info", ".biz", ".gov")


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return what a frame of one of the three types says."""
    kind = u8(payload, 0)
    if kind not in _FRAMES:
        raise DecodeError(BAD_TYPE)
    return _FRAMES[kind](payload)


def packet_counter(payload: bytes) -> int | None:
    """Return the number of frames sent, which telemetry alone carries."""
    is_telemetry = len(payload) == _TLM_SIZE and payload[:2] == b"\x20\x00"
    return u32be(payload, 6) if is_telemetry else None


def _uid(payload: bytes) -> list[tuple[str, int | str | None, int, str]]:
    if len(payload) not in _UID_SIZES:
        raise DecodeError(BAD_LENGTH)
    return [
        ("beacon_id", take(payload, 2, 16).hex(), 0, ""),
        ("tx_power", i8(payload, 1), 0, ""),
    ]


def _url(payload: bytes) -> list[tuple[str, int | str | None, int, str]]:
    if len(payload) not in _URL_SIZES:
        raise DecodeError(BAD_LENGTH)
    if payload[2] >= len(_STARTS):
        raise DecodeError(BAD_VALUE)
    url = _STARTS[payload[2]] + "".join([_part(code) for code in payload[3:]])
    return [("url", url, 0, ""), ("tx_power", i8(payload, 1), 0, "")]


def _part(code: int) -> str:
    """Return what a byte of an address stands for."""
    if code < 2 * len(_DOMAINS):
        return _DOMAINS[code] + "/" if code < len(_DOMAINS) else _DOMAINS[code - len(_DOMAINS)]
    if not 0x20 < code < 0x7F:
        raise DecodeError(BAD_VALUE)
    return chr(code)


def _tlm(payload: bytes) -> list[tuple[str, int | str | None, int, str]]:
    if u8(payload, 1) != 0:
        raise DecodeError(BAD_VERSION)
    if len(payload) != _TLM_SIZE:
        raise DecodeError(BAD_LENGTH)
    battery, temperature = u16be(payload, 2), i16be(payload, 4)
    return [
        ("battery_voltage", battery or None, 3, ""),
        ("device_temperature", None if temperature == -0x8000 else temperature * 390_625, 8, ""),
        ("advertisement_count", u32be(payload, 6), 0, ""),
        ("uptime", u32be(payload, 10), 1, ""),
    ]


_FRAMES = {0x00: _uid, 0x10: _url, 0x20: _tlm}
