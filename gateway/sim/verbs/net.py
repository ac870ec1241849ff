"""Faults of the way to the broker: down, slow, late, swallowing, half open."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, Final

import msgspec
from pydantic import Field

from gateway.config import Duration, Size
from gateway.sim.bench import Bench
from gateway.sim.verbs.verb import Nothing, Verb, verb

_NS_PER_S: Final = 1e9


class Slow(Nothing):
    """A line of little capacity."""

    rate_bytes: Annotated[int, Size("10B", "1GB")] = Field(default=1000, alias="rate")
    """Bytes per second, each way."""


class Latency(Nothing):
    """A long way."""

    by_ns: Annotated[int, Duration("1ms", "5min")] = Field(default=500_000_000, alias="by")
    """How long a byte is under way, each way."""


@asynccontextmanager
async def _down(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Take the network away: connections break, new ones are refused."""
    bench.way.refused = True
    bench.way.cut()
    try:
        yield
    finally:
        bench.way.refused = False


@asynccontextmanager
async def _cut(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Break all connections: both sides see a reset."""
    bench.way.cut()
    yield


@contextmanager
def _line(bench: Bench, **changes: Any) -> Generator[None]:  # noqa: ANN401 - of a Line's fields
    """Change some of what the line does, and change just that back."""
    usual = {name: getattr(bench.way.line, name) for name in changes}
    bench.way.line = msgspec.structs.replace(bench.way.line, **changes)
    try:
        yield
    finally:
        bench.way.line = msgspec.structs.replace(bench.way.line, **usual)


@asynccontextmanager
async def _slow(bench: Bench, arguments: Slow) -> AsyncGenerator[None]:
    """Let few bytes through in a second."""
    rate = arguments.rate_bytes
    with _line(bench, up_bytes_per_s=rate, down_bytes_per_s=rate):
        yield


@asynccontextmanager
async def _latency(bench: Bench, arguments: Latency) -> AsyncGenerator[None]:
    """Make the way long: everything arrives late, in its order."""
    with _line(bench, latency_s=arguments.by_ns / _NS_PER_S):
        yield


@asynccontextmanager
async def _blackhole(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Swallow everything without a word, also of new connections; at the end they break."""
    try:
        with _line(bench, swallows=True):
            yield
    finally:
        bench.way.cut()  # what is missing in the middle of a connection cannot be made up for


@asynccontextmanager
async def _half_open(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Break the agent's side of all connections; the broker takes its old one for alive."""
    bench.way.forget_clients()
    yield


VERBS: Final[tuple[Verb, ...]] = (
    verb("net.down", Nothing, _down, part="net"),
    verb("net.cut", Nothing, _cut, lasting=False),
    verb("net.slow", Slow, _slow, part="net.rate"),
    verb("net.latency", Latency, _latency, part="net.latency"),
    verb("net.blackhole", Nothing, _blackhole, part="net"),
    verb("net.half_open", Nothing, _half_open, lasting=False),
)
