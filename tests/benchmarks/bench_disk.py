"""What the store writes per observation, counted below SQLite: healthy, and with the broker away.

Both agents run on a VFS that writes down each write. Away from the broker time runs 20 times as
fast, commit deadline and traffic alike, so each commit holds what 0.7 s hold at 10 observations a
second, and the run is long enough for checkpoints, which write each page once more.
"""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gateway.backlog.sqlite.schema import PAGE_BYTES
from gateway.bundle import Identity, Renderer
from tests.backlog.failing_disk import Disk, connection
from tests.benchmarks import traffic
from tests.benchmarks.agents import Subject, agent_at
from tests.benchmarks.bench_hot_path import broker
from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.waiting import until
from tests.brokers import free_port

_DEVICES: Final = 20
_FASTER: Final = 20
_AWAY: Final = f"delivery: {{commit_after: {700 // _FASTER}ms}}"
_AWAY_PER_S: Final = 10.0 * _FASTER
_HEALTHY_PER_S: Final = 100.0
_PAYLOAD_FACTOR: Final = 1.3


def measure(*, quick: bool) -> list[Row]:
    """Measure both."""
    duration_s = 8.0 if quick else 30.0
    with TemporaryDirectory() as directory, broker(Path(directory)) as port:
        healthy = asyncio.run(_healthy(Path(directory) / "healthy", port, duration_s))
        away = asyncio.run(_away(Path(directory) / "away", duration_s))
    return [healthy, away]


async def _healthy(directory: Path, port: int, duration_s: float) -> Row:
    disk = Disk("bench-healthy")
    agent = agent_at(directory, port=port, devices=_DEVICES, connect=connection(disk))
    async with agent as subject:
        await subject.connected()
        before = disk.written_bytes
        count = await _inject(subject, _HEALTHY_PER_S, duration_s)
        await subject.delivered(count)
        written = disk.written_bytes - before
    note = (
        f"{written} B for {count:,} observations at {_HEALTHY_PER_S:g}/s; the run's beginning and"
        f" end, with what the bulletin remembers, {(disk.written_bytes - written) / 1000:.0f} kB"
    )
    return at_most("disk bytes per observation, healthy", 0, written / count, "B", note)


async def _away(directory: Path, duration_s: float) -> Row:
    disk = Disk("bench-away")
    agent = agent_at(
        directory, port=free_port(), devices=_DEVICES, extra=_AWAY, connect=connection(disk)
    )
    async with agent as subject:
        opened = disk.written_bytes
        count = await _inject(subject, _AWAY_PER_S, duration_s)
        await subject.kept(count)
        written, commits = disk.written_bytes - opened, subject.backlog.commits
        payload = await _payload_bytes(subject)
    allowed = _PAYLOAD_FACTOR * payload + commits * PAGE_BYTES
    note = (
        f"{commits} commits of {count / commits:.1f}, each {written / commits / PAGE_BYTES:.2f}"
        f" pages; payload {payload / count:.0f} B"
    )
    title = f"disk bytes per observation, broker away at {_AWAY_PER_S / _FASTER:g}/s"
    return at_most(title, round(allowed / count), written / count, "B", note)


async def _inject(subject: Subject, per_second: float, duration_s: float) -> int:
    """Inject frames on a schedule; how many observations came of them.

    Nearly all: where this machine stood still, what follows comes at once and is coalesced.
    """
    agent = subject.agent
    before = agent.health.observations.observed
    start_s = time.monotonic()
    count = int(per_second * duration_s)
    sent = 0
    while sent < count:
        await asyncio.sleep(max(0.0, start_s + sent / per_second - time.monotonic()))
        address = traffic.address(sent % _DEVICES)
        content = traffic.structures(sent // _DEVICES)
        at_ns = agent.pipeline.admits(address, content, traffic.RSSI_DBM)
        assert at_ns is not None
        agent.pipeline.hear(traffic.heard(address, content, at_ns))
        sent += 1
    await until(lambda: not agent.pipeline.waiting())
    return agent.health.observations.observed - before


async def _payload_bytes(subject: Subject) -> int:
    """Return the bytes of all messages that the store holds."""
    renderer = Renderer(Identity("kiel", "gw-bench"), subject.agent.clock)
    kept = await subject.backlog.lease(subject.backlog.unleased)
    payload = sum(len(renderer.render(each.bundle)) for each in kept)
    subject.backlog.release([each.row for each in kept])
    return payload
