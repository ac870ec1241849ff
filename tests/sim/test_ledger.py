"""The ledger tells lost from late, and what may happen from what may not."""

import json

import pytest

from gateway.sim.ledger import KILL_MARGIN_NS, Ledger
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


def test_a_listed_address_is_no_leak(ledger: Ledger) -> None:
    ledger.strange(STRANGER)
    assert ledger.leaks([TAG, bundle(1)]) == set()
