"""The store on an ESP32: nothing that was kept is lost, whatever happens to the flash."""

import os
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gateway.esp32 import overlay
from gateway.esp32.segments import Segments
from tests.esp32.machines import BOARD, run_on
from tests.esp32.stores import Clock, batch, compiled, whole

if TYPE_CHECKING:
    from gateway.esp32.ring import Batch
    from gateway.esp32.segments import Handle

CAP = 100_000
SCRIPT = "tests/esp32/vm_power.py"


def ilistdir(path: str) -> Iterator[tuple[str]]:
    return iter([(name,) for name in os.listdir(path)])  # noqa: PTH208 - as MicroPython has it


@pytest.fixture(autouse=True)
def micropython_os(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "ilistdir", ilistdir, raising=False)


def opened(root: Path, cap: int = CAP) -> Segments:
    store = Segments(str(root), cap, Clock())  # type: ignore[arg-type] # a clock of its own
    store.open()
    return store


def drained(store: Segments) -> "list[Handle]":
    return list(iter(store.lease, None))


def disconnected(store: Segments) -> None:
    """Give all back, as when a connection goes and nobody keeps what it took along."""
    store.leased.clear()
    store.give_back()


def contents(store: Segments) -> "list[Batch]":
    return [whole(store.read(handle)) for handle in drained(store)]


def size(read: "Batch") -> int:
    return len(list(read[6]))


def files(root: Path) -> list[Path]:
    return sorted((root / "store").iterdir())


# ----------------------------------------------------------------------------------- what it keeps
def test_what_was_kept_comes_back_to_the_byte_after_a_restart(tmp_path: Path) -> None:
    made = [batch("routine", 0, 3), batch("routine", 5, 100, size=4)]
    store = opened(tmp_path)
    for each in made:
        store.append(each)
    again = opened(tmp_path)
    assert (again.observations, again.batches) == (103, 2)
    assert contents(again) == made


def test_events_go_before_routine_and_the_oldest_first(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for first in range(0, 60, 10):
        store.append(batch("routine", first, 10, size=300))
        store.append(batch("event", first, 2))
    disconnected(store)
    order = [(each[0], each[2]) for each in contents(store)]
    assert order == [("event", n) for n in range(0, 60, 10)] + [
        ("routine", n) for n in range(0, 60, 10)
    ]


def test_what_is_appended_is_leased_to_who_appended_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    handle = store.append(batch("routine", 0))
    assert store.lease() is None
    store.give_back(handle)
    assert store.lease() == handle
    assert store.lease() is None


def test_what_comes_while_it_is_read_is_leased_in_its_turn(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.give_back(store.append(batch("routine", 0)))
    assert store.lease() is not None
    assert store.lease() is None
    late = store.append(batch("routine", 1))
    assert store.lease() is None
    store.give_back(late)
    assert store.lease() == late


def test_the_last_streams_are_told_with_their_next_numbers(tmp_path: Path) -> None:
    old = opened(tmp_path)
    old.append(batch("routine", 7, 3, stream="A" * 26))
    middle = opened(tmp_path)
    middle.append(batch("routine", 0, 2, stream="B" * 26))
    middle.append(batch("event", 4, 2, stream="E" * 26))
    last = Segments(str(tmp_path), CAP, Clock())  # type: ignore[arg-type] # a clock of its own
    assert last.open() == {"B" * 26: 2, "E" * 26: 6}


# ----------------------------------------------------------------------------------- what it ends
def test_a_segment_goes_with_the_last_of_its_batches(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for first in range(20):
        store.give_back(store.append(batch("routine", first, size=1500)))
    handles = drained(store)
    count = len(files(tmp_path))
    for handle in handles[1:5]:
        assert store.settle(handle) == 1
    assert len(files(tmp_path)) == count
    store.settle(handles[0])
    assert len(files(tmp_path)) == count - 1
    for handle in handles[5:]:
        store.settle(handle)
    assert (store.observations, store.batches, store.bytes) == (0, 0, 0)
    assert not files(tmp_path)


def test_settling_twice_or_what_was_given_back_takes_nothing_out(tmp_path: Path) -> None:
    store = opened(tmp_path)
    first, second = store.append(batch("routine", 0, 2)), store.append(batch("routine", 2, 3))
    assert store.settle(first) == 2
    assert store.settle(first) == 0
    store.give_back(second)
    assert store.settle(second) == 0
    assert store.observations == 3


def test_what_is_settled_is_not_leased_again_when_the_connection_goes(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for first in range(6):
        store.append(batch("routine", first))
    disconnected(store)
    handles = drained(store)
    store.settle(handles[1])
    store.settle(handles[4])
    disconnected(store)
    assert [each[2] for each in contents(store)] == [0, 2, 3, 5]


def test_settling_writes_nothing_but_deletions(tmp_path: Path) -> None:
    store = opened(tmp_path)
    handles = [store.append(batch("routine", first)) for first in range(4)]
    before = [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in files(tmp_path)]
    for handle in handles[:3]:
        store.settle(handle)
    assert [(p, p.stat().st_mtime_ns, p.read_bytes()) for p in files(tmp_path)] == before


# ------------------------------------------------------------------------------- what it gives up
def test_the_oldest_routine_segment_goes_first_and_its_range_is_noted(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(batch("event", 0, 2))
    for first in range(0, 100, 10):
        store.append(batch("routine", first, 8, size=300))
    before = store.observations
    losses = store.drop_oldest()
    assert losses[0][:4] == ("R" * 26, 0, 7, "full")
    assert before - store.observations == sum(last - first + 1 for _, first, last, *_ in losses)
    noted = overlay.run("journal", "declare", str(tmp_path), [])
    assert [each[:4] for each in noted] == [each[:4] for each in losses]


def test_events_go_only_when_no_routine_is_left(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(batch("event", 0))
    store.append(batch("routine", 0))
    assert [store.drop_oldest()[0][0] for _ in range(2)] == ["R" * 26, "E" * 26]
    assert store.drop_oldest() == []


def test_what_was_settled_of_a_segment_is_not_declared_lost(tmp_path: Path) -> None:
    store = opened(tmp_path)
    handles = [store.append(batch("routine", first)) for first in range(3)]
    store.settle(handles[1])
    assert [loss[1:3] for loss in store.drop_oldest()] == [(0, 0), (2, 2)]
    assert store.settle(handles[0]) == 0
    with pytest.raises(FileNotFoundError):
        store.read(handles[2])


def test_a_segment_stays_when_its_loss_cannot_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path)
    store.append(batch("routine", 0))
    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(OSError, match="refused"):
        store.drop_oldest()
    assert store.observations == 1
    assert files(tmp_path)


def refused(*_: object) -> None:
    raise OSError(ENOSPC, "refused")


# ----------------------------------------------------------------------------------------- bounds
def test_the_cap_holds(tmp_path: Path) -> None:
    store = opened(tmp_path, cap=20_000)
    with pytest.raises(OSError, match="store") as full:  # noqa: PT012 - the last of many
        for first in range(1000):
            store.append(batch("routine", first, size=400))
    assert full.value.errno == ENOSPC
    assert store.bytes == sum(path.stat().st_size for path in files(tmp_path)) <= 20_000
    assert all(path.stat().st_size <= 8192 for path in files(tmp_path))
    store.drop_oldest()
    store.append(batch("routine", 1000, size=400))


def test_the_file_system_keeps_its_reserve(tmp_path: Path, monkeypatch: Any) -> None:  # noqa: ANN401
    monkeypatch.setattr(os, "statvfs", lambda _: (4096, 4096, 512, 33, 33))
    store = opened(tmp_path)
    with pytest.raises(OSError, match="store") as full:
        store.append(batch("routine", 0))
    assert full.value.errno == ENOSPC
    assert not files(tmp_path)


def test_nothing_follows_a_batch_that_may_be_half_written(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(batch("routine", 0))
    with (tmp_path / "store/0").open("ab") as file:
        file.write((tmp_path / "store/0").read_bytes()[:120])
    again = opened(tmp_path)
    again.append(batch("routine", 1))
    last = opened(tmp_path)
    assert [each[2] for each in contents(last)] == [0, 1]
    assert not last.lost


# ----------------------------------------------------------------------------------------- damage
def test_a_damaged_byte_costs_its_batch_alone(tmp_path: Path) -> None:
    made = [batch("routine", first, 2) for first in range(10, 40, 10)]
    store = opened(tmp_path)
    for each in made:
        store.append(each)
    path = tmp_path / "store/0"
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        hurt = 3 * at // len(good)
        again = opened(tmp_path)
        recovered = again.observations
        assert contents(again) == [each for index, each in enumerate(made) if index != hurt]
        told = [loss[:4] for loss in again.lost]
        lost = [("R" * 26, 10 * hurt + 10, 10 * hurt + 11, "damaged")]
        assert told == lost or (hurt == 2 and not told and recovered == 4)
        assert again.observations == 4
        assert recovered - again.observations in {0, 2}


def test_a_damaged_batch_that_is_alone_goes_with_its_segment(tmp_path: Path) -> None:
    opened(tmp_path).append(batch("event", 3, 4))
    path = tmp_path / "store/1"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    store = opened(tmp_path)
    assert store.lease() is None
    assert [loss[:4] for loss in store.lost] == [("E" * 26, 3, 6, "damaged")]
    assert (store.observations, store.batches, store.bytes) == (0, 0, 0)
    assert not files(tmp_path)
    noted = overlay.run("journal", "declare", str(tmp_path), [])
    assert noted == store.lost


@pytest.mark.parametrize("hurt", [0, 1, 2])
def test_a_head_that_goes_bad_in_a_run_leaves_no_debt(tmp_path: Path, hurt: int) -> None:
    store = opened(tmp_path)
    for first in range(3):
        store.give_back(store.append(batch("routine", first * 10 + 10)))
    path = tmp_path / "store/0"
    raw = bytearray(path.read_bytes())
    raw[hurt * len(raw) // 3 + 5] ^= 1
    path.write_bytes(raw)
    handles = drained(store)
    assert len(handles) == 2
    for handle in handles:
        store.settle(handle)
    assert store.lease() is None
    assert (store.observations, store.batches, store.bytes) == (0, 0, 0)
    lost = [(10 * hurt + 10, 10 * hurt + 10)] if hurt < 2 else []  # of the last nobody knows
    assert [loss[1:3] for loss in store.lost] == lost
    assert not files(tmp_path)


@pytest.mark.parametrize("content", [b"", b"uB", b"\xff" * 9000, b"uB" * 3000])
def test_a_file_without_a_record_does_not_stop_a_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store").mkdir()
    for name in ("0", "1", "ff", "note.txt"):
        (tmp_path / "store" / name).write_bytes(content)
    store = opened(tmp_path)
    assert (store.observations, store.batches, store.bytes) == (0, 0, 0)
    store.append(batch("routine", 0))
    disconnected(store)
    assert [each[2] for each in contents(store)] == [0]


# ---------------------------------------------------------------------------------- a model of it
class Modelled(RuleBasedStateMachine):
    """The store beside a dictionary."""

    root: Path

    def __init__(self) -> None:
        super().__init__()
        for path in self.root.glob("s*/*"):
            path.unlink()
        self.store = opened(self.root)
        self.run = 0
        self.next = {"routine": 0, "event": 0}
        self.model: dict[tuple[str, int], Batch] = {}
        self.marked: dict[tuple[str, int], Batch] = {}  # settled, may come after a restart
        self.leased: list[Handle] = []

    @rule(
        klass=st.sampled_from(["routine", "event"]),
        count=st.integers(1, 40),
        size=st.integers(2, 900),
        is_kept=st.booleans(),
    )
    def append(self, klass: str, count: int, size: int, is_kept: bool) -> None:  # noqa: FBT001
        made = batch(klass, self.next[klass], count, size=size, stream=f"{self.run:025}{klass[0]}")
        try:
            handle = self.store.append(made)
        except OSError:
            return
        self.next[klass] += count
        self.model[made[1], made[2]] = made
        if is_kept:
            self.leased.append(handle)
        else:
            self.store.give_back(handle)

    @rule(most=st.integers(1, 9))
    def lease(self, most: int) -> None:
        for _ in range(most):
            if (handle := self.store.lease()) is None:
                assert len(self.leased) == len(self.model)
                return
            self.leased.append(handle)

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        if not self.leased:
            return
        handle = self.leased.pop(data.draw(st.integers(0, len(self.leased) - 1)))
        read = whole(self.store.read(handle))
        made = self.model.pop((read[1], read[2]))
        assert read == made
        self.marked[read[1], read[2]] = made
        assert self.store.settle(handle) == size(read)

    @rule()
    def give_back(self) -> None:
        disconnected(self.store)
        self.leased = []

    @rule()
    def drop(self) -> None:
        before = self.store.observations
        losses = self.store.drop_oldest()
        given_up = {
            key
            for key in self.model
            if any(key[0] == loss[0] and loss[1] <= key[1] <= loss[2] for loss in losses)
        }
        gone = [self.model.pop(key) for key in given_up]
        assert sum(size(each) for each in gone) == before - self.store.observations
        assert bool(gone) or not self.model
        if any(each[0] == "event" for each in gone):
            assert not any(each[0] == "routine" for each in self.model.values())
        self.leased = [handle for handle in self.leased if handle[0] in self.store.leased]

    @rule()
    def restart(self) -> None:
        self.run += 1
        self.next = {"routine": 0, "event": 0}
        self.leased = []
        self.store = opened(self.root)
        found = {(each[1], each[2]): each for each in contents(self.store)}
        assert self.model.items() <= found.items() <= (self.model | self.marked).items()
        self.model = found
        disconnected(self.store)

    @invariant()
    def counts_are_right(self) -> None:
        assert self.store.batches == len(self.model)
        assert self.store.observations == sum(size(each) for each in self.model.values())
        assert self.store.bytes == sum(path.stat().st_size for path in self.root.glob("store/*"))
        assert not self.store.lost


def test_it_keeps_what_a_dictionary_would(tmp_path: Path) -> None:
    limits = settings(
        max_examples=25,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(type("It", (Modelled,), {"root": tmp_path}), settings=limits)


# -------------------------------------------------------------------------------- on the real one
@pytest.mark.parametrize("mode", ["undone", "torn"])
def test_a_power_cut_at_any_operation_of_the_flash_loses_nothing_kept(
    tmp_path: Path, mode: str
) -> None:
    ended = run_on("", SCRIPT, mode, "1", "48", "60000", folders=(compiled(tmp_path), BOARD))
    *wrong, last = ended.text.splitlines()
    assert not wrong
    assert ended.code == 0
    assert int(last.removeprefix("cuts ")) > 500


def test_a_full_file_system_neither_loses_nor_blocks(tmp_path: Path) -> None:
    ended = run_on("", SCRIPT, "full", "0", "48", "900000", folders=(compiled(tmp_path), BOARD))
    assert (ended.code, ended.text) == (0, "fills 24\n")


def test_a_batch_wears_about_one_block(tmp_path: Path) -> None:
    folders = compiled(tmp_path), BOARD
    ended = run_on("", "tests/esp32/vm_wear.py", "10", folders=folders)
    assert ended.code == 0
    table = [line.split() for line in ended.text.splitlines()[1:4]]
    erases = {int(row[0]): float(row[1]) for row in table}
    assert set(erases) == {1, 5, 20}
    assert erases[1] < 1.2  # what littlefs needs to commit: a copy of the last block
    assert erases[5] < 1.5  # 1.8 kB: every other one begins a block
    assert erases[20] < 2.5  # 7 kB: two blocks
