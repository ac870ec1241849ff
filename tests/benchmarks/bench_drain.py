"""How fast a backlog leaves: a store left full by an earlier run, a real mosquitto, no new data.

The bundles are packed by the agent's own packer, so they are as large as it makes them. Time runs
from the first PUBACK of an observation to the last; that all rows are deleted is waited for too.
"""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gateway import assembly
from gateway.backlog.sqlite import SqliteBacklog
from gateway.bundle import MAX_BYTES, Packer, pack
from gateway.clock import SystemClock
from gateway.model import Bundle, Link, Observation, Stream
from tests.benchmarks import traffic
from tests.benchmarks.agents import Subject, agent_at
from tests.benchmarks.bench_hot_path import broker
from tests.benchmarks.rows import Row, at_least
from tests.benchmarks.waiting import until

LEAST_PER_S: Final = 50_000
_OBSERVATIONS: Final = 1_000_000
_QUICK: Final = 100_000
_BUNDLES_PER_COMMIT: Final = 100
_HANG_S: Final = 600.0


def measure(*, quick: bool) -> list[Row]:
    """Measure it."""
    with TemporaryDirectory() as directory, broker(Path(directory)) as port:
        work = _measure(Path(directory) / "agent", port, _QUICK if quick else _OBSERVATIONS)
        return [asyncio.run(work)]


async def _measure(directory: Path, port: int, observations: int) -> Row:
    bundles = await _fill(directory, observations)
    async with agent_at(directory, port=port) as subject:
        stored_mb = subject.backlog.bytes_used / 1e6
        assert subject.agent.recovery.observations == observations
        drained_s, cpu_s = await _drain(subject, observations)
    note = (
        f"{observations:,} observations in {bundles:,} bundles, {stored_mb:.0f} MB stored;"
        f" {1e6 * cpu_s / observations:.1f} us of CPU each"
    )
    title = "drain of a backlog, observations PUBACKed per second"
    return at_least(title, LEAST_PER_S, observations / drained_s, "/s", note)


async def _drain(subject: Subject, observations: int) -> tuple[float, float]:
    """Return the time it took, and the CPU time."""
    await subject.delivered(1)
    first = subject.agent.health.observations.delivered
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    await subject.delivered(observations, limit_s=_HANG_S)
    drained_s, cpu_s = time.monotonic() - start_s, time.process_time() - start_cpu_s
    await until(lambda: not subject.backlog.bundles, limit_s=_HANG_S)
    return drained_s * observations / (observations - first), cpu_s


# -------------------------------------------------------------------------------------- the store
async def _fill(directory: Path, observations: int) -> int:
    """Leave a store as an earlier run does; the number of its bundles."""
    streams = assembly.mint_streams()
    backlog = SqliteBacklog(directory)
    await backlog.open(streams)
    routine = next(stream for stream in streams if stream.klass == "routine")
    bundles = _bundles(routine, observations)
    while some := list(islice(bundles, _BUNDLES_PER_COMMIT)):
        backlog.release(await backlog.append(some, {}))
    count = backlog.bundles
    await backlog.close(streams, {})
    return count


def _bundles(stream: Stream, observations: int) -> Iterator[Bundle]:
    clock = SystemClock("system")
    packer = Packer(stream.klass, clock)
    for _ in range(observations):
        observation = _observation(stream, clock)
        entry = pack(observation)
        if not packer.fits(entry, MAX_BYTES):
            yield packer.seal()
        packer.add(observation, entry)
    if len(packer):
        yield packer.seal()


def _observation(stream: Stream, clock: SystemClock) -> Observation:
    seq = stream.take()
    battery, temperature, humidity = traffic.readings(seq)
    return Observation(
        klass=stream.klass,
        stream=stream.id,
        seq=seq,
        device=f"urn:dev:mac:a4c138fffe00{seq % 100:04x}",
        heard_at_ns=clock.boot_ns(),
        results=(
            ("battery_level", battery, 0, "", "", ()),
            ("air_temperature", temperature, 2, "", "", ()),
            ("relative_humidity", humidity, 2, "", "", ()),
        ),
        link=Link("ble", traffic.RSSI_DBM, None, seq & 0xFF),
    )
