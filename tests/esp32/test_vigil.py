"""Who falls silent is missed, and nobody else; a gateway that hears nothing accuses no sensor."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.esp32 import roster, vigil

LIMITS = {"repeat_window_ms": 60_000, "burst": 10, "per_minute": 60}
URN, NODE = "urn:dev:mac:c0ffeefffe000001", "ugw:kiel:n"
LINES: list[dict[str, Any]] = [
    {"address": "C0:FF:EE:00:00:01", "urn": URN, "expected_interval_s": 300},
    {"address": "lora:17", "urn": NODE, "expected_interval_s": 60},
    {"address": "C0:FF:EE:00:00:02", "urn": "nobody misses it"},
]
LOOK_MS = 10_000


class Watch:
    """An agent that is looked after, and its clock."""

    def __init__(self) -> None:
        self.ms = 0
        self.ble = SimpleNamespace(name="ble", kind="ble", state="up", cause="")
        self.lora = SimpleNamespace(name="east", kind="serial", state="up", cause="")
        self.listed = roster.listed(LINES, LIMITS)
        self.told: list[tuple[object, ...]] = []
        self.agent: Any = SimpleNamespace(
            clock=SimpleNamespace(now=lambda: self.ms),
            looked_ms=0,
            listening={},
            radios=[self.ble, self.lora],
            told_up={},
            refusals={},
            devices=lambda: self.listed,
            notify=lambda *event: self.told.append(event),
        )

    def look(self, seconds: int, *heard: int) -> list[tuple[object, ...]]:
        """Let time pass, some devices being heard; return what was told of it."""
        self.told.clear()
        for _ in range(0, seconds * 1000, LOOK_MS):
            self.ms += LOOK_MS
            for number in heard:
                self.listed[number].heard_ms = self.ms
            asyncio.run(vigil.look(self.agent))
        return self.told


@pytest.fixture
def watch() -> Watch:
    watch = Watch()
    assert watch.look(60, 0, 1) == []
    return watch


def test_a_sensor_is_missed_after_three_intervals_and_ten_minutes(watch: Watch) -> None:
    assert watch.look(590, 0) == []
    assert watch.look(10, 0) == [("sensor.silent", "device", NODE, "gapS", 600)]
    assert watch.look(890) == []
    assert watch.look(10) == [("sensor.silent", "device", URN, "gapS", 900)]
    assert watch.look(3600) == []


def test_a_sensor_that_is_back_is_told_with_how_long_it_was_away(watch: Watch) -> None:
    watch.look(700, 0)
    assert watch.look(10, 0, 1) == [("sensor.back", "device", NODE, "gapS", 710)]
    assert watch.look(590, 0) == []
    assert len(watch.look(10, 0)) == 1


def test_one_that_is_polled_is_missed_when_nothing_was_read_whatever_it_advertises(
    watch: Watch,
) -> None:
    watch.listed[0].poll, watch.listed[0].observed_ms = "ble.flower_care", watch.ms
    assert watch.look(890, 0, 1) == []
    assert watch.look(10, 0, 1) == [("sensor.silent", "device", URN, "gapS", 900)]
    watch.listed[0].observed_ms = watch.ms
    assert watch.look(10, 0, 1) == [("sensor.back", "device", URN, "gapS", 900)]


def test_a_radio_that_is_deaf_accuses_nobody_and_is_told_itself(watch: Watch) -> None:
    watch.lora.state, watch.lora.cause = "deaf", "no answer"
    down = ("transport.down", "name", "east", "cause", "no answer")
    assert watch.look(7200, 0) == [down]
    watch.lora.state, watch.lora.cause = "up", ""
    assert watch.look(590, 0) == [("transport.up", "name", "east", "cause", "")]
    assert watch.look(10, 0) == [("sensor.silent", "device", NODE, "gapS", 7800)]


def test_time_in_which_the_agent_stood_still_is_no_silence(watch: Watch) -> None:
    watch.ms += 3_600_000
    assert watch.look(LOOK_MS // 1000, 0) == []
    assert watch.look(560, 0) == []


def test_the_first_refusal_is_told_at_once_and_then_how_many_each_ten_minutes(
    watch: Watch,
) -> None:
    refusals = watch.agent.refusals
    refusals[URN, "bad_mic"] = (1, 0)
    assert watch.look(10, 0, 1) == [
        ("refused", "device", URN, "reason", "bad_mic", "count", 1),
    ]
    refusals[URN, "bad_mic"] = (7, refusals[URN, "bad_mic"][1])
    assert watch.look(590, 0, 1) == []
    assert watch.look(10, 0, 1) == [
        ("refused", "device", URN, "reason", "bad_mic", "count", 7),
    ]
    watch.look(600, 0, 1)
    assert refusals == {}
