"""What a broker sends us, byte by byte: through the adapter and the paho beneath it, on a socket.

    F NN DD..   F  bits, below   N  bytes of the first piece   D  what the broker sends

Promised: no bytes make a callback raise or the loop spin; each message ends once, and is settled
only by a PUBACK that stands in the stream with that reason code; messages alone, whatever their
QoS, end nothing, and none is kept; when the stream ends, so has the connection, with an
UplinkError; what listens gets whole payloads.
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final
from unittest.mock import patch

from gateway.errors import UplinkError
from gateway.model import Outcome
from gateway.mqtt import Connection, MqttSettings
from gateway.packet_socket import MAX_INCOMING_BYTES
from gateway.sim import broker_packets as packets
from gateway.subscription import Subscription
from tests.fuzz.target import Target

_HEAD: Final = 3
_OLD, _LISTENS, _FROM_THE_START = (
    1,
    2,
    4,
)  # bits of F: MQTT 3.1.1; a subscription; no CONNACK of ours
_MESSAGES: Final = 3
_TURNS: Final = 12  # of the loop, for whatever there is to be done
_TOPIC: Final = "ugw/one"


class _Dial:
    """Stands for gateway.dial: the other end is the target's."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(0)

    async def __call__(self, *_: object, **_options: object) -> socket.socket:
        return self.ours


def broker(data: bytes) -> None:
    """Be connected to a broker that sends these bytes."""
    _loop().run_until_complete(_conversation(data))


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


async def _conversation(data: bytes) -> None:
    overlooked: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: overlooked.append(context))
    dial = _Dial()
    with dial.theirs, dial.ours, patch("gateway.mqtt.dial", dial):
        await _spoken(data, dial)
    assert not overlooked, overlooked


async def _spoken(data: bytes, dial: _Dial) -> None:
    flags, first = int.from_bytes(data[:1]), int.from_bytes(data[1:_HEAD], "little")
    stream, taken = data[_HEAD:], list[bytes]()
    settings = MqttSettings(
        host="broker", port=1883, client_id="one", version="3.1.1" if flags & _OLD else "5"
    )
    if flags & _LISTENS:
        topics = [_TOPIC, "ugw/two"]
        connection: Connection = Subscription(settings, topics, taken.append, qos=1)
    else:
        connection = Connection(settings, None)
    entering = asyncio.create_task(_entered(connection), name="entering")
    await _turns()
    if not flags & _FROM_THE_START:
        stream = packets.connack(4 if flags & _OLD else 5, 0, {}) + stream
    cut = first % (len(stream) + 1)
    _send(dial, stream[:cut])
    await _turns()
    outcomes = _published(connection)
    await _turns()
    _send(dial, stream[cut:])
    await _turns()
    if flags & _OLD and not flags & _FROM_THE_START and _are_messages(stream):
        assert connection.connected
    assert not connection._paho._in_messages  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    dial.theirs.close()
    await _turns()
    await asyncio.wait_for(entering, 20)
    error = await asyncio.wait_for(connection.wait_closed(), 20)
    assert str(error).isprintable()
    _are_settled_by(stream, outcomes)
    assert all(len(payload) <= MAX_INCOMING_BYTES for payload in taken)


async def _entered(connection: Connection) -> None:
    with suppress(UplinkError):
        await connection.__aenter__()


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _send(dial: _Dial, data: bytes) -> None:
    with suppress(OSError):  # it was hung up on
        dial.theirs.send(data)


def _published(connection: Connection) -> Sequence[list[Outcome]]:
    outcomes: list[list[Outcome]] = [[] for _ in range(_MESSAGES)]
    for number, ended in enumerate(outcomes):
        connection.publish(_TOPIC, b"%d" % number, done=ended.append)
    return outcomes


def _are_settled_by(stream: bytes, outcomes: Sequence[list[Outcome]]) -> None:
    """Assert that a message has no reason code but what its packet id, from 1 on, was given."""
    acknowledged = set(_pubacks(stream))
    for packet_id, ended in enumerate(outcomes, start=1):
        assert len(ended) == 1, ended
        code, cause = ended[0].reason_code, ended[0].cause
        if code is not None and cause != "Packet too large":  # that is said without sending it
            assert (packet_id, code) in acknowledged, (packet_id, code, acknowledged)


def _pubacks(stream: bytes) -> Iterator[tuple[int, int]]:
    """Read what is acknowledged (MQTT 5, 3.4)."""
    for kind, body in _packets(stream):
        if kind == 0x40 and body is not None and len(body) >= 2:
            yield int.from_bytes(body[:2]), body[2] if len(body) > 2 else 0


def _are_messages(stream: bytes) -> bool:
    """Whether behind the CONNACK there are whole messages of MQTT 3.1.1 alone (its 3.3)."""
    _, *packets = _packets(stream)
    return all(_is_message(kind, body) for kind, body in packets)


def _is_message(kind: int, body: bytes | None) -> bool:
    if kind >> 4 != 3 or body is None or len(body) < 2:
        return False
    qos, topic = kind >> 1 & 3, int.from_bytes(body[:2])
    if not qos:
        return 0 < topic <= len(body) - 2
    return qos < 3 and 0 < topic <= len(body) - 4 and any(body[2 + topic : 4 + topic])


def _packets(stream: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Read apart from the code under test (MQTT 5, 2.1); no body where it is cut short."""
    at = 0
    while at < len(stream):
        kind, length, shift, byte = stream[at], 0, 0, 0x80
        at += 1
        while at < len(stream):
            byte = stream[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 21:
                break
        body = stream[at : at + length]
        at += length
        yield kind, body if byte < 0x80 and len(body) == length else None


def _seeds() -> Iterator[bytes]:
    acks = b"".join(packets.puback(5, number, 0) for number in (1, 2, 3))
    said = {
        0: [
            acks,
            packets.puback(5, 1, 0x87) + packets.puback(5, 2, 0x10) + packets.puback(5, 2, 0),
            bytes.fromhex("40080001870 41f000161".replace(" ", "")) + packets.disconnect(0x8B),
            bytes.fromhex("e0078b051f00026279"),
            packets.packet(packets.PINGRESP) + acks[:7],
            packets.delivery(5, _TOPIC, b"unasked", packet_id=9, retain=False),
        ],
        _OLD: [
            packets.puback(4, 1, 0) + packets.packet(packets.PINGRESP),
            packets.packet(packets.PUBLISH, b"\0\1a\0\7hi", 4) * 3,
            packets.packet(packets.PUBLISH, b"\0\1ahi") + bytes.fromhex("34050001610007 62020007"),
        ],
        _FROM_THE_START: [
            bytes.fromhex("201200000f210005270000100012000269641300 14".replace(" ", "")) + acks,
            packets.connack(5, 0x87, {}),
            packets.connack(5, 0, {0x24: b"\0"}),
            bytes.fromhex("20020001"),
        ],
        _LISTENS: [
            packets.suback(5, 1, b"\1\1")
            + packets.delivery(5, _TOPIC, b"{}", packet_id=7, retain=False)
            + packets.delivery(5, _TOPIC, b"kept", packet_id=8, retain=True),
            packets.suback(5, 1, b"\x87\1"),
        ],
        _LISTENS | _OLD: [
            packets.suback(4, 1, b"\1\1")
            + packets.delivery(4, _TOPIC, b"{}", packet_id=7, retain=False),
        ],
    }
    for flags, streams in said.items():
        for stream in streams:
            for cut in (0, 5):
                yield bytes((flags, cut, 0)) + stream


TARGETS: Final = (
    Target(
        "broker-packets",
        "packets of a broker: CONNACK, PUBACK, SUBACK, PUBLISH, DISCONNECT, and what is none",
        broker,
        _seeds,
        (
            "gateway.mqtt",
            "gateway.packet_socket",
            "gateway.subscription",
            "gateway.reasons",
            "paho",
        ),
        most_bytes=256,
        words=(b"\x40\x02\x00\x01", b"\x40\x03\x00\x01", b"\x20\x03\x00\x00\x00", b"\xe0\x01"),
        share=2,
    ),
)
