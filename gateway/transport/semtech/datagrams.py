"""What a packet forwarder sends and is answered. Nothing a stranger sends raises anything else.

    version (1) token (2) kind (1) EUI of the gateway (8) | JSON {"rxpk": [...], "stat": {...}}

Lora-net/packet_forwarder, PROTOCOL.TXT. What of it is known only to the forwarder (its clock, its
statistics) is not read. There is nothing in it that proves who sent it.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec

from gateway.transport import radio
from gateway.transport.refused import UNREADABLE, Counter, RefusedError

MAX_DATAGRAM_BYTES: Final = 32_768  # some eighty packets, more than any forwarder sends at once
MOST_PACKETS: Final = (
    255  # in one, as the forwarders of the SX1302 have it; else {} costs us 10 ms
)
PUSH_DATA: Final = 0
PULL_DATA: Final = 2

# Under what is counted that is no packet of a LoRaWAN node.
OVERSIZED: Final = Counter("oversized")
BAD_DATAGRAMS: Final = Counter("bad_datagrams")
BAD_JSON: Final = Counter("bad_json")
BAD_PACKETS: Final = Counter("bad_packets")
CRC_ERRORS: Final = Counter("crc_errors")
OTHER_MODULATION: Final = Counter("other_modulation")
NOT_ALLOWED: Final = Counter("not_allowed")
TOO_MANY_GATEWAYS: Final = Counter("too_many_gateways")

_VERSIONS: Final = (1, 2)
_ACKNOWLEDGED: Final = {PUSH_DATA: 1, PULL_DATA: 4}  # kind -> kind of the answer
_HEADER_BYTES: Final = 12
_EUI_AT: Final = 4
_CRC_IS_RIGHT: Final = 1
_DATA_RATE: Final = re.compile(r"SF([0-9]{1,2})BW[0-9]{2,4}")
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


class Datagram(msgspec.Struct, frozen=True):
    """A datagram that a forwarder may send."""

    kind: int
    gateway: str  # EUI, 16 hexadecimal digits in lower case
    body: bytes
    answer: bytes


class Packet(msgspec.Struct, frozen=True):
    """One packet as a gateway heard it, its checksum right."""

    phy: bytes
    rssi_dbm: int | None
    snr_db: float | None
    spreading_factor: int | None
    frequency_hz: int | None


class _Body(msgspec.Struct):
    rxpk: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_PACKETS)] = []


class _Rxpk(msgspec.Struct):
    data: str
    stat: int = 0
    modu: str = "LORA"
    datr: str | float = ""
    size: int | None = None
    rssi: float | None = None
    lsnr: float | None = None
    freq: float | None = None


_BODY: Final = msgspec.json.Decoder(_Body)
_RXPK: Final = msgspec.json.Decoder(_Rxpk)


def read(data: bytes) -> Datagram:
    """Return what came. Raises RefusedError."""
    if len(data) > MAX_DATAGRAM_BYTES:
        raise RefusedError(OVERSIZED)
    if len(data) < _HEADER_BYTES or data[0] not in _VERSIONS or data[3] not in _ACKNOWLEDGED:
        raise RefusedError(BAD_DATAGRAMS)
    kind = data[3]
    return Datagram(
        kind=kind,
        gateway=data[_EUI_AT:_HEADER_BYTES].hex(),
        body=data[_HEADER_BYTES:],
        answer=data[:3] + bytes((_ACKNOWLEDGED[kind],)),
    )


def packets(body: bytes) -> Iterator[Packet | RefusedError]:
    """Yield the packets of a PUSH_DATA, or why one is none. Raises RefusedError for bad JSON."""
    try:
        entries = _BODY.decode(body).rxpk
    except UNREADABLE:
        raise RefusedError(BAD_JSON) from None
    for entry in entries:
        try:
            yield _packet(entry)
        except RefusedError as refused:
            yield refused


def _packet(entry: msgspec.Raw) -> Packet:
    try:
        said = _RXPK.decode(entry)
    except UNREADABLE:
        raise RefusedError(BAD_PACKETS) from None
    if said.stat != _CRC_IS_RIGHT:
        raise RefusedError(CRC_ERRORS)
    if said.modu != "LORA":
        raise RefusedError(OTHER_MODULATION)
    phy = _from_base64(said.data)
    if phy is None or said.size not in (None, len(phy)):
        raise RefusedError(BAD_PACKETS)
    return Packet(
        phy=phy,
        rssi_dbm=radio.rssi_dbm(said.rssi),
        snr_db=radio.snr_db(said.lsnr),
        spreading_factor=_spreading_factor(said.datr),
        frequency_hz=radio.frequency_hz(None if said.freq is None else said.freq * 1e6),
    )


def _from_base64(text: str) -> bytes | None:
    """Decode base64 as forwarders write it: either alphabet, padded or not."""
    try:
        plain = text.encode("ascii").translate(_URL_SAFE).rstrip(b"=")
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        return None


def _spreading_factor(rate: str | float) -> int | None:
    match = _DATA_RATE.fullmatch(rate) if isinstance(rate, str) else None
    return None if match is None else radio.spreading_factor(int(match[1]))
