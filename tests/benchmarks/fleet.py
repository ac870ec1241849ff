"""A fleet of real agents on a cluster of three NATS servers, of which some are killed.

    python -m tests.benchmarks.fleet [--quick] [--directory docs/reference]

First one node goes, without a word, and comes back; then two, so that the cluster cannot take
anything, and come back. At the end everything that was accepted has to have arrived, or it fails.
Writes fleet.json and draws fleet.svg beside it. docs/how-to/choose-a-broker.md says what it shows.
"""

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from gateway.sim.fleet import words
from gateway.sim.fleet.fleet import Fleet, Report, Sample
from gateway.sim.fleet.plan import Plan
from tests.benchmarks import nats
from tests.benchmarks.machine import machine
from tests.benchmarks.waiting import until

DIRECTORY: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"
_TOLD_EVERY: Final = 10  # samples
_HANG_S: Final = 3600.0  # a guard against hanging


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """So many nodes are killed at one time, and started again at another."""

    nodes: int
    from_s: float
    to_s: float


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured. Times are seconds of the run."""

    gateways: int
    sensors: int
    every_s: float
    ramp_s: float
    lasts_s: float
    outages: tuple[Outage, ...]


FULL: Final = Story(
    gateways=300,
    sensors=10,
    every_s=20,
    ramp_s=30,
    lasts_s=300,
    outages=(Outage(nodes=1, from_s=60, to_s=100), Outage(nodes=2, from_s=140, to_s=200)),
)
QUICK: Final = Story(
    gateways=30,
    sensors=10,
    every_s=5,
    ramp_s=5,
    lasts_s=60,
    outages=(Outage(nodes=1, from_s=10, to_s=20), Outage(nodes=2, from_s=25, to_s=40)),
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    machine: str
    broker: str
    story: Story
    report: Report
    samples: list[Sample]


def measure(story: Story) -> Run:
    """Live through it. Raises AssertionError when something that was accepted did not arrive."""
    with TemporaryDirectory() as directory, nats.cluster(Path(directory)) as nodes:
        samples: list[Sample] = []
        report = asyncio.run(_measure(story, nodes, samples))
    assert report.missing is not None, report.unchecked
    assert report.is_whole, report
    return Run(
        machine=str(machine()),
        broker=f"nats-server {nats.version()}, 3 nodes",
        story=story,
        report=report,
        samples=samples,
    )


async def _measure(story: Story, nodes: list[nats.Node], samples: list[Sample]) -> Report:
    plan = Plan(
        gateways=story.gateways,
        brokers=tuple(node.address for node in nodes),
        sensors=story.sensors,
        every_s=story.every_s,
        ramp_s=story.ramp_s,
        lasts_s=story.lasts_s,
    )

    def take(sample: Sample) -> None:
        samples.append(msgspec.structs.replace(sample, causes={}))  # of no use for the record
        if len(samples) % _TOLD_EVERY == 0:
            _say(words.line(sample))

    _say(words.offered(plan))
    fleet = Fleet(plan, take)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(fleet.run(), name="fleet")
        for number, outage in enumerate(story.outages):
            hit = nodes[: outage.nodes]
            group.create_task(_break(hit, outage, samples), name=f"outage.{number}")
        report = await running
    _say("\n".join(words.page(report)))
    return report


async def _break(nodes: list[nats.Node], outage: Outage, samples: list[Sample]) -> None:
    def passed(at_s: float) -> bool:
        return bool(samples) and samples[-1].at_s >= at_s

    await until(lambda: passed(outage.from_s), limit_s=_HANG_S)
    for node in nodes:
        node.kill()
    await until(lambda: passed(outage.to_s), limit_s=_HANG_S)
    for node in nodes:
        node.start()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fleet", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a first look, not for the record")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="where both files go")
    options = parser.parse_args()
    logging.getLogger("gateway").addHandler(logging.NullHandler())  # it would be said by hundreds
    told = measure(QUICK if options.quick else FULL)
    # Imported now: matplotlib's memory is not the agents'.
    from tests.benchmarks.fleet_plot import draw  # noqa: PLC0415

    data = options.directory / "fleet.json"
    data.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    draw(told, options.directory / "fleet.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
