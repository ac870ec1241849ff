"""Faults of the broker: away, slow, refusing, forgetful, and of few words.

Reason codes are MQTT 5's (2.4). What a broker has said wrong it says again right at the end; who
connected meanwhile is let go then, for what is offered is offered once.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Final

import msgspec
from pydantic import Field

from gateway.config import Duration, Size
from gateway.config.section import Whole
from gateway.sim.bench import Bench
from gateway.sim.broker_script import Answer, Offer
from gateway.sim.verbs.verb import Arguments, Begin, Nothing, Verb, verb

_NS_PER_S: Final = 1e9
_NOT_AUTHORIZED: Final = 0x87
_SHUTTING_DOWN: Final = 0x8B
_QUOTA_EXCEEDED: Final = 0x97
_BAD_PASSWORD: Final = 0x86
_VERSION_3_1_1: Final = 4


class Late(Nothing):
    """Answers that take their time."""

    by_ns: Annotated[int, Duration("1ms", "1h")] = Field(default=2_000_000_000, alias="by")
    """How late PUBACK comes."""


class VeryLate(Nothing):
    """Answers that come when nobody waits for them any more."""

    by_ns: Annotated[int, Duration("1ms", "1h")] = Field(default=30_000_000_000, alias="by")
    """How late PUBACK comes."""


class Selected(Nothing):
    """Some of all messages."""

    topics: str = Field(default="#", min_length=1, max_length=200)
    """On which topics, as an MQTT filter."""
    times: Whole | None = Field(default=None, ge=1)
    """How many of them; without it all."""


class Reject(Selected):
    """Messages that are not taken."""

    code: Whole = Field(default=_QUOTA_EXCEEDED, ge=0x80, le=0xFF)
    """The reason code in PUBACK, e.g. 0x97: quota exceeded."""


class Disconnect(Nothing):
    """An end that is told."""

    code: Whole = Field(default=_SHUTTING_DOWN, ge=0x80, le=0xFF)
    """The reason code in DISCONNECT, e.g. 0x8B: server shutting down."""


class Refuse(Nothing):
    """A connection that is refused."""

    code: Whole = Field(default=_BAD_PASSWORD, ge=0x80, le=0xFF)
    """The reason code in CONNACK, e.g. 0x86: bad user name or password."""


class SmallPackets(Nothing):
    """A broker for short messages."""

    most_bytes: Annotated[int, Size("256B", "1MB")] = Field(default=2000, alias="most")
    """Its Maximum Packet Size."""


class ReceiveMaximum(Nothing):
    """A broker that takes few messages at a time."""

    most: Whole = Field(default=1, ge=1, le=65_535)
    """Its Receive Maximum."""


@asynccontextmanager
async def _down(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Stop the broker; it is started again at the end, at the same address."""
    await bench.broker.stop()
    try:
        yield
    finally:
        await bench.broker.start()


@asynccontextmanager
async def _restart(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Stop the broker and start it again at once."""
    await bench.broker.stop()
    await bench.broker.start()
    yield


@asynccontextmanager
async def _freeze(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Let the broker stand still: connections stand, nothing is read; then it goes on."""
    bench.broker.freeze()
    try:
        yield
    finally:
        bench.broker.thaw()


@asynccontextmanager
async def _half_open(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Let the broker's machine go without a word: connections seem to stand; then it starts."""
    bench.broker.freeze()
    try:
        yield
    finally:
        await bench.broker.stop()
        bench.broker.thaw()
        await bench.broker.start()


@contextmanager
def _answering(bench: Bench, answer: Answer, which: Selected | None = None) -> Generator[None]:
    chosen = which or Selected()
    rule = bench.broker.script.on(chosen.topics, answer, times=chosen.times)
    try:
        yield
    finally:
        bench.broker.script.off(rule)


@asynccontextmanager
async def _slow(bench: Bench, arguments: Late) -> AsyncGenerator[None]:
    """Acknowledge every message late."""
    with _answering(bench, Answer(after_s=arguments.by_ns / _NS_PER_S)):
        yield


@asynccontextmanager
async def _late_puback(bench: Bench, arguments: VeryLate) -> AsyncGenerator[None]:
    """Acknowledge every message when the agent has given it up."""
    with _answering(bench, Answer(after_s=arguments.by_ns / _NS_PER_S)):
        yield


@asynccontextmanager
async def _reject(bench: Bench, arguments: Reject) -> AsyncGenerator[None]:
    """Refuse messages with a reason code."""
    with _answering(bench, Answer(reason_code=arguments.code), arguments):
        yield


@asynccontextmanager
async def _drop_puback(bench: Bench, arguments: Selected) -> AsyncGenerator[None]:
    """Take messages and never acknowledge them."""
    with _answering(bench, Answer(times=0), arguments):
        yield


@asynccontextmanager
async def _double_puback(bench: Bench, arguments: Selected) -> AsyncGenerator[None]:
    """Acknowledge each message twice."""
    with _answering(bench, Answer(times=2), arguments):
        yield


@asynccontextmanager
async def _disconnect(bench: Bench, arguments: Disconnect) -> AsyncGenerator[None]:
    """End all connections with a reason code."""
    bench.broker.disconnect(arguments.code)
    yield


@asynccontextmanager
async def _hang_up(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """End all connections without a word."""
    bench.broker.hang_up()
    yield


@contextmanager
def _offering(bench: Bench, offer: Offer, code: int = _SHUTTING_DOWN) -> Generator[None]:
    usual, bench.broker.offer = bench.broker.offer, offer
    bench.broker.disconnect(code)
    try:
        yield
    finally:
        bench.broker.offer = usual
        bench.broker.disconnect(_SHUTTING_DOWN)


@asynccontextmanager
async def _auth_fail(bench: Bench, arguments: Refuse) -> AsyncGenerator[None]:
    """End all connections and refuse new ones: the credentials are not good any more."""
    offer = msgspec.structs.replace(bench.broker.offer, reason_code=arguments.code)
    with _offering(bench, offer, _NOT_AUTHORIZED):
        yield


@asynccontextmanager
async def _refuse_version(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Speak MQTT 3.1.1 only."""
    with _offering(bench, msgspec.structs.replace(bench.broker.offer, versions=(_VERSION_3_1_1,))):
        yield


@asynccontextmanager
async def _small_packets(bench: Bench, arguments: SmallPackets) -> AsyncGenerator[None]:
    """Take short messages only."""
    most = arguments.most_bytes
    with _offering(bench, msgspec.structs.replace(bench.broker.offer, maximum_packet_size=most)):
        yield


@asynccontextmanager
async def _receive_maximum(bench: Bench, arguments: ReceiveMaximum) -> AsyncGenerator[None]:
    """Take few unacknowledged messages at a time."""
    most = arguments.most
    with _offering(bench, msgspec.structs.replace(bench.broker.offer, receive_maximum=most)):
        yield


def _broker(
    name: str,
    arguments: type[Arguments],
    begin: Begin[Arguments],
    *,
    part: str = "broker",
    scripted: bool = True,
) -> Verb:
    lasting = bool(part)
    return verb(name, arguments, begin, part=part, lasting=lasting, scripted=scripted, shared=True)


VERBS: Final = (
    _broker("broker.down", Nothing, _down, scripted=False),
    _broker("broker.restart", Nothing, _restart, part="", scripted=False),
    _broker("broker.freeze", Nothing, _freeze),
    _broker("broker.half_open", Nothing, _half_open),
    _broker("broker.slow", Late, _slow, part="broker.answers"),
    _broker("broker.late_puback", VeryLate, _late_puback, part="broker.answers"),
    _broker("broker.drop_puback", Selected, _drop_puback, part="broker.answers"),
    _broker("broker.double_puback", Selected, _double_puback, part="broker.answers"),
    _broker("broker.reject", Reject, _reject, part="broker.answers"),
    _broker("broker.disconnect", Disconnect, _disconnect, part=""),
    _broker("broker.hang_up", Nothing, _hang_up, part=""),
    _broker("broker.auth_fail", Refuse, _auth_fail, part="broker.offer"),
    _broker("broker.refuse_version", Nothing, _refuse_version, part="broker.offer"),
    _broker("broker.small_packets", SmallPackets, _small_packets, part="broker.offer"),
    _broker("broker.receive_maximum", ReceiveMaximum, _receive_maximum, part="broker.offer"),
)
