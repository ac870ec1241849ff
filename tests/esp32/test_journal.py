"""What outlives a run on an ESP32 besides its batches."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.esp32 import journal

if TYPE_CHECKING:
    from gateway.esp32.journal import Loss

FIRST = {"routine": "R1", "event": "E1"}
SECOND = {"routine": "R2", "event": "E2"}
THIRD = {"routine": "R3", "event": "E3"}


def loss(
    first: int, last: int, *, stream: str = "R1", reason: str = "full", at: int = 5
) -> "Loss":
    return stream, first, last, reason, "boot", at, None


def writes(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (root / "state").glob("*.json")}


# ------------------------------------------------------------------------------------------- runs
def test_the_first_run_has_nothing_before_it(tmp_path: Path) -> None:
    assert journal.begin(str(tmp_path), FIRST) == (0, [], [], {})


def test_session_numbers_never_come_again(tmp_path: Path) -> None:
    root = str(tmp_path)
    blocks = [journal.begin(root, FIRST)[0], journal.reserve(root)]
    blocks += [journal.begin(root, SECOND)[0], journal.reserve(root)]
    assert blocks == [0, 100, 200, 300]


def test_no_session_is_below_what_the_installation_says(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert journal.begin(root, FIRST, least=5000)[0] == 5000
    assert journal.begin(root, SECOND, least=5000)[0] == 5100


def test_a_run_that_ended_orderly_is_clean(tmp_path: Path) -> None:
    root = str(tmp_path)
    journal.begin(root, FIRST)
    journal.close(root, {"R1": 12, "E1": 0}, {"lora:17": 9})
    _, previous, _, counters = journal.begin(root, SECOND)
    assert previous == [("R1", "routine", True, 12), ("E1", "event", True, 0)]
    assert counters == {"lora:17": 9}


def test_a_run_that_was_cut_off_is_unclean_up_to_what_was_kept_or_given_up(
    tmp_path: Path,
) -> None:
    root = str(tmp_path)
    journal.begin(root, FIRST)
    journal.declare(root, [loss(30, 39), loss(2, 3, stream="E1")])
    _, previous, losses, _ = journal.begin(root, SECOND, {"R1": 35, "E1": 7})
    assert previous == [("R1", "routine", False, 40), ("E1", "event", False, 7)]
    assert losses == [loss(30, 39), loss(2, 3, stream="E1")]
    assert journal.begin(root, THIRD)[1][:2] == previous  # judged once


def test_runs_that_are_cut_off_do_not_pile_up(tmp_path: Path) -> None:
    root = str(tmp_path)
    previous: list[tuple[str, str, bool, int]] = []
    for run in range(30):
        _, previous, _, _ = journal.begin(root, {"routine": f"R{run}", "event": f"E{run}"})
        assert len(previous) <= 16
    assert previous[-1] == ("E28", "event", False, 0)


def test_what_was_told_of_earlier_runs_is_forgotten(tmp_path: Path) -> None:
    root = str(tmp_path)
    journal.begin(root, FIRST)
    journal.begin(root, SECOND)
    journal.forget_previous(root)
    assert [each[0] for each in journal.begin(root, THIRD)[1]] == ["R2", "E2"]


# ---------------------------------------------------------------------------------------- writing
def test_a_healthy_run_writes_at_its_start_and_at_its_end(tmp_path: Path) -> None:
    root = str(tmp_path)
    journal.begin(root, FIRST)
    before = writes(tmp_path)
    journal.forget_previous(root)
    journal.keep_counters(root, {})
    assert journal.declare(root, []) == []
    assert journal.told(root, []) == []
    assert writes(tmp_path) == before


def test_counters_that_did_not_change_are_not_written(tmp_path: Path) -> None:
    root = str(tmp_path)
    journal.begin(root, FIRST)
    journal.keep_counters(root, {"lora:17": 9})
    before = writes(tmp_path)
    journal.keep_counters(root, {"lora:17": 9})
    assert writes(tmp_path) == before
    journal.keep_counters(root, {"lora:17": 10})
    assert writes(tmp_path) != before


@pytest.mark.parametrize("content", [b"", b"[", b"00000000\n[1]", b"\xff" * 4096])
def test_damage_counts_as_missing(tmp_path: Path, content: bytes) -> None:
    root = str(tmp_path)
    journal.begin(root, FIRST)
    for name in ("run", "losses", "counters"):
        (tmp_path / f"state/{name}.json").write_bytes(content)
    assert journal.begin(root, SECOND, least=700) == (700, [], [], {})


def test_a_byte_that_flips_is_noticed(tmp_path: Path) -> None:
    root = str(tmp_path)
    journal.begin(root, FIRST)
    path = tmp_path / "state/run.json"
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert journal.begin(root, SECOND, least=700)[:2] == (700, [])


def test_a_file_system_that_takes_nothing_does_not_stop_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(tmp_path)
    journal.begin(root, FIRST)
    monkeypatch.setattr(os, "rename", refused)
    session, previous, _, _ = journal.begin(root, SECOND)
    assert session == 100
    assert [each[0] for each in previous] == ["R1", "E1"]


def refused(*_: object) -> None:
    raise OSError


# ----------------------------------------------------------------------------------------- losses
def test_neighbours_are_one_range_with_the_new_moment(tmp_path: Path) -> None:
    root = str(tmp_path)
    journal.declare(root, [loss(0, 4), loss(20, 24), loss(5, 9, reason="damaged")])
    noted = journal.declare(root, [loss(5, 9, at=6), loss(18, 19, at=7)])
    assert noted == [
        loss(5, 9, reason="damaged"),
        loss(0, 9, at=6),
        loss(18, 24, at=7),
    ]
    assert journal.begin(root, FIRST)[2] == noted


def test_what_was_told_goes_and_what_grew_meanwhile_stays(tmp_path: Path) -> None:
    root = str(tmp_path)
    journal.declare(root, [loss(0, 9)])
    journal.declare(root, [loss(10, 14, at=6)])
    assert journal.told(root, [loss(0, 9)]) == [loss(10, 14, at=6)]
    assert journal.told(root, [loss(12, 12)]) == [loss(10, 11, at=6), loss(13, 14, at=6)]
    assert journal.told(root, [loss(0, 99)]) == []
    assert journal.begin(root, FIRST)[2] == []


numbers = st.tuples(st.sampled_from(["R1", "E1"]), st.integers(0, 400), st.integers(0, 9))


@given(st.lists(numbers, max_size=120))
def test_ranges_say_too_much_rather_than_too_little_and_there_are_not_many(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[str, int, int]]
) -> None:
    root = str(tmp_path_factory.mktemp("loss"))
    lost = {
        (name, number) for name, first, more in spans for number in range(first, first + more + 1)
    }
    noted: list[Loss] = []
    for name, first, more in spans:
        noted = journal.declare(root, [loss(first, first + more, stream=name)])
    assert len(noted) <= 32
    told = {(each[0], number) for each in noted for number in range(each[1], each[2] + 1)}
    assert lost <= told
    if len(spans) <= 32:
        assert lost == told
    assert sum(each[2] - each[1] + 1 for each in noted) == len(told)
