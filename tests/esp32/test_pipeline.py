"""The ESP32's stops 2 to 4 where it has a way of its own; test_same_output.py has all the rest.

Scan responses come by themselves, frames wait one by one where there is no room, drivers are
imported on demand, and the vocabulary is a file.
"""

import random
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast
from unittest.mock import ANY

import pytest

from gateway.core.properties import TABLE
from gateway.core.refusal import BAD_LENGTH, DecodeError
from gateway.esp32 import properties, roster
from gateway.esp32.pipeline import Counts, Intake

ADDRESS = "C0:FF:EE:00:00:01"
MAC = bytes.fromhex("c0ffee000001")
NODE = "lora:17"
LIMITS = {"repeat_window_ms": 60_000, "burst": 10, "per_minute": 60}
NAME = bytes.fromhex("0d09") + b"GVH5075_DBF8"
FLAGS = bytes.fromhex("020106")
GOVEE = FLAGS + bytes.fromhex("09ff88ec00034db26400")  # without its name it is found by its id
INKBIRD = bytes.fromhex("0afffc07c71200c83d5606")  # its name is in its scan response


class Shelf:
    """Delivery that has room until it is told otherwise."""

    def __init__(self) -> None:
        self.has_room = True
        self.level = "normal"
        self.taken: list[tuple[str, str, int, str]] = []

    def offer(self, *observation: Any) -> None:  # noqa: ANN401 - what it is, the tests say
        self.taken.append(observation)


class Bench:
    """An intake of a few devices with both ends in the test's hands."""

    def __init__(self, *lines: dict[str, Any], **limits: int) -> None:
        self.shelf = Shelf()
        self.counts = Counts()
        self.devices = roster.listed(lines, {**LIMITS, **limits})
        self.intake = Intake(self.devices, ANY, self.counts, cast("Any", self.shelf), {})
        self.told: list[tuple[str, str]] = []
        self.intake.on_refuse = lambda urn, reason: self.told.append((urn, reason))

    def advertise(self, data: bytes, at_ms: int, address: bytes = MAC) -> None:
        self.counts.heard += 1
        self.intake.heard_ble(address, -60, data, at_ms)
        self.balances()

    def send(self, payload: bytes, at_ms: int) -> None:
        self.intake.heard_lora(NODE, payload, -99, 7, at_ms)
        self.balances()

    def work(self) -> None:
        self.intake.work()
        self.balances()

    def balances(self) -> None:
        """Every frame heard ended in exactly one counter, or waits."""
        counts = self.counts
        ended = counts.unlisted + counts.duplicate + counts.limited + counts.coalesced
        ended += counts.thinned + counts.unknown + counts.empty + counts.decoded
        assert counts.heard == ended + sum(counts.refused.values()) + self.intake.waiting

    @property
    def values(self) -> list[str]:
        """The first value of each observation."""
        return [tail.split('"result":')[1].split(",")[0] for *_, tail in self.shelf.taken]


def line(driver: str = "ble.bthome_v2", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"address": ADDRESS, "urn": "urn:dev:mac:c0ffeefffe000001", "driver": driver, **more}


def found(*drivers: str) -> dict[str, Any]:
    return {"address": ADDRESS, "urn": "ugw:kiel:x", "driver": None, "drivers": list(drivers)}


def thermometer(number: int) -> bytes:
    return FLAGS + bytes((7, 0x16, 0xD2, 0xFC, 0x40, 0x02, number & 0xFF, number >> 8))


def node(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"address": NODE, "urn": "ugw:kiel:n", "driver": "lora.cayenne_lpp", **more}


# ---------------------------------------------------------------------------------- strangers
def test_of_a_stranger_nothing_is_kept_and_no_driver_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = Bench(line())
    bench.intake.heard_lora("lora:99", b"\x01\x67\x00\xff", -99, 7, 1_000)
    bench.advertise(thermometer(1), 2_000, bytes.fromhex("c0ffee000099"))
    assert (bench.counts.heard, bench.counts.unlisted) == (2, 2)
    assert not bench.shelf.taken
    kept = repr(vars(bench.intake)).replace("\\x", "")
    assert "c0ffee000099" not in kept
    assert "lora:99" not in kept
    assert vars(bench.intake)["_drivers"] == {}
    assert capsys.readouterr() == ("", "")


# -------------------------------------------------------------------------------- scan responses
def test_a_device_is_found_by_a_name_that_comes_in_its_scan_response() -> None:
    bench = Bench(found("ble.inkbird_ibs"))
    bench.advertise(INKBIRD, 1_000)
    assert bench.counts.unknown == 1
    bench.advertise(bytes((4, 9)) + b"sps", 1_010)
    assert len(bench.shelf.taken) == 1
    bench.advertise(INKBIRD, 70_000)  # its name is remembered
    assert (len(bench.shelf.taken), bench.counts.unknown) == (2, 1)


def test_a_scan_response_that_says_the_same_makes_no_observation_and_is_no_copy() -> None:
    bench = Bench(found("ble.govee_thermometer"))
    for second in range(10):
        bench.advertise(GOVEE, 1_000 + 1_000 * second)
        bench.advertise(NAME, 1_010 + 1_000 * second)
    assert bench.counts.duplicate == 18
    assert len(bench.shelf.taken) == 2  # alone, and when its name came
    assert bench.devices[0].copies == 10


def test_two_kinds_of_advertisement_that_alternate_are_repeats_within_the_window_alone() -> None:
    bench = Bench(found("ble.govee_thermometer"))
    for second in range(0, 130, 5):
        bench.advertise(GOVEE, 1_000 * second)
        bench.advertise(NAME, 1_000 * second + 10)
    assert len(bench.shelf.taken) == 4
    assert bench.counts.limited == 0


def test_what_a_device_stopped_saying_does_not_hold_up_what_it_says_now() -> None:
    bench = Bench(line())
    bench.advertise(NAME, 0)
    for minute in range(5):
        bench.advertise(thermometer(7), 1_000 + 61_000 * minute)
    assert bench.values == ["0.07"] * 5


# --------------------------------------------------------------------------------------- waiting
def test_while_there_is_no_room_the_newest_frame_of_a_routine_device_waits() -> None:
    bench = Bench(line())
    bench.shelf.has_room = False
    for number in (1, 2, 3):
        bench.advertise(thermometer(number), 1_000 * number)
    assert (bench.intake.waiting, bench.counts.coalesced) == (1, 2)
    bench.work()
    assert not bench.shelf.taken
    bench.shelf.has_room = True
    bench.work()
    assert bench.values == ["0.03"]
    assert bench.shelf.taken[0][2] == 3_000
    assert bench.intake.waiting == 0


def test_of_an_event_device_and_of_a_node_the_first_waits_and_later_ones_are_limited() -> None:
    bench = Bench(line(**{"class": "event"}), node())
    bench.shelf.has_room = False
    for number in (1, 2):
        bench.advertise(thermometer(number), 1_000 * number)
        bench.send(bytes((1, 0x67, 0, number)), 1_000 * number)
    assert (bench.intake.waiting, bench.counts.limited) == (2, 2)
    bench.shelf.has_room = True
    bench.work()
    assert bench.values == ["0.01", "0.1"]
    bench.advertise(thermometer(2), 3_000)  # the one that was limited is no repeat
    assert bench.values[2:] == ["0.02"]


def test_a_frame_that_waited_is_thinned_if_meanwhile_the_level_rose() -> None:
    bench = Bench(line())
    bench.advertise(thermometer(1), 1_000)
    bench.shelf.has_room = False
    bench.advertise(thermometer(2), 2_000)
    bench.shelf.level, bench.shelf.has_room = "elevated", True
    bench.work()
    assert (bench.values, bench.counts.thinned) == (["0.01"], 1)


def test_a_frame_that_finds_one_waiting_and_room_comes_after_it() -> None:
    bench = Bench(node())
    bench.shelf.has_room = False
    bench.send(b"\x01\x67\x00\x01", 1_000)
    bench.shelf.has_room = True
    bench.send(b"\x01\x67\x00\x02", 2_000)
    assert bench.values == ["0.1", "0.2"]


# --------------------------------------------------------------------------------------- drivers
def _module(monkeypatch: pytest.MonkeyPatch, **names: Any) -> None:  # noqa: ANN401
    module = ModuleType("drivers.ble.acme")
    vars(module).update({"MODEL": "acme", "STRENGTH": 1, "MATCH": {"service_uuid": 0xFCD2}})
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, "drivers.ble.acme", module)


def _boom(*_: object) -> None:
    raise TypeError


@pytest.mark.parametrize(
    "names",
    [
        {"decode": _boom},
        {"decode": lambda *_: [("air_temperature",)]},
        {"decode": lambda *_: [], "sealed": _boom},
        {"decode": lambda *_: [], "packet_counter": _boom},
    ],
)
def test_a_driver_that_raises_costs_refusals_and_one_word(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _module(monkeypatch, **names)
    bench = Bench(line("ble.acme"))
    bench.advertise(thermometer(1), 1_000)
    bench.advertise(thermometer(2), 2_000)
    assert bench.counts.refused == {"driver_fault": 2}
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_driver_that_is_missing_costs_refusals_and_one_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = Bench(line("ble.nowhere"), node(driver="lora.nowhere"))
    for number in (1, 2, 3):
        bench.advertise(thermometer(number), 1_000 * number)
        bench.send(bytes((1, 0x67, 0, number)), 1_000 * number)
    assert bench.counts.refused == {"driver_fault": 6}
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert "drivers.ble.nowhere" in said[0]


def test_a_missing_driver_among_several_leaves_the_others() -> None:
    bench = Bench(found("ble.nowhere", "ble.bthome_v2"))
    for number in (1, 2, 3):
        bench.advertise(thermometer(number), 1_000 * number)
    assert bench.counts.refused == {"driver_fault": 1}
    assert bench.values == ["0.02", "0.03"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_module_may_hold_several_drivers(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def part(prefix: bytes, value: int) -> SimpleNamespace:
        return SimpleNamespace(
            MODEL=f"acme-{value}",
            STRENGTH=1,
            MATCH={"service_uuid": 0xFCD2, "prefix": prefix},
            decode=lambda *_: [("air_temperature", value, 0, "")],
        )

    parts = (part(b"\x40", 1), part(b"\x40\x02\x03", 2))
    _module(monkeypatch, DRIVERS=parts[::order])
    bench = Bench(found("ble.acme"))
    bench.advertise(thermometer(1), 1_000)
    bench.advertise(thermometer(3), 2_000)  # the longer prefix
    assert bench.values == ["1", "2"]


def test_what_is_larger_than_memory_is_refused_and_is_no_observation() -> None:
    bench = Bench(line())

    def offer(*_: object) -> None:
        raise DecodeError(BAD_LENGTH)

    bench.shelf.offer = offer  # type: ignore[method-assign]
    bench.advertise(thermometer(1), 1_000)
    assert (bench.counts.refused, bench.counts.observed) == ({"bad_length": 1}, 0)
    assert bench.told == [("urn:dev:mac:c0ffeefffe000001", "bad_length")]


def test_a_broken_advertisement_is_refused() -> None:
    bench = Bench(line())
    bench.advertise(thermometer(1)[:-1], 1_000)
    assert bench.counts.refused == {"truncated": 1}
    assert bench.told == [("urn:dev:mac:c0ffeefffe000001", "truncated")]


@pytest.mark.parametrize("seed", range(20))
def test_noise_ends_in_one_counter_each(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same each time, nothing secret
    bench = Bench(found("ble.bthome_v2", "ble.govee_thermometer"), node(hex=True))
    for step in range(200):
        bench.shelf.has_room = chance.random() < 0.7
        bench.shelf.level = chance.choice(("normal", "normal", "elevated"))
        noise = chance.choice((thermometer(step), GOVEE, NAME, chance.randbytes(12)))
        bench.advertise(noise[: chance.choice((31, 31, 9, 0))], 500 * step)
        bench.send(chance.randbytes(2).hex().encode() * 2, 500 * step)
        bench.work()
    assert bench.counts.decoded == bench.counts.observed == len(bench.shelf.taken)


# ------------------------------------------------------------------------------- what is told
def test_the_newest_result_of_each_property_is_remembered_and_a_new_one_announced() -> None:
    bench = Bench(line(properties=[["air_temperature", "", ',"x":1']], about=',"name":"x"'))
    [device] = bench.devices
    device.meta_due = False
    bench.advertise(thermometer(1), 1_000)
    assert device.meta_due
    assert device.state_due
    device.meta_due = device.state_due = False
    bench.advertise(thermometer(2), 2_000)
    assert [result[:3] for result in device.results or ()] == [("air_temperature", 2, 2)]
    assert (device.meta_due, device.state_due, device.observed_ms) == (False, True, 2_000)
    assert device.properties == [(("air_temperature", ""), ',"x":1')]
    assert (device.rssi, device.about) == (-60, ',"name":"x"')


def test_a_device_is_missed_after_the_interval_it_is_configured_with() -> None:
    devices = Bench(line(expected_interval_s=60), node()).devices
    assert [device.expected_s for device in devices] == [60, 0]


# ------------------------------------------------------------------------------ replay counters
def test_counters_are_kept_by_address_and_only_under_their_key() -> None:
    bench = Bench(line(key=bytes(16)), node())
    bench.devices[0].counter, bench.devices[0].highest = 50, 1_000
    kept = roster.kept(bench.devices)
    assert all(isinstance(value, int) for value in kept.values())
    again = Bench(line(key=bytes(16)))
    roster.restore(again.devices, kept, unclean=True)
    assert (again.devices[0].counter, again.devices[0].highest) == (50, 1_000)
    assert again.devices[0].restored
    for other in (line(key=bytes(15) + b"\x01"), line()):
        changed = Bench(other)
        roster.restore(changed.devices, kept, unclean=False)
        assert changed.devices[0].counter is None
    assert "00" * 16 not in repr(kept)


# ----------------------------------------------------------------------------------- vocabulary
def test_every_line_of_the_vocabulary_is_found_in_its_file(tmp_path: Path) -> None:
    table = tmp_path / "properties.txt"
    for text in (TABLE, TABLE.strip()):
        table.write_text(text)
        properties.use(str(table))
        for line_ in TABLE.strip().splitlines():
            assert properties.line(line_.split(" ")[0]) == line_


@pytest.mark.parametrize("name", ["air", "nowhere", "", "number", "air_temperature 1", "1"])
def test_what_is_no_property_has_no_line(name: str, tmp_path: Path) -> None:
    table = tmp_path / "properties.txt"
    table.write_text(TABLE)
    properties.use(str(table))
    if name != "air_temperature 1":  # gateway.core.vocabulary asks for no name with a blank
        assert properties.line(name) == ""
