"""The ledger tells lost from late, and what may happen from what may not."""

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sim.ledger import KILL_MARGIN_NS, Ledger
from gateway.sim.numbers import Numbers
from gateway.sim.sensors import SerialPlace

TAG = "C0:FF:EE:00:00:01"
TAG_DEVICE = "urn:dev:mac:c0ffeefffe000001"
NODE = "lora:17"
NODE_DEVICE = "ugw:kiel:gw-lora-17"
STRANGER = "5A:11:22:33:44:55"
SECOND_NS = 1_000_000_000


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.expect(TAG, device=TAG_DEVICE, place=SerialPlace())
    ledger.expect(NODE, device=NODE_DEVICE, place=SerialPlace("generic_value", "4"))
    return ledger


def bundle(serial: int, *, seq: int = 0, stream: str = "s", **changes: object) -> str:
    observation: dict[str, object] = {
        "seq": seq,
        "device": TAG_DEVICE,
        "results": [{"observedProperty": "air_temperature", "result": 21.5, "unit": "Cel"}],
        "link": {"medium": "ble", "frameCounter": serial},
        **changes,
    }
    return json.dumps({"stream": stream, "observations": [observation]})


def all_is_well(ledger: Ledger) -> bool:
    return not (ledger.missing() or ledger.repeats() or ledger.invented())


def test_what_arrived_is_not_missing_and_what_did_not_is(ledger: Ledger) -> None:
    ledger.sent(TAG, 1, at_ns=10)
    ledger.sent(TAG, 2, at_ns=20)
    ledger.received(bundle(1))
    assert [(lost.device, lost.serial) for lost in ledger.missing()] == [(TAG_DEVICE, 2)]
    assert (ledger.sent_count, ledger.arrived_count) == (2, 1)


def test_a_serial_is_found_in_the_property_it_was_announced_in(ledger: Ledger) -> None:
    ledger.sent(NODE, 9, at_ns=10)
    results = [
        {"observedProperty": "generic_value", "channel": "3", "result": 1, "unit": "1"},
        {"observedProperty": "generic_value", "channel": "4", "result": 9, "unit": "1"},
    ]
    ledger.received(bundle(0, device=NODE_DEVICE, results=results, link={"medium": "lora"}))
    assert ledger.missing() == []


def test_after_a_kill_only_frames_older_than_the_margin_are_missed(ledger: Ledger) -> None:
    killed_at_ns = 10 * SECOND_NS
    ledger.sent(TAG, 1, at_ns=killed_at_ns - KILL_MARGIN_NS - 1)
    ledger.sent(TAG, 2, at_ns=killed_at_ns - KILL_MARGIN_NS)
    assert [lost.serial for lost in ledger.missing_after_kill(killed_at_ns)] == [1]


def test_what_was_sent_while_nobody_listened_is_not_missed(ledger: Ledger) -> None:
    for serial, at_ns in ((1, 9), (2, 10), (3, 19), (4, 20)):
        ledger.sent(TAG, serial, at_ns)
    ledger.away(10, 20)
    assert [lost.serial for lost in ledger.missing()] == [1, 4]


def test_a_bundle_sent_again_is_a_duplicate_and_nothing_worse(ledger: Ledger) -> None:
    ledger.sent(TAG, 1, at_ns=10)
    for _ in range(2):
        ledger.received(bundle(1))
    assert ledger.duplicates() == {("s", 0, "air_temperature", ""): 2}
    assert ledger.repeats() == []
    assert ledger.contradictions() == []
    assert ledger.invented() == []


def test_one_frame_under_two_keys_is_a_repeat(ledger: Ledger) -> None:
    ledger.received(bundle(1, seq=0))
    ledger.received(bundle(1, seq=1))
    assert ledger.repeats() == [(TAG_DEVICE, 1)]


# ----------------------------------------------------------------------------------- numbers again
def test_numbers_that_come_again_are_frames_of_their_own(ledger: Ledger) -> None:
    for at_ns in (10, 20):
        ledger.sent(TAG, 1, at_ns)
    ledger.received(bundle(1, seq=0))
    assert [lost.at_ns for lost in ledger.missing()] == [20]
    ledger.received(bundle(1, seq=1))
    assert all_is_well(ledger)
    assert (ledger.sent_count, ledger.arrived_count) == (2, 2)


def test_a_number_that_arrives_once_more_than_it_was_sent_is_a_repeat(ledger: Ledger) -> None:
    for at_ns in (10, 20):
        ledger.sent(TAG, 1, at_ns)
    for seq in range(3):
        ledger.received(bundle(1, seq=seq))
    assert ledger.repeats() == [(TAG_DEVICE, 1)]
    assert ledger.invented() == []


def test_what_arrives_before_it_is_known_to_be_sent_is_neither_missing_nor_invented(
    ledger: Ledger,
) -> None:
    ledger.received(bundle(1))
    ledger.sent(TAG, 1, at_ns=10)
    assert all_is_well(ledger)
    assert ledger.arrived_count == 1


def test_a_repeat_hides_no_loss_of_the_same_number_that_comes_later() -> None:
    now_ns = 15
    ledger = Ledger(lambda: now_ns)
    ledger.expect(TAG, device=TAG_DEVICE, place=SerialPlace())
    ledger.sent(TAG, 1, at_ns=10)
    ledger.received(bundle(1, seq=0))
    ledger.received(bundle(1, seq=1))
    ledger.sent(TAG, 1, at_ns=20)
    assert ledger.repeats() == [(TAG_DEVICE, 1)]
    assert [lost.at_ns for lost in ledger.missing()] == [20]
    now_ns = 25
    ledger.received(bundle(1, seq=2))
    assert ledger.missing() == []
    assert ledger.repeats() == [(TAG_DEVICE, 1)]


def test_an_invention_is_not_excused_by_what_is_sent_later() -> None:
    ledger = Ledger(lambda: 15)
    ledger.expect(TAG, device=TAG_DEVICE, place=SerialPlace())
    ledger.received(bundle(1))
    ledger.sent(TAG, 1, at_ns=20)
    assert ledger.invented() == [(TAG_DEVICE, 1)]
    assert len(ledger.missing()) == 1


def test_what_was_sent_while_it_was_away_may_arrive_and_hides_no_later_loss(
    ledger: Ledger,
) -> None:
    ledger.sent(TAG, 1, at_ns=10)
    ledger.away(0, 20)
    ledger.sent(TAG, 2, at_ns=15)
    ledger.sent(TAG, 1, at_ns=30)
    ledger.received(bundle(1, seq=0))
    assert ledger.missing() == []
    ledger.received(bundle(1, seq=1))
    ledger.received(bundle(2, seq=2))
    assert all_is_well(ledger)


def test_what_some_devices_sent_within_a_time_is_excused_and_of_no_others(ledger: Ledger) -> None:
    for serial, at_ns in ((1, 5), (2, 15), (3, 25)):
        ledger.sent(TAG, serial, at_ns)
        ledger.sent(NODE, serial, at_ns)
    ledger.excuse(10, 20, {NODE_DEVICE})
    missing = [(sent.device, sent.serial) for sent in ledger.missing()]
    assert (NODE_DEVICE, 2) not in missing
    assert len(missing) == 5


def test_of_a_device_without_a_place_nothing_is_missed_or_invented(ledger: Ledger) -> None:
    ledger.expect(TAG, device=TAG_DEVICE, place=None)
    ledger.received(bundle(1))
    assert all_is_well(ledger)


@pytest.mark.parametrize(
    ("result", "place", "number"),
    [
        (21.5, SerialPlace("air_temperature", step=0.1), 215),
        (-3.2, SerialPlace("air_temperature", step=0.1), -32),
        (-46.85, SerialPlace("air_temperature", step=0.01, above=-46.85), 0),
        (True, SerialPlace("air_temperature"), 1),
    ],
)
def test_a_value_is_a_number_of_steps(
    ledger: Ledger, result: object, place: SerialPlace, number: int
) -> None:
    ledger.expect(TAG, device=TAG_DEVICE, place=place)
    ledger.sent(TAG, number, at_ns=10)
    results = [{"observedProperty": "air_temperature", "result": result, "unit": "Cel"}]
    ledger.received(bundle(0, results=results))
    assert all_is_well(ledger)


def test_one_key_with_two_results_is_a_contradiction(ledger: Ledger) -> None:
    ledger.received(bundle(1))
    warmer = [{"observedProperty": "air_temperature", "result": 22.5, "unit": "Cel"}]
    ledger.received(bundle(1, results=warmer))
    assert ledger.contradictions() == [("s", 0, "air_temperature", "")]


def test_what_was_never_sent_is_invented(ledger: Ledger) -> None:
    ledger.received(bundle(7))
    assert ledger.invented() == [(TAG_DEVICE, 7)]


@pytest.mark.parametrize(
    "text",
    [
        "heard 5A:11:22:33:44:55",
        "5a:11:22:33:44:55",
        '{"device":"urn:dev:mac:5a1122fffe334455"}',
        "/dev_5A_11_22_33_44_55",
        "payload=0955443322115a",
        b"\x00\x5a\x11\x22\x33\x44\x55",
        b"\x55\x44\x33\x22\x11\x5a\x00",
    ],
)
def test_an_unlisted_address_is_found_however_it_is_written(
    ledger: Ledger, text: bytes | str
) -> None:
    ledger.strange(STRANGER)
    assert ledger.leaks(["nothing", text]) == {STRANGER}


def test_books_that_are_full_lose_their_oldest_and_say_so(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sim.ledger._MAX_ENTRIES", 2)
    for serial in (1, 2, 3):
        ledger.sent(TAG, serial, at_ns=serial)
    assert [lost.serial for lost in ledger.missing()] == [2, 3]
    assert ledger.forgotten == 1


def test_what_comes_again_too_late_to_be_compared_is_a_verdict_forgotten(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sim.ledger._MAX_RESULTS", 1)
    for seq in (0, 1, 0):
        ledger.received(bundle(seq + 1, seq=seq))
    assert ledger.forgotten == 1
    assert ledger.duplicates() == {}


def test_frames_that_are_excused_and_results_that_come_again_are_bounded_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sim.ledger._MAX_ENTRIES", 1)
    ledger.away(0, 100)
    for serial in (1, 2):
        ledger.sent(TAG, serial, at_ns=10)
    assert ledger.forgotten == 1
    for seq in (0, 1, 0, 1):
        ledger.received(bundle(2, seq=seq))
    assert ledger.forgotten == 2
    assert len(ledger.duplicates()) == 1


def test_settled_frames_take_no_memory(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sim.ledger._MAX_RESULTS", 100)

    def follow(serials: range) -> None:
        for serial in serials:
            ledger.sent(TAG, serial, at_ns=serial)
            ledger.received(bundle(serial, seq=serial))

    follow(range(500))
    tracemalloc.start()
    follow(range(500, 2500))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ledger.missing() == []
    assert grown < 100_000  # of 2000 frames; the hundred that are remembered take 30 kB


@settings(deadline=None)
@given(st.lists(st.integers(-6, 6)))
def test_ranges_hold_what_a_set_holds(added: list[int]) -> None:
    numbers, plain = Numbers(), set[int]()
    for number in added:
        assert numbers.add(number) == (number not in plain)
        plain.add(number)
    assert {number for number in range(-8, 9) if number in numbers} == plain
    assert numbers.ranges == len([one for one in plain if one - 1 not in plain])
    assert numbers.closed == 0


def test_too_many_ranges_close_their_oldest_gap_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.sim.numbers._MAX_RANGES", 2)
    numbers = Numbers()
    for number in (0, 10, 20):
        numbers.add(number)
    assert [number for number in range(30) if number in numbers] == [*range(11), 20]
    assert numbers.closed == 1


def test_a_listed_address_is_no_leak(ledger: Ledger) -> None:
    ledger.strange(STRANGER)
    assert ledger.leaks([TAG, bundle(1)]) == set()
