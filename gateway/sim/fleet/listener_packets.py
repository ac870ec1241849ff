"""MQTT as a subscriber writes and reads it: 5.0, and 3.1.1 where it differs. Bytes only."""

from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.sim import broker_packets as packets
from gateway.sim.broker_packets import VERSION_5, Fields, MalformedError

_USERNAME, _PASSWORD, _CLEAN = 0x80, 0x40, 0x02
_SESSION_EXPIRY: Final = 0x11  # property (MQTT 5, 2.2.2.2)
_SUBSCRIBE_FLAGS: Final = 0x02  # MQTT 5, 3.8.1
_NEW_ONES_ONLY: Final = 0x20  # retain handling 2 (MQTT 5, 3.8.3.1)
_QOS_1: Final = 0x01
_QOS: Final = 0x06
_MORE: Final = 0x80
_MOST_SHIFT: Final = 21  # of the fourth byte of a Variable Byte Integer (MQTT 5, 1.5.5)


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """How a client introduces itself. `session_s` is how long its session outlives it (5.0)."""

    client_id: str
    clean: bool
    keepalive_s: int
    session_s: int
    username: str | None = None
    password: str | None = None


def connect(version: int, greeting: Greeting) -> bytes:
    """Return a CONNECT (MQTT 5, 3.1)."""
    flags = _CLEAN if greeting.clean else 0
    payload = packets.text(greeting.client_id)
    for secret, flag in ((greeting.username, _USERNAME), (greeting.password, _PASSWORD)):
        if secret is not None:
            flags |= flag
            payload += packets.text(secret)
    head = packets.text("MQTT") + bytes((version, flags))
    head += greeting.keepalive_s.to_bytes(2, "big")
    if version == VERSION_5:
        expiry = bytes((_SESSION_EXPIRY,)) + greeting.session_s.to_bytes(4, "big")
        head += bytes((len(expiry),)) + expiry
    return packets.packet(packets.CONNECT, head + payload)


def subscribe(version: int, packet_id: int, topic_filter: str) -> bytes:
    """Return a SUBSCRIBE to one filter with QoS 1; nothing that is retained is wanted."""
    five = version == VERSION_5
    options = _QOS_1 | (_NEW_ONES_ONLY if five else 0)
    head = packet_id.to_bytes(2, "big") + (b"\0" if five else b"")
    body = head + packets.text(topic_filter) + bytes((options,))
    return packets.packet(packets.SUBSCRIBE, body, _SUBSCRIBE_FLAGS)


def disconnect() -> bytes:
    """Return a DISCONNECT in order: in both versions nothing but its header."""
    return packets.packet(packets.DISCONNECT)


def ping() -> bytes:
    """Return a PINGREQ."""
    return packets.packet(packets.PINGREQ)


class Message(msgspec.Struct, frozen=True, gc=False):
    """A PUBLISH to us. `packet_id` 0: it wants no acknowledgement."""

    topic: str
    payload: bytes
    packet_id: int


def message(version: int, flags: int, body: bytes) -> Message:
    """Read a PUBLISH (MQTT 5, 3.3). Raises MalformedError."""
    fields = Fields(body)
    topic = fields.text()
    packet_id = fields.number(2) if flags & _QOS else 0
    fields.skip_properties(version)
    return Message(topic, fields.take(fields.left), packet_id)


def acknowledged(body: bytes) -> tuple[bool, int]:
    """Read a CONNACK: whether the session was still there, and the reason code."""
    fields = Fields(body)
    return bool(fields.number(1)), fields.number(1)


def granted(version: int, body: bytes) -> int:
    """Read a SUBACK to one filter: its reason code."""
    fields = Fields(body)
    fields.take(2)
    fields.skip_properties(version)
    return fields.number(1)


class Splitter:
    """Cuts a stream into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield (type, flags, body) of each packet that is whole. Raises MalformedError."""
        self._buffer += data
        start = 0
        while (found := self._next(start)) is not None:
            body_at, end = found
            first = self._buffer[start]
            yield first >> 4, first & 0x0F, bytes(self._buffer[body_at:end])
            start = end
        del self._buffer[:start]

    def _next(self, start: int) -> tuple[int, int] | None:
        """Return where the body of the packet at `start` begins and ends; None: not whole."""
        length = 0
        for index, byte in enumerate(self._buffer[start + 1 : start + 5]):
            length |= (byte & ~_MORE) << 7 * index
            if byte < _MORE:
                body_at = start + 2 + index
                end = body_at + length
                return (body_at, end) if end <= len(self._buffer) else None
            if 7 * index == _MOST_SHIFT:
                what = "a length of more than four bytes"
                raise MalformedError(what)
        return None
