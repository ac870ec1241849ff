"""What becomes of more than the broker takes: from half of that to ten times as much.

    python -m tests.benchmarks.overload [--quick] [--directory docs/reference]

One agent, on a store with a small cap, lives through all of it, in hurried time: thinning spaces a
device's observations by one minute and by ten, and no step says anything before a few of those
have passed. More load is more sensors; each goes on sending as often as it did. At the end nothing
more is sent, and what is left has to arrive: then no event is missing. Writes overload.json and
draws overload.svg beside it; which numbers are whose is in docs/reference/benchmarks.md.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from gateway.admission import Device
from gateway.backlog.sqlite.connection import connect
from gateway.hardware import Hardware
from gateway.model import ObservationClass
from tests.benchmarks import traffic
from tests.benchmarks.agents import Subject, WatchedBacklog, agent_on, settings_at
from tests.benchmarks.hurry import HurriedHost, run
from tests.benchmarks.machine import resident_mb
from tests.benchmarks.rationing import RationedBroker, Taken
from tests.benchmarks.waiting import until

DIRECTORY: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"
LOADS: Final = (0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
BROKER_PER_S: Final = 50.0
_TICK_S: Final = 0.05
_SAMPLE_S: Final = 1.0
_DRAIN_S: Final = 20_000.0  # a guard against hanging
_LEVELS: Final = ("normal", "elevated", "critical", "full")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long each step takes, in seconds of the agent's time, and on what."""

    faster: int
    loads: tuple[float, ...]
    settle_s: float  # until a step is steady, before it is measured
    measure_s: float
    store_bytes: int


FULL: Final = Plan(faster=30, loads=LOADS, settle_s=1200, measure_s=720, store_bytes=512 * 1024)
QUICK: Final = Plan(faster=40, loads=(4.0,), settle_s=60, measure_s=60, store_bytes=192 * 1024)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Sensors that send equally often; `share` of the load is theirs."""

    name: str
    share: float
    every_s: float
    klass: ObservationClass = "routine"


KINDS: Final = (
    Kind(name="every 10 s", share=0.70, every_s=10),
    Kind(name="every 30 s", share=0.21, every_s=30),
    Kind(name="events, every 10 s", share=0.09, every_s=10, klass="event"),
)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One load in its steady state. Rates are per second of the agent's time.

    Bytes and MB are the most that was seen; `levels` is the share of the time at each.
    """

    load: float
    sensors: int
    heard_per_s: float
    thinned_per_s: float
    observed_per_s: float
    delivered_per_s: float
    dropped_per_s: float
    thinned_of_heard: float
    dropped_of_observed: float
    levels: dict[str, float]
    rss_mb: float
    memory_bytes: int
    store_bytes: int  # pages in use
    disk_bytes: int  # all files of the store
    replayed_of_delivered: float
    live_p50_s: float
    live_p99_s: float
    frames_law: int
    observations_law: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; the last five are counts over the whole of it, when everything had arrived."""

    plan: Plan
    broker_takes_per_s: float
    kinds: tuple[Kind, ...]
    steps: list[Step]
    observed: int
    delivered: int
    dropped: int
    events: int
    events_missing: int


# ----------------------------------------------------------------------------------------- sensors
class Crowd:
    """All sensors there are; each kind takes turns at a steady rate."""

    def __init__(self, subject: Subject) -> None:
        self._pipeline = subject.agent.pipeline
        self._queues: list[Iterator[tuple[str, int]]] = []
        self._rates: list[float] = []
        self._sent: list[int] = []
        self._rounds = 0
        self._since_s = 0.0
        self.count = 0

    def become(self, load: float, now_s: float) -> None:
        """Be so many that all together send `load` times what the broker takes."""
        counts = [round(k.share * load * BROKER_PER_S * k.every_s) for k in KINDS]
        self.count = sum(counts)
        names = iter(map(traffic.address, range(self.count)))
        listed = [[next(names) for _ in range(count)] for count in counts]
        self._rounds += 1_000_000  # nobody says the same again
        self._queues = [_in_turn(addresses, self._rounds) for addresses in listed]
        self._rates = [
            len(addresses) / kind.every_s for addresses, kind in zip(listed, KINDS, strict=True)
        ]
        self._sent = [0] * len(KINDS)
        self._since_s = now_s
        self._pipeline.relist(
            Device(address=address, urn=f"urn:dev:mac:{address}", klass=kind.klass)
            for addresses, kind in zip(listed, KINDS, strict=True)
            for address in addresses
        )

    def send(self, now_s: float) -> None:
        """Send what is due."""
        for number, rate in enumerate(self._rates):
            due = int((now_s - self._since_s) * rate)
            for _ in range(due - self._sent[number]):
                self._hear(*next(self._queues[number]))
            self._sent[number] = due

    def _hear(self, address: str, serial: int) -> None:
        content = traffic.structures(serial)
        at_ns = self._pipeline.admits(address, content, traffic.RSSI_DBM)
        if at_ns is not None:
            self._pipeline.hear(traffic.heard(address, content, at_ns))


def _in_turn(addresses: list[str], serial: int) -> Iterator[tuple[str, int]]:
    while True:
        serial += 1
        yield from ((address, serial) for address in addresses)


# ----------------------------------------------------------------------------------------- looking
class Watcher:
    """What is seen of an agent while a step is measured."""

    def __init__(self, subject: Subject, directory: Path) -> None:
        self._subject = subject
        self._directory = directory
        self._begin = self._counts()
        self._since_s = asyncio.get_running_loop().time()
        self._levels = dict.fromkeys(_LEVELS, 0)
        self._rss_mb: list[float] = []
        self._memory: list[int] = []
        self._store: list[int] = []
        self._disk: list[int] = []

    def sample(self) -> None:
        """Look once."""
        agent = self._subject.agent
        self._levels[agent.health.level.value] += 1
        self._rss_mb.append(resident_mb())
        self._memory.append(agent.delivery._books.memory_bytes)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._store.append(self._subject.backlog.bytes_used)
        self._disk.append(sum(path.stat().st_size for path in self._directory.iterdir()))

    def step(self, crowd: Crowd, load: float, taken: Taken) -> Step:
        """Return what came of it."""
        health, now = self._subject.agent.health, self._counts()
        passed = {key: count - self._begin[key] for key, count in now.items()}
        lasted_s = asyncio.get_running_loop().time() - self._since_s
        rates = {f"{key}_per_s": round(count / lasted_s, 2) for key, count in passed.items()}
        percentiles = quantiles(taken.live_latencies_s or [0.0, 0.0], n=100)
        samples = len(self._rss_mb)
        return Step(
            load=load,
            sensors=crowd.count,
            **rates,
            thinned_of_heard=_share(passed["thinned"], passed["heard"]),
            dropped_of_observed=_share(passed["dropped"], passed["observed"]),
            levels={name: _share(count, samples) for name, count in self._levels.items()},
            rss_mb=round(max(self._rss_mb), 1),
            memory_bytes=max(self._memory),
            store_bytes=max(self._store),
            disk_bytes=max(self._disk),
            replayed_of_delivered=_share(taken.replay, taken.replay + taken.live),
            live_p50_s=round(percentiles[49], 3),
            live_p99_s=round(percentiles[98], 3),
            frames_law=health.frames_law(),
            observations_law=health.observations_law(),
        )

    def _counts(self) -> dict[str, int]:
        frames, observations = (
            self._subject.agent.health.frames,
            self._subject.agent.health.observations,
        )
        return {
            "heard": frames.heard,
            "thinned": frames.thinned,
            "observed": observations.observed,
            "delivered": observations.delivered,
            "dropped": observations.dropped,
        }


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


# --------------------------------------------------------------------------------------- the story
def measure(plan: Plan) -> Run:
    """Live through all steps and the end. Raises AssertionError where a promise is broken."""
    with TemporaryDirectory() as directory:
        return run(plan.faster, lambda host: _measure(plan, host, Path(directory)))


async def _measure(plan: Plan, host: HurriedHost, directory: Path) -> Run:
    async with RationedBroker(BROKER_PER_S, host.wall_ns) as broker:
        settings = settings_at(directory / "etc", port=broker.port)
        store = directory / "store"
        backlog = WatchedBacklog(store, max_bytes=plan.store_bytes, connect=connect)
        async with agent_on(backlog, settings, Hardware(host=host)) as subject:
            await subject.connected()
            crowd = Crowd(subject)
            steps = [
                await _step(subject, crowd, broker, _At(plan, load, store)) for load in plan.loads
            ]
            return await _end(subject, broker, plan, steps)


class _At(msgspec.Struct, frozen=True):
    """Where in the story we are."""

    plan: Plan
    load: float
    store: Path


async def _step(subject: Subject, crowd: Crowd, broker: RationedBroker, at: _At) -> Step:
    crowd.become(at.load, asyncio.get_running_loop().time())
    await _send_for(crowd, at.plan.settle_s)
    broker.look()
    watcher = Watcher(subject, at.store)
    for _ in range(int(at.plan.measure_s / _SAMPLE_S)):
        await _send_for(crowd, _SAMPLE_S)
        watcher.sample()
    step = watcher.step(crowd, at.load, broker.look())
    assert (step.frames_law, step.observations_law) == (0, 0), step
    return step


async def _send_for(crowd: Crowd, duration_s: float) -> None:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + duration_s
    while (now_s := loop.time()) < end_s:
        crowd.send(now_s)
        await asyncio.sleep(_TICK_S)


async def _end(subject: Subject, broker: RationedBroker, plan: Plan, steps: list[Step]) -> Run:
    """Let all of it arrive."""
    agent = subject.agent
    health = agent.health
    await until(
        lambda: not (health.waiting() or health.in_memory() or health.in_backlog()),
        limit_s=_DRAIN_S,
        poll_s=_SAMPLE_S,
    )
    assert not broker.violations, broker.violations
    (events,) = (stream.next_seq for stream in agent.streams if stream.klass == "event")
    missing = events - broker.events
    assert not missing, f"{missing} events never came"
    observations = health.observations
    return Run(
        plan=plan,
        broker_takes_per_s=BROKER_PER_S,
        kinds=KINDS,
        steps=steps,
        observed=observations.observed,
        delivered=observations.delivered,
        dropped=observations.dropped,
        events=events,
        events_missing=missing,
    )


def main() -> int:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.overload", description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="a first look, not for the record")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="where both files go")
    options = parser.parse_args()
    told = measure(QUICK if options.quick else FULL)
    # Imported now: matplotlib's memory is not the agent's.
    from tests.benchmarks.overload_plot import draw  # noqa: PLC0415

    data = options.directory / "overload.json"
    data.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    draw(told, options.directory / "overload.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
