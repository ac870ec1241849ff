"""The gateways that run in one process, and what is seen of them from outside.

It starts them one after the other, silences their sensors, ends them in order, and takes away what
they have left retained at the broker.
"""

import asyncio
import contextlib
import os
import resource
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.errors import SimulatorError
from gateway.registry import discover
from gateway.sim.fleet.histogram import Histogram
from gateway.sim.fleet.member import Member
from gateway.sim.fleet.plan import Plan
from gateway.sim.fleet.ways import Books

_TIDY_S: Final = 60.0  # to take away what is retained
_TIDY_AT_ONCE: Final = 20  # gateways
_FILES, _FILES_ON_DISK, _FILES_BESIDE = 2, 8, 128  # open at once: of a gateway, of the process


class Snapshot(msgspec.Struct, kw_only=True):
    """A group at one moment; counts are since its start. Frames are what the sensors sent."""

    started: int = 0
    connected: int = 0
    attempts: int = 0
    connects: int = 0
    sent: int = 0  # frames
    decoded: int = 0  # of these, became an observation
    waiting: int = 0  # of these, wait to be decoded
    observed: int = 0
    delivered: int = 0  # acknowledged by the broker
    given_up: int = 0  # set aside, or dropped for want of room
    in_memory: int = 0
    in_backlog: int = 0
    unbalanced: int = 0  # gateways whose books do not balance
    causes: dict[str, int] = msgspec.field(default_factory=dict[str, int])  # why not connected
    versions: dict[str, int] = msgspec.field(default_factory=dict[str, int])  # connects by MQTT's
    acknowledged: Histogram = msgspec.field(default_factory=Histogram)
    streams: dict[str, int] = msgspec.field(default_factory=dict[str, int])  # at the end only
    left_retained: int = 0  # at the end: topics that could not be emptied
    memory_bytes: int = 0  # resident, more than before the first started

    @property
    def owed(self) -> int:
        """Observations that are made and not acknowledged, and frames still to become some."""
        return self.waiting + self.in_memory + self.in_backlog


class Group:
    """The gateways of a plan with these numbers. `run` is to be awaited; the rest steers it."""

    def __init__(self, plan: Plan, numbers: Sequence[int]) -> None:
        _make_room(len(numbers) * (_FILES_ON_DISK if plan.store else _FILES) + _FILES_BESIDE)
        self._plan = plan
        self._books = Books()
        self._registry = discover()
        self._memory_before = _resident_bytes()
        self._members = [Member(each, plan, self._registry, self._books) for each in numbers]
        self._started: list[Member] = []
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """Start all, and return after `end` when all have ended. Raises what an agent raises."""
        gap_s = self._plan.ramp_s / len(self._members)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with asyncio.TaskGroup() as group:
            for place, member in enumerate(self._members):
                if self._ending.is_set():
                    break
                group.create_task(member.run(), name=f"fleet.{place}")
                self._started.append(member)
                await self._pause(began_s + (place + 1) * gap_s - loop.time())
            await self._ending.wait()
            for member in self._started:
                member.stop()
        await self._tidy()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._ending.wait()

    def rest(self) -> None:
        """Silence the sensors."""
        for member in self._members:
            member.radio.silent = True

    def end(self) -> None:
        """End the gateways in order."""
        self._ending.set()

    async def _tidy(self) -> None:
        """Empty the retained topics: nobody is to take made-up gateways for real ones."""
        turns = asyncio.Semaphore(_TIDY_AT_ONCE)

        async def tidy(member: Member) -> None:
            async with turns:
                await member.tidy()

        with contextlib.suppress(TimeoutError):  # how many are left is told
            async with asyncio.timeout(_TIDY_S), asyncio.TaskGroup() as group:
                for place, member in enumerate(self._started):
                    group.create_task(tidy(member), name=f"fleet.tidy.{place}")

    # ------------------------------------------------------------------------------- looking
    def snapshot(self, *, final: bool = False) -> Snapshot:
        """Return how it stands."""
        seen = Snapshot(
            started=len(self._started),
            attempts=self._books.attempts,
            connects=self._books.connects,
            acknowledged=self._books.acknowledged,
            versions=dict(self._books.versions),
            sent=sum(member.radio.sent for member in self._members),
            left_retained=sum(len(each.retained) for each in self._started) if final else 0,
            memory_bytes=_resident_bytes() - self._memory_before,
        )
        causes: Counter[str] = Counter()
        for member in self._started:
            _look_at(member, seen, causes)
            if final and member.agent is not None:
                seen.streams |= {each.id: each.next_seq for each in member.agent.streams}
        seen.causes = dict(causes)
        return seen


def _look_at(member: Member, seen: Snapshot, causes: Counter[str]) -> None:
    if member.agent is None:
        return
    health = member.agent.health
    seen.connected += health.uplink.connected
    if not health.uplink.connected:
        causes[health.uplink.cause] += 1
    seen.decoded += health.frames.decoded
    seen.waiting += health.waiting()
    seen.observed += health.observations.observed
    seen.delivered += health.observations.delivered
    seen.given_up += health.observations.set_aside + health.observations.dropped
    seen.in_memory += health.in_memory()
    seen.in_backlog += health.in_backlog()
    seen.unbalanced += bool(health.frames_law() or health.observations_law())


def total(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Return several groups as if they were one."""
    whole = Snapshot()
    for each in snapshots:
        for name in _COUNTS:
            setattr(whole, name, getattr(whole, name) + getattr(each, name))
        for name in _BY_NAME:
            counts = Counter[str](getattr(whole, name))
            counts.update(getattr(each, name))
            setattr(whole, name, dict(counts))
        whole.acknowledged.merge(each.acknowledged)
    return whole


_BY_NAME: Final = ("causes", "versions", "streams")
_COUNTS: Final = [
    field
    for field in Snapshot.__struct_fields__
    if field not in _BY_NAME and field != "acknowledged"
]


def _make_room(files: int) -> None:
    """See that so many can be open. Raises SimulatorError where this user may not have them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= files:
        return
    if hard != resource.RLIM_INFINITY and hard < files:
        cause = f"{files:,} open files are needed, and this process may have {hard:,}"
        raise SimulatorError(cause, "share the gateways out (--processes), or raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")
