"""The transports that run: each can be ended and begun anew while the others go on hearing.

A bug in one ends the agent, as in every task of ours; trouble with a radio is its transport's own
business.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import msgspec

from gateway.health import Health
from gateway.model import Transport

ENDS_S: Final = 1.0  # a transport stops within that


class Plan(Protocol):
    """How a transport is to hear; equal plans make equal transports."""

    def serves(self, wanted: "Plan") -> bool:
        """Whether a transport made by this plan does what another plan wants."""
        ...


class Source(msgspec.Struct, frozen=True):
    """A transport that is wanted: its name, how it is to hear, and what makes it."""

    name: str
    plan: Plan
    make: Callable[[], Transport]


class _Running(msgspec.Struct, frozen=True):
    plan: Plan
    task: asyncio.Task[None]


class Hearing:
    """The running transports, by name. Their tasks belong to the group."""

    def __init__(self, group: asyncio.TaskGroup, health: Health) -> None:
        self._group = group
        self._health = health
        self._running: dict[str, _Running] = {}
        self._ended = False

    async def become(self, sources: Iterable[Source]) -> None:
        """Run these and no others; one that does already what is wanted of it is left alone."""
        wanted = {source.name: source for source in sources}
        gone = [name for name in self._running if name not in wanted]
        changed = [name for name in wanted if not self._is_served(wanted[name])]
        await self._end([name for name in (*gone, *changed) if name in self._running])
        for name in gone:
            del self._health.transports[name]
        for name in changed:
            self._begin(wanted[name])

    async def end(self) -> None:
        """End all, within a bound; nothing begins after it."""
        self._ended = True
        await self._end(list(self._running))

    @property
    def plans(self) -> Mapping[str, Plan]:
        """How each transport hears that runs."""
        return {name: running.plan for name, running in self._running.items()}

    def _is_served(self, source: Source) -> bool:
        running = self._running.get(source.name)
        return running is not None and running.plan.serves(source.plan)

    def _begin(self, source: Source) -> None:
        if self._ended:
            return
        transport = source.make()
        task = self._group.create_task(transport.run(), name=source.name)
        self._running[source.name] = _Running(source.plan, task)

    async def _end(self, names: Iterable[str]) -> None:
        """Cancel tasks and wait for their end."""
        tasks: list[asyncio.Task[None]] = []
        for name in names:
            tasks.append(self._running.pop(name).task)
            self._health.vitals.end(name)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=ENDS_S)
