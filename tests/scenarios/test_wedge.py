"""Bluetooth is wedged for hours: the agent does what it may, tells the rest, and LoRa goes on.

On virtual time, with the agent's own patience: minutes before the power, an hour between restarts.
"""

from collections.abc import Awaitable, Callable

import pytest

from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_faults import Cure
from gateway.sim.expectations import Judge
from gateway.sim.inside.bench import InsideBench
from tests.sim.insides import HOUR_S, events, nodes, on_bench, options, promises_hold, tags

MINUTE_S = 60.0
NIGHT_S = 6 * HOUR_S
DAY_S = 24 * HOUR_S
Act = Callable[[InsideBench], Awaitable[None]]


def played(act: Act, *, permitted: bool = False) -> None:
    """Play with two Bluetooth sensors and a LoRa node that nothing may disturb."""

    async def judged(bench: InsideBench) -> None:
        judge = Judge(bench)
        await act(bench)
        await bench.run(MINUTE_S)
        await bench.gateway.stop()
        await promises_hold(bench, judge)
        assert len(bench.air.ledger.strangers) == 0

    given = options(
        sensors=[*tags(), *nodes(1, every_s=10 * MINUTE_S)],
        modems={"usb-lora": "reyax-rylr998"},
        bluez=BluezOptions(restart_permitted=permitted),
    )
    on_bench(judged, given)


def heard(bench: InsideBench) -> int:
    """How many advertisements and packets the agent's hardware has taken."""
    return bench.air.ledger.sent_count


def counters(bench: InsideBench) -> dict[str, int]:
    """Return what the Bluetooth transport has counted."""
    assert bench.gateway.agent is not None
    return bench.gateway.agent.health.transports["ble:hci0"].counters


async def heard_again(bench: InsideBench, within_s: float) -> None:
    """Let time pass until the sensors are heard as before."""
    before = heard(bench)
    await bench.run(within_s)
    assert heard(bench) - before >= 5, bench.gateway.log


@pytest.mark.parametrize(
    ("until", "within_s", "steps"),
    [
        ("scan", 4 * MINUTE_S, []),
        ("power", 6 * MINUTE_S, ["power"]),
        ("service", 12 * MINUTE_S, ["power", "service"]),
    ],
)
def test_a_wedge_is_mended_by_the_least_that_mends_it(
    until: Cure, within_s: float, steps: list[str]
) -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(10 * MINUTE_S)
        bench.air.bluez.wedge(until)
        await heard_again(bench, within_s)
        log = bench.gateway.log
        done = [line.rpartition("step=")[2] for line in log.splitlines() if " step=" in line]
        assert done == steps

    played(act, permitted=True)


def test_a_wedge_that_nobody_mends_is_told_and_tried_for_hours_without_wearing_anything_out() -> (
    None
):
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(10 * MINUTE_S)
        bench.air.bluez.wedge("service")
        packets = bench.air.packets
        await bench.run(NIGHT_S)
        assert bench.air.packets - packets >= 35  # LoRa knows nothing of it
        assert 4 <= counters(bench)["power_cycles"] <= 12
        assert 2 <= counters(bench)["recoveries_held_back"] <= 8
        log = bench.gateway.log
        assert log.count("radio recovery held back") == 1
        assert "this user may not restart bluetooth.service" in log
        assert "though scan and adapter were restarted" in log
        assert [one["name"] for one in events(bench, "transport.down")] == ["ble:hci0"]
        await bench.air.bluez.stop()
        await bench.air.bluez.start()  # a person has come
        await heard_again(bench, 5 * MINUTE_S)

    played(act)


def test_an_adapter_that_wedges_again_and_again_is_not_cycled_more_than_every_quarter_hour() -> (
    None
):
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        for _ in range(24):
            await bench.run(5 * MINUTE_S)
            bench.air.bluez.wedge("power")
        assert 4 <= counters(bench)["power_cycles"] <= 8  # in two hours
        await heard_again(bench, 20 * MINUTE_S)

    played(act)


def test_where_no_sensor_was_ever_heard_nobody_takes_silence_for_a_wedge() -> None:
    async def act(bench: InsideBench) -> None:
        bench.air.bluez.wedge("service")  # as if none were in range
        await bench.gateway.start()
        await bench.run(NIGHT_S)
        assert counters(bench)["stalls"] > 22
        assert not {"power_cycles", "service_restarts", "recoveries_held_back"} & {
            *counters(bench)
        }
        assert "is a sensor in range, the antenna on?" in bench.gateway.log

    played(act, permitted=True)


@pytest.mark.parametrize(("count", "every_s"), [(1, HOUR_S), (1, 280.0)])
def test_nobody_takes_the_usual_silence_of_sensors_that_speak_seldom_for_a_wedge(
    count: int, every_s: float
) -> None:
    _is_left_alone(count, every_s)


@pytest.mark.long
def test_nor_that_of_twenty_of_them_which_is_another_each_time() -> None:
    _is_left_alone(20, HOUR_S)


def _is_left_alone(count: int, every_s: float) -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(30 * HOUR_S)
        assert counters(bench)["stalls"] > 100
        assert not {"power_cycles", "service_restarts", "recoveries_held_back"} & {
            *counters(bench)
        }

    on_bench(act, options(sensors=tags(count, every_s=every_s)))


def test_a_wedge_where_sensors_speak_seldom_is_mended_when_they_are_missed() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(DAY_S)
        bench.air.bluez.wedge("power")
        await heard_again(bench, 3 * HOUR_S)
        assert counters(bench)["power_cycles"] == 1

    on_bench(act, options(sensors=tags(20, every_s=HOUR_S)))
