"""The processes of a fleet: this one alone, or several workers that this one steers.

A worker is told what to do by lines on its standard input and says how it stands by lines of JSON
on its standard output; it dies with us.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from itertools import pairwise
from typing import Final, Protocol

import msgspec

from gateway.errors import SimulatorError
from gateway.sim import lifeline
from gateway.sim.fleet.group import Group, Snapshot
from gateway.sim.fleet.plan import Plan

REST: Final = b"rest\n"
END: Final = b"end\n"
_MOST_BYTES: Final = 16_000_000  # of a line: the streams of thousands of gateways
_WORKER_END_S: Final = 5.0


class Order(msgspec.Struct, frozen=True):
    """What a worker is given first: a plan, and which of its gateways are its own."""

    plan: Plan
    first: int
    last: int


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says: how it stands, how it stood at the end, or why it cannot go on."""

    now: Snapshot | None = None
    final: Snapshot | None = None
    error: str = ""
    remedy: str = ""


class Crew(Protocol):
    """Some gateways of a fleet. `run` returns after `end`, and `final` is valid then."""

    up: asyncio.Event  # set once gateways are being started

    async def run(self) -> None:
        """Start the gateways, and run them until `end`."""
        ...

    def rest(self) -> None:
        """Silence the sensors."""
        ...

    def end(self) -> None:
        """End the gateways in order."""
        ...

    def snapshot(self) -> Snapshot:
        """Return how it stands; at most a second old."""
        ...

    def final(self) -> Snapshot:
        """Return how it stood at the end, with the streams of all gateways."""
        ...


class Here:
    """All gateways in this process."""

    def __init__(self, plan: Plan) -> None:
        self.up = asyncio.Event()
        self.up.set()
        self._group = Group(plan, range(1, plan.gateways + 1))
        self.run = self._group.run
        self.rest = self._group.rest
        self.end = self._group.end

    def snapshot(self) -> Snapshot:
        """Return how it stands."""
        return self._group.snapshot()

    def final(self) -> Snapshot:
        """Return how it stood at the end."""
        return self._group.snapshot(final=True)


class Worker:
    """Some gateways in a process of their own."""

    def __init__(self, order: Order) -> None:
        self.up = asyncio.Event()
        self._order = order
        self._process: Process | None = None
        self._now = Snapshot()
        self._final: Snapshot | None = None
        self._words = msgspec.json.Decoder(Word)

    async def run(self) -> None:
        """Run the process. Raises SimulatorError when it cannot go on."""
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.sim.fleet.worker"),
            stdin=PIPE,
            stdout=PIPE,
            limit=_MOST_BYTES,
            preexec_fn=lifeline.die_with_parent,
        )
        try:
            self._tell(msgspec.json.encode(self._order) + b"\n")
            if process.stdout is not None:
                await self._hear(process.stdout)
        finally:
            code = await lifeline.end(process, limit_s=_WORKER_END_S)
        if self._final is None:
            cause = f"a process of the fleet ended with code {code}"
            raise SimulatorError(cause, "what it said is above")

    async def _hear(self, said: asyncio.StreamReader) -> None:
        while line := await said.readline():
            word = self._words.decode(line)
            if word.error:
                raise SimulatorError(word.error, word.remedy)
            self.up.set()
            self._now = word.now or word.final or self._now
            self._final = word.final
            if word.final is not None:
                return

    def _tell(self, line: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError, RuntimeError):  # it has gone; `run` says so
                self._process.stdin.write(line)

    def rest(self) -> None:
        """Silence the sensors."""
        self._tell(REST)

    def end(self) -> None:
        """End the gateways in order."""
        self._tell(END)

    def snapshot(self) -> Snapshot:
        """Return what it said last."""
        return self._now

    def final(self) -> Snapshot:
        """Return what it said at the end."""
        return self._final or self._now


def crews_of(plan: Plan) -> list[Crew]:
    """Share the gateways out."""
    if plan.processes == 1:
        return [Here(plan)]
    ends = [plan.gateways * share // plan.processes for share in range(plan.processes + 1)]
    return [Worker(Order(plan, before + 1, last)) for before, last in pairwise(ends)]
