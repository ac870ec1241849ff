"""All probes at once, each within its time, told in one order."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

import msgspec

from gateway.aside import aside
from gateway.cli.preflight import bluetooth, lorawan, network, serial_port, store
from gateway.cli.preflight.verdict import Verdict
from gateway.config import (
    BleSettings,
    ForwarderSettings,
    NetworkServerSettings,
    SerialSettings,
    Settings,
    TransportSettings,
)
from gateway.registry import Registry

LIMIT_S: Final = 20.0


class Probe(msgspec.Struct, frozen=True):
    """Something that is looked at: the names it will speak of, and how."""

    names: tuple[str, ...]
    look: Callable[[], AsyncGenerator[Verdict]]


def probes(settings: Settings, registry: Registry) -> Iterator[Probe]:
    """Yield what this configuration needs, the store first."""
    runs = store.agent_runs(settings.store.path)
    yield Probe(store.NAMES, partial(_store, settings))
    for source in settings.transports:
        yield Probe((source.name,), _look_at(source, settings, registry, agent_runs=runs))
    yield Probe(network.names(settings), partial(network.look, settings, agent_runs=runs))


def _look_at(
    source: TransportSettings, settings: Settings, registry: Registry, *, agent_runs: bool
) -> Callable[[], AsyncGenerator[Verdict]]:
    match source:
        case BleSettings():
            return partial(bluetooth.look, source)
        case SerialSettings():
            return partial(serial_port.look, source, registry, agent_runs=agent_runs)
        case ForwarderSettings():
            return partial(lorawan.look_at_port, source, agent_runs=agent_runs)
        case NetworkServerSettings():
            return partial(lorawan.look_at_server, source, settings, agent_runs=agent_runs)


async def _store(settings: Settings) -> AsyncGenerator[Verdict]:
    for verdict in await aside(lambda: list(store.look(settings.store)), name="store"):
        yield verdict


async def examine(
    wanted: Sequence[Probe], tell: Callable[[Verdict], None], *, limit_s: float = LIMIT_S
) -> None:
    """Look at everything at once; tell every verdict in the order of the probes.

    What has not come within the limit is told as a warning.
    """
    heard: list[asyncio.Queue[Verdict | None]] = [asyncio.Queue() for _ in wanted]
    async with asyncio.TaskGroup() as group:
        for probe, queue in zip(wanted, heard, strict=True):
            group.create_task(_look(probe, queue, limit_s), name=f"preflight {probe.names[0]}")
        for queue in heard:
            while (verdict := await queue.get()) is not None:
                tell(verdict)


async def _look(probe: Probe, heard: asyncio.Queue[Verdict | None], limit_s: float) -> None:
    missing = list(probe.names)
    try:
        async with asyncio.timeout(limit_s), aclosing(probe.look()) as verdicts:
            async for verdict in verdicts:
                missing.remove(verdict.name)
                heard.put_nowait(verdict)
    except TimeoutError:
        for name in missing:
            heard.put_nowait(Verdict.warning(name, f"no answer within {limit_s:g} s"))
    heard.put_nowait(None)
