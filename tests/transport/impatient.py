"""`python -m tests.transport.impatient run --config FILE`: the agent, with a ladder for tests.

All of it is the agent's own, the second without power too; only its patience is short.
"""

import asyncio
import signal
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec

from gateway import assembly, registry
from gateway.app import open_agent
from gateway.config import Settings, load
from gateway.hardware import Hardware
from gateway.health import Health
from gateway.hearing import Source
from gateway.model import Intake
from gateway.registry import Registry
from gateway.transport import ble

_POWER = ble.Rung("power", after_s=0.1, least_s=60.0, most_s=60.0)


def _impatient(
    settings: Settings, registry: Registry, intake: Intake, health: Health, words: ble.Words
) -> Iterable[Source]:
    for source in assembly.sources(settings, registry, intake, health):
        assert isinstance(source.plan, assembly.BlePlan)
        scan = msgspec.structs.replace(
            source.plan.settings,
            rungs=(_POWER,),
            stall_after_s=0.2,
            stall_most_s=0.4,
            least_silences=1,
        )
        radio = ble.Radio(words=words)
        make = partial(ble.BleTransport, scan, intake, health, radio=radio)
        yield Source(source.name, assembly.BlePlan(scan), make)


async def _run(config: Path) -> None:
    found = registry.discover()
    settings = load(config, drivers=(*found.models(), *found.missing))
    agent = await open_agent(settings, found, Hardware(sources=_impatient))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await agent.run(stop)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[-1])))
