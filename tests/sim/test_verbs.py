"""Every fault breaks something that can be seen, is made whole, and the agent gets over it.

Inside a run is the same for the same seed. So a fault that does nothing leaves no trace at all,
and any difference from the run without it is its doing.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import cache
from typing import Final, NamedTuple

import pytest

from gateway.errors import SimulatorError
from gateway.sim.bench import Bench
from gateway.sim.benches import open_bench
from gateway.sim.expectations import Judge, check_expectation
from gateway.sim.inside.loop import run
from gateway.sim.scenario import read_scenario
from gateway.sim.verbs import ALIASES, VERBS, begin_fault, find_verb
from gateway.sim.verbs.radios import modems_of

SCENARIO: Final = """
seed: 3
modems: [{name: usb-lora}]
sensors:
  - {model: bthome-v2, address: "C0:FF:EE:00:00:01", every: 5s}
  - {model: ruuvi-rawv2, address: "C0:FF:EE:00:02:01", every: 5s}
  - {model: cayenne-lpp, address: "lora:17", every: 5s}
"""
INSIDE: Final = [name for name, verb in VERBS.items() if "inside" in verb.levels]
# What shows nothing by itself: the store is used while the broker is away and right after, and a
# scan that runs is not begun anew.
WITHIN: Final = {
    "disk.eio": "broker.down",
    "disk.fsync_eio": "broker.down",
    "disk.readonly": "broker.down",
    "disk.slow": "broker.down",
    "disk.hang": "broker.down",
    "disk.damage": "broker.down",
    "ble.busy": "ble.power_off",
    "ble.refuse": "ble.power_off",
    "ble.hang": "ble.power_off",
}
# Nobody looks at a second PUBACK; what is in the store after half a minute has room on any medium
# (config/scenarios/full-store.yaml shows what happens later).
NOTICED_S: Final = 100.0  # a scan that fell silent is noticed after 90 s
UNSEEN: Final = {"broker.double_puback", "disk.full"}
LOSES: Final = {"disk.damage"}  # and says so
EXPECTED: Final = (
    "recovers",
    "every_accepted_observation_delivered",
    "laws_hold",
    "nothing_invented",
    "nothing_twice_under_two_keys",
    "order_kept",
    "nothing_lost",
    "no_crash",
)


class Trace(NamedTuple):
    """All that can be seen of a run from outside."""

    log: str
    messages: tuple[bytes, ...]
    times_s: tuple[float, ...]
    published: int
    connects: int
    strangers: int
    on_the_line: tuple[int, ...]
    wrong: tuple[str, ...]


async def played(name: str, within: str, then_s: float) -> Trace:
    """Play a while with a fault, or without, go on, and judge it."""
    scenario = read_scenario(SCENARIO)
    async with open_bench("inside", scenario.benches()[0]) as bench:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(10)
        async with AsyncExitStack() as outer:
            if within:
                await outer.enter_async_context(begin_fault(bench, within))
                await bench.run(5)
            async with AsyncExitStack() as inner:
                if name:
                    await inner.enter_async_context(begin_fault(bench, name, **arguments(name)))
                await bench.run(10)
                await outer.aclose()
                await bench.run(10)
        since_s = bench.at_s
        await bench.run(then_s)
        wrong = tuple([why async for why in judged(judge, name, since_s)])
        await bench.gateway.stop()
        return trace(bench, wrong)


def arguments(name: str) -> dict[str, object]:
    return {"forward": "1h"} if name == "clock.step" else {}


async def judged(judge: Judge, name: str, since_s: float) -> AsyncIterator[str]:
    losses = {"every_accepted_observation_delivered", "nothing_lost"}
    for that in EXPECTED:
        if not (name in LOSES and that in losses):
            verdict = await check_expectation(judge, that, since_s=since_s)
            if not verdict.ok:
                yield f"{that}: {verdict.why} {verdict.frames[:3]}"


def trace(bench: Bench, wrong: tuple[str, ...]) -> Trace:
    return Trace(
        log=bench.gateway.log,
        messages=tuple(one.payload for one in bench.messages),
        times_s=tuple(bench.messages_at_s),
        published=len(bench.broker.received),
        connects=len(bench.broker.connects),
        strangers=len(bench.air.ledger.strangers),
        on_the_line=tuple(modem.uart.written_bytes for modem in modems_of(bench).values()),
        wrong=wrong,
    )


@cache
def without(within: str, then_s: float) -> Trace:
    """Return the run without the fault."""
    return run(played("", within, then_s))


@pytest.mark.parametrize("name", INSIDE)
def test_a_fault_is_seen_and_the_agent_gets_over_it(name: str) -> None:
    within, then_s = WITHIN.get(name, ""), NOTICED_S if name.startswith("ble.") else 20.0
    seen = run(played(name, within, then_s))
    assert not seen.wrong
    if name not in UNSEEN:
        assert seen[:-1] != without(within, then_s)[:-1], "it did nothing"


def test_the_same_run_leaves_the_same_trace() -> None:
    assert run(played("power.cut", "", 20)) == run(played("power.cut", "", 20))


@pytest.mark.parametrize("name", ["serial.half_frame", "serial.garbage", "serial.overrun"])
def test_what_comes_behind_nonsense_on_the_line_is_expected_to_arrive(name: str) -> None:
    text = """
modems: [{name: usb-lora}]
sensors: [{model: cayenne-lpp, address: "lora:17", every: 50ms}]
settings: {intake: {burst: 10000, per_second: 1000}}
"""

    async def body() -> None:
        scenario = read_scenario(text)
        async with open_bench("inside", scenario.benches()[0]) as bench:
            scenario.furnish(bench)
            judge = Judge(bench)
            await bench.gateway.start()
            await bench.run(3)
            async with begin_fault(bench, name):
                await bench.run(3)
            verdict = await check_expectation(judge, EXPECTED[1])
            assert verdict.ok, verdict.why
            assert bench.air.ledger.arrived_count > 70

    run(body())


def test_a_fault_is_made_whole_also_when_what_runs_meanwhile_fails() -> None:
    async def body() -> None:
        async with open_bench("inside", read_scenario(SCENARIO).benches()[0]) as bench:
            usual = (bench.broker.offer, bench.way.line, bench.way.refused)
            for name in (
                "net.down",
                "net.slow",
                "net.latency",
                "net.blackhole",
                "broker.auth_fail",
            ):
                with pytest.raises(ZeroDivisionError):
                    async with begin_fault(bench, name):
                        raise ZeroDivisionError
            assert (bench.broker.offer, bench.way.line, bench.way.refused) == usual

    run(body())


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("broker.rejct", {}, "did you mean 'broker.reject'"),
        ("broker.reject", {"code": 3}, "code: must be 128 or more"),
        ("broker.reject", {"cod": 0x87}, "unknown key 'cod', did you mean 'code'?"),
        ("clock.step", {}, "either forward or back is needed"),
        ("dbus.restart", {}, "does not work on the level inside"),
        ("ble.crash", {"on": "bluetooth"}, "an adapter is named hci0"),
        ("serial.unplug", {"on": "usb-other"}, "there is no modem usb-other"),
        ("ble.unplug", {"on": "hci7"}, "there is no Bluetooth adapter hci7"),
    ],
)
def test_what_cannot_be_broken_is_refused_in_plain_words(
    name: str, given: dict[str, object], told: str
) -> None:
    async def body() -> None:
        async with open_bench("inside", read_scenario(SCENARIO).benches()[0]) as bench:
            with pytest.raises(SimulatorError) as caught:
                async with begin_fault(bench, name, **given):
                    pass
            assert told in f"{caught.value} {caught.value.remedy}"

    run(body())


def test_every_fault_says_what_it_does_in_a_sentence() -> None:
    for name, verb in VERBS.items():
        assert verb.name == name
        assert verb.title.endswith("."), name
        assert len(verb.title) < 100, name
        assert "\n" not in verb.title, name
        for field in verb.Arguments.model_fields.values():
            assert field.description, name
    assert {find_verb(alias).name for alias in ALIASES} <= set(VERBS)
