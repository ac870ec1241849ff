"""Benches on the level `inside`, and what the judge makes of them."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gateway.sim.bench import BenchOptions
from gateway.sim.expectations import Judge, check_expectation
from gateway.sim.inside.bench import InsideBench
from gateway.sim.inside.loop import run
from gateway.sim.sensors import SensorOptions

HOUR_S = 3600.0
PROMISES = (
    "every_accepted_observation_delivered",
    "nothing_invented",
    "nothing_twice_under_two_keys",
    "order_kept",
    "laws_hold",
    "schema_valid",
    "no_crash",
)


def tags(
    count: int = 2, *, every_s: float = 30.0, model: str = "bthome-v2"
) -> list[SensorOptions]:
    """Return Bluetooth sensors."""
    return [
        SensorOptions(model=model, address=f"C0:FF:EE:00:00:{number:02X}", every_s=every_s)
        for number in range(1, count + 1)
    ]


def nodes(count: int = 1, *, every_s: float = 60.0) -> list[SensorOptions]:
    """Return LoRa sensors."""
    return [
        SensorOptions(model="cayenne-lpp", address=f"lora:{number}", every_s=every_s)
        for number in range(1, count + 1)
    ]


def options(**changes: Any) -> BenchOptions:  # noqa: ANN401 - BenchOptions' own
    """Return a gateway with two Bluetooth sensors."""
    return msgspec.structs.replace(BenchOptions(sensors=tags()), **changes)


def on_bench(act: Callable[[InsideBench], Awaitable[None]], given: BenchOptions) -> None:
    """Enter a bench on virtual time, and act."""

    async def main() -> None:
        async with InsideBench(given) as bench:
            await act(bench)

    run(main())


async def promises_hold(bench: InsideBench, judge: Judge, *but: str) -> None:
    """Ask the judge for all promises but these."""
    for promise in PROMISES:
        if promise not in but:
            verdict = await check_expectation(judge, promise)
            assert verdict.ok, (promise, verdict.why, verdict.frames, bench.gateway.log)


async def broker_away(bench: InsideBench, seconds: float) -> None:
    """Take the broker away for so long: afterwards all that was heard has arrived."""
    judge = Judge(bench)
    await bench.gateway.start()
    await bench.run(600)
    await bench.broker.stop()
    before = len(observations(bench))
    await bench.run(seconds)
    assert len(observations(bench)) == before
    await bench.broker.start()
    await bench.run(600)
    await promises_hold(bench, judge)
    assert len(observations(bench)) == bench.air.ledger.sent_count > 100
    assert statuses(bench)[-1]["backlog"]["observations"] == 0


def events(bench: InsideBench, kind: str) -> list[dict[str, Any]]:
    """Return the events of one kind, in order."""
    said = [msgspec.json.decode(m.payload) for m in bench.messages if m.topic.endswith("/event")]
    return [one for one in said if one["kind"] == kind]


def statuses(bench: InsideBench) -> list[dict[str, Any]]:
    """Return the statuses, in order."""
    return [msgspec.json.decode(m.payload) for m in bench.messages if m.topic.endswith("/status")]


def observations(bench: InsideBench) -> list[dict[str, Any]]:
    """Return all observations, in the order they came."""
    bundles = [msgspec.json.decode(m.payload) for m in bench.messages if "/obs/" in m.topic]
    return [one for bundle in bundles for one in bundle["observations"]]
