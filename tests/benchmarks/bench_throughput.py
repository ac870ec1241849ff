"""How much one core carries: frames injected at stop 2, real agent, real mosquitto, all healthy.

The agent's process is pinned to one core and the broker to another. The feeder keeps a bounded
number of observations under way, so nothing is pushed to disk; that nothing was written is proven
twice: the store counts its commits, and its files are compared.
"""

import asyncio
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.benchmarks import traffic
from tests.benchmarks.agents import Subject, agent_at
from tests.benchmarks.rows import Row, at_least
from tests.brokers import Mosquitto

LEAST_PER_S: Final = 30_000
_DEVICES: Final = 1000
_UNDER_WAY: Final = 2000  # observations fed and not acknowledged
_BATCH: Final = 64
_PAYLOADS: Final = 1000

Files = dict[str, tuple[int, int]]


def measure(*, quick: bool) -> list[Row]:
    """Measure it."""
    agent_core, *others = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory() as directory:
        mosquitto = Mosquitto(Path(directory) / "broker")
        mosquitto.start()
        try:
            os.sched_setaffinity(mosquitto.pid, others or [agent_core])
            os.sched_setaffinity(0, [agent_core])
            duration_s = 5.0 if quick else 20.0
            return [asyncio.run(_measure(Path(directory) / "agent", mosquitto.port, duration_s))]
        finally:
            mosquitto.kill()


async def _measure(directory: Path, port: int, duration_s: float) -> Row:
    async with agent_at(directory, port=port, devices=_DEVICES) as subject:
        await subject.connected()
        feeder = Feeder(subject)
        await feeder.feed(1.0)
        before = _files(directory)
        observations = subject.agent.health.observations
        delivered, wall_s, cpu_s = observations.delivered, time.monotonic(), time.process_time()
        await feeder.feed(duration_s)
        delivered = observations.delivered - delivered
        wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
        await subject.delivered(observations.observed)
        frames = subject.agent.health.frames
        assert frames.decoded == frames.heard, frames
        assert subject.backlog.commits == 0, "the store was written to"
        assert _files(directory) == before, "the store was written to"
    note = (
        f"{1e6 * cpu_s / delivered:.1f} us of CPU each, so {delivered / cpu_s:,.0f} where the core"
        f" is ours alone; we had {100 * cpu_s / wall_s:.0f} % of it; commits 0"
    )
    title = "observations PUBACKed per second, one core, healthy"
    return at_least(title, LEAST_PER_S, delivered / wall_s, "/s", note)


class Feeder:
    """Injects frames as fast as they are acknowledged."""

    def __init__(self, subject: Subject) -> None:
        self._agent = subject.agent
        self._number = 0
        # Frames are made while measuring, their bytes are not: a transport would have them.
        self._structures = [traffic.structures(serial) for serial in range(_PAYLOADS)]
        self._addresses = [traffic.address(number) for number in range(_DEVICES)]

    async def feed(self, duration_s: float) -> None:
        """Inject for a time."""
        end_s = time.monotonic() + duration_s
        observations, waiting = self._agent.health.observations, self._agent.pipeline.waiting
        while time.monotonic() < end_s:
            if waiting() + observations.observed - observations.delivered < _UNDER_WAY:
                self._inject()
            await asyncio.sleep(0)

    def _inject(self) -> None:
        pipeline = self._agent.pipeline
        for number in range(self._number, self._number + _BATCH):
            address = self._addresses[number % _DEVICES]
            structures = self._structures[number // _DEVICES % _PAYLOADS]
            at_ns = pipeline.admits(address, structures, traffic.RSSI_DBM)
            if at_ns is not None:
                pipeline.hear(traffic.heard(address, structures, at_ns))
        self._number += _BATCH


def _files(directory: Path) -> Files:
    """Return size and time of the last change of each file."""
    return {
        path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in directory.iterdir()
    }
