"""MQTT as a broker reads and writes it: 5.0, and 3.1.1 where it differs. Bytes only, no socket.

What is wrong with a packet is a MalformedError, with the reason for the record.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4  # MQTT 5, 2.1.2
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

VERSION_3_1_1: Final = 4
VERSION_5: Final = 5

_WILL, _WILL_QOS, _WILL_RETAIN, _PASSWORD, _USERNAME = 0x04, 0x18, 0x20, 0x40, 0x80
_MORE: Final = 0x80
_QOS: Final = 0x06
_RETAIN: Final = 0x01
_DUP: Final = 0x08
_MOST_QOS: Final = 2
_MOST_SHIFT: Final = 21  # of the fourth byte of a Variable Byte Integer (MQTT 5, 1.5.5)


class MalformedError(ValueError):
    """A packet that no client may send."""


class Will(msgspec.Struct, frozen=True):
    """What is published when a client goes without taking leave."""

    topic: str
    payload: bytes
    retain: bool


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """A client's CONNECT. The password is not kept."""

    version: int
    client_id: str
    keepalive_s: int
    username: str | None = None
    will: Will | None = None


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """A PUBLISH as it came; `client_id` says from whom, `size` is the whole packet's."""

    client_id: str
    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int
    size: int


class Fields:
    """The fields of a packet's body, one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._body) - self._at

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if self.left < count:
            what = "cut short"
            raise MalformedError(what)
        self._at += count
        return self._body[self._at - count : self._at]

    def number(self, size: int) -> int:
        """Return the next big-endian integer."""
        return int.from_bytes(self.take(size), "big")

    def data(self) -> bytes:
        """Return Binary Data: its length, then it."""
        return self.take(self.number(2))

    def text(self) -> str:
        """Return a UTF-8 Encoded String."""
        try:
            return self.data().decode()
        except UnicodeDecodeError as error:
            what = "text that is not UTF-8"
            raise MalformedError(what) from error

    def skip_properties(self, version: int) -> None:
        """Pass over properties, which only version 5 has."""
        if version == VERSION_5:
            self.take(self._varint())

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & ~_MORE) << shift
            if byte < _MORE:
                return value
            shift += 7
            if shift > _MOST_SHIFT:
                what = "a length of more than four bytes"
                raise MalformedError(what)


# ----------------------------------------------------------------------------------------- reading
def connect(body: bytes) -> Connect:
    """Read a CONNECT (MQTT 5, 3.1)."""
    fields = Fields(body)
    if fields.text() != "MQTT":
        what = "no MQTT"
        raise MalformedError(what)
    version, flags, keepalive_s = fields.number(1), fields.number(1), fields.number(2)
    fields.skip_properties(version)
    client_id, will = fields.text(), None
    if flags & _WILL:
        fields.skip_properties(version)
        will = Will(fields.text(), fields.data(), bool(flags & _WILL_RETAIN))
    username = fields.text() if flags & _USERNAME else None
    if flags & _PASSWORD:
        fields.data()
    return Connect(
        version=version,
        client_id=client_id,
        keepalive_s=keepalive_s,
        username=username,
        will=will,
    )


def publish(flags: int, body: bytes, *, connect: Connect, size: int) -> Publish:
    """Read a PUBLISH (MQTT 5, 3.3)."""
    fields = Fields(body)
    topic, qos = fields.text(), (flags & _QOS) >> 1
    packet_id = fields.number(2) if qos else 0
    if qos > _MOST_QOS or (qos and not packet_id):
        what = "a PUBLISH without a packet id, or of no known QoS"
        raise MalformedError(what)
    if not topic or set("+#\0") & set(topic):
        what = f"a PUBLISH to {topic!r}"
        raise MalformedError(what)
    fields.skip_properties(connect.version)
    return Publish(
        client_id=connect.client_id,
        topic=topic,
        payload=fields.take(fields.left),
        qos=qos,
        retain=bool(flags & _RETAIN),
        dup=bool(flags & _DUP),
        packet_id=packet_id,
        size=size,
    )


def subscribe(body: bytes, version: int, *, options: bool) -> tuple[int, list[str]]:
    """Read a SUBSCRIBE, or without `options` an UNSUBSCRIBE: its packet id and its filters."""
    fields = Fields(body)
    packet_id, filters = fields.number(2), list[str]()
    fields.skip_properties(version)
    while fields.left:
        filters.append(fields.text())
        if options:
            fields.number(1)
    return packet_id, filters


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic matches a filter (MQTT 5, 4.7); those with $ match no wildcard."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in {"+", "#"}:
        return False
    if wanted[-1] == "#":
        return len(given) >= len(wanted) - 1 and _all_match(wanted[:-1], given)
    return len(given) == len(wanted) and _all_match(wanted, given)


def _all_match(wanted: list[str], given: list[str]) -> bool:
    return all(level in {"+", name} for level, name in zip(wanted, given, strict=False))


# ----------------------------------------------------------------------------------------- writing
def packet(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    """Return a packet with its fixed header."""
    length, head = len(body), bytearray((kind << 4 | flags,))
    while length >= _MORE:
        head.append(length & ~_MORE & 0xFF | _MORE)
        length >>= 7
    head.append(length)
    return bytes(head) + body


def text(value: str) -> bytes:
    """Return a UTF-8 Encoded String."""
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def connack(version: int, code: int, properties: Mapping[int, bytes]) -> bytes:
    """Return a CONNACK; under 3.1.1 without properties."""
    known = b"".join(bytes((name,)) + value for name, value in properties.items())
    tail = _sized(known) if version == VERSION_5 else b""
    return packet(CONNACK, bytes((0, code)) + tail)


def puback(version: int, packet_id: int, code: int) -> bytes:
    """Return a PUBACK; 3.1.1 knows no reason codes."""
    told = bytes((code,)) if code and version == VERSION_5 else b""
    return packet(PUBACK, packet_id.to_bytes(2, "big") + told)


def suback(version: int, packet_id: int, codes: bytes, *, kind: int = SUBACK) -> bytes:
    """Return a SUBACK, or another answer of that form."""
    properties = b"\0" if version == VERSION_5 else b""
    return packet(kind, packet_id.to_bytes(2, "big") + properties + codes)


def delivery(version: int, topic: str, payload: bytes, *, packet_id: int, retain: bool) -> bytes:
    """Return a PUBLISH to a subscriber, with QoS 1."""
    properties = b"\0" if version == VERSION_5 else b""
    head = text(topic) + packet_id.to_bytes(2, "big") + properties
    return packet(PUBLISH, head + payload, 0x02 | (_RETAIN if retain else 0))


def disconnect(code: int) -> bytes:
    """Return a DISCONNECT, which brokers send under version 5 only."""
    return packet(DISCONNECT, bytes((code,)))


def _sized(data: bytes) -> bytes:
    return packet(0, data)[1:]
