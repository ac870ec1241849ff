"""Whatever is done in whatever order, the SQLite backlog answers as the one in memory does.

And nothing vanishes: every number that was ever appended was settled, is still there, stands
aside, or stands in a loss range.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.backlog.memory import MemoryBacklog
from gateway.backlog.sqlite import SqliteBacklog
from gateway.model import CLASSES as KLASSES
from gateway.model import Aside, Bundle, Loss
from tests.backlog.places import AT, MemoryPlace, SqlitePlace, bundle, run_streams

T = TypeVar("T")
CLASSES = st.integers(0, 1)
CHOICE = st.lists(st.integers(0, 30), max_size=8)
MAX_BYTES = 1_000_000


class Machine(RuleBasedStateMachine):
    """Two backlogs, told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.parent = Path(tempfile.mkdtemp(prefix="ugw-backlog-"))
        self.model = MemoryPlace()
        self.place = SqlitePlace(self.parent)
        self.accounted: set[tuple[str, int]] = set()  # settled, or lost and told
        self.run_number = 0
        self.first_session: int | None = None  # of the store: wall time, when it was made
        self.sent: list[Bundle] = []
        self._start()

    def _start(self) -> None:
        self.streams = run_streams(f"R{self.run_number:04}")
        self.run_number += 1
        self.held: list[int] = []
        # So small that what is set aside meets its bound.
        self.expected = MemoryBacklog(max_bytes=MAX_BYTES, medium=self.model.medium)
        self.actual = SqliteBacklog(self.place.directory, max_bytes=MAX_BYTES)
        recovery = self.wait(self.expected.open(self.streams))
        actual = self.wait(self.actual.open(self.streams))
        if self.first_session is None:
            self.first_session = actual.session
        session = actual.session - self.first_session
        assert msgspec.structs.replace(actual, session=session) == recovery

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def picked(self, choice: list[int]) -> list[int]:
        """Choose among rows ever held in this run, also such as are settled or released."""
        return [self.held[i % len(self.held)] for i in choice] if self.held else []

    def _append(self, bundles: list[Bundle], counters: dict[str, int]) -> None:
        rows = self.wait(self.expected.append(bundles, counters))
        assert self.wait(self.actual.append(bundles, counters)) == rows
        self.held += rows

    @rule(shape=st.lists(st.tuples(CLASSES, st.integers(1, 9)), max_size=5), count=CLASSES)
    def append(self, shape: list[tuple[int, int]], count: int) -> None:
        bundles = [bundle(self.streams[klass], size) for klass, size in shape]
        self.sent += bundles
        self._append(bundles, {"one": len(self.sent)} if count else {})

    @precondition(lambda self: any(self.streams[0].id == b.stream for b in self.sent))
    @rule(which=st.integers(0, 30))
    def append_the_halves_of_a_bundle_once_more(self, which: int) -> None:
        ours = [each for each in self.sent if each.stream == self.streams[0].id]
        whole = ours[which % len(ours)]
        middle = (len(whole.entries) + 1) // 2
        halves = [bundle(self.streams[0], middle, first_seq=whole.first_seq)]
        if middle < len(whole.entries):
            rest = len(whole.entries) - middle
            halves.append(bundle(self.streams[0], rest, first_seq=whole.first_seq + middle))
        self._append(halves, {})

    @rule(limit=st.integers(0, 8))
    def lease(self, limit: int) -> None:
        leased = self.wait(self.expected.lease(limit))
        assert self.wait(self.actual.lease(limit)) == leased
        self.held += [each.row for each in leased]

    @rule(choice=CHOICE)
    def release(self, choice: list[int]) -> None:
        rows = self.picked(choice)
        self.expected.release(rows)
        self.actual.release(rows)

    @rule(choice=CHOICE)
    def settle(self, choice: list[int]) -> None:
        rows = self.picked(choice)
        before = self.kept()
        self.wait(self.expected.settle(rows))
        self.wait(self.actual.settle(rows))
        self.accounted |= before - self.kept()

    # ------------------------------------------------------------------- dropped, aside, declared
    @rule(choice=CHOICE, reason=st.sampled_from(["damaged", "full"]))
    def drop(self, choice: list[int], reason: str) -> None:
        rows = self.picked(choice)
        dropped = self.wait(self.expected.drop(rows, reason, AT))
        assert self.wait(self.actual.drop(rows, reason, AT)) == dropped

    @rule(klass=st.sampled_from(KLASSES))
    def drop_oldest(self, klass: Any) -> None:  # noqa: ANN401 - one of two words
        a_little = self.actual.max_bytes - self.actual.bytes_used + 1
        dropped = self.wait(self.actual.drop_oldest(klass, a_little, AT))
        rows = [each.row for each in dropped]
        # What a page is differs between the two: which rows it had to be is judged here.
        ours = [row for row, b in self.model.medium.rows.items() if b.klass == klass]
        leased = self.expected.leased
        ours.sort(key=lambda row: (row in leased, row))
        assert rows == ours[: len(rows)]
        assert bool(rows) == bool(ours)
        assert set(self.wait(self.expected.drop(rows, "full", AT))) == set(dropped)

    @rule(choice=CHOICE, fresh=CLASSES)
    def set_aside(self, choice: list[int], fresh: int) -> None:
        rows = self.model.medium.rows
        asides = [
            Aside(rows[r], "refused", r) for r in dict.fromkeys(self.picked(choice)) if r in rows
        ]
        if fresh:
            self.sent.append(bundle(self.streams[0], 40))
            asides.append(Aside(self.sent[-1], "refused"))
        given_up = self.wait(self.expected.set_aside(asides, AT))
        assert self.wait(self.actual.set_aside(asides, AT)) == given_up

    @rule(count=st.integers(1, 5), which=CLASSES)
    def declare(self, count: int, which: int) -> None:
        never = bundle(self.streams[which], count)
        self.sent.append(never)
        losses = [Loss(never.stream, seq, seq, "store", AT) for seq in _seqs(never)]
        self.wait(self.expected.declare(losses))
        self.wait(self.actual.declare(losses))

    @rule(choice=CHOICE)
    def forget_losses(self, choice: list[int]) -> None:
        losses = self.wait(self.expected.losses())
        told = [losses[i % len(losses)] for i in choice] if losses else []
        self.wait(self.expected.forget_losses(told))
        self.wait(self.actual.forget_losses(told))
        self.accounted |= _lost(told)

    @rule(key=st.sampled_from("ab"), value=st.sampled_from(["", "x", "yy"]))
    def remember(self, key: str, value: str) -> None:
        self.wait(self.expected.remember(key, value))
        self.wait(self.actual.remember(key, value))

    @rule(value=st.integers(0, 3))
    def save_counters(self, value: int) -> None:
        self.wait(self.expected.save_counters({"two": value}))
        self.wait(self.actual.save_counters({"two": value}))

    @rule()
    def forget_previous(self) -> None:
        self.wait(self.expected.forget_previous())
        self.wait(self.actual.forget_previous())

    @rule()
    def reopen(self) -> None:
        self._end(self.expected)
        self._end(self.actual)
        self._start()

    @rule()
    def kill(self) -> None:
        killed = self.model.as_killed(), self.place.as_killed()
        self._end(self.expected)
        self._end(self.actual)
        self.model, self.place = killed
        self._start()

    def _end(self, backlog: MemoryBacklog | SqliteBacklog) -> None:
        self.wait(backlog.close(self.streams, {"three": self.run_number}))

    @invariant()
    def the_books_agree(self) -> None:
        assert self.actual.bundles == self.expected.bundles
        assert self.actual.observations == self.expected.observations
        assert self.actual.unleased == self.expected.unleased
        assert self.actual.asides == self.expected.asides
        assert self.actual.aside_bytes == self.expected.aside_bytes

    @invariant()
    def nothing_has_vanished(self) -> None:
        aside = _numbers(each.bundle for each in self.model.medium.asides)
        losses = self.wait(self.expected.losses())
        assert self.wait(self.actual.losses()) == losses
        assert _numbers(self.sent) == self.kept() | aside | _lost(losses) | self.accounted

    def kept(self) -> set[tuple[str, int]]:
        return _numbers(self.model.medium.rows.values())

    @invariant()
    def the_answers_agree(self) -> None:
        assert self.wait(self.actual.oldest()) == self.wait(self.expected.oldest())
        for stream in self.streams:
            first = self.wait(self.expected.first_unsettled(stream.id))
            assert self.wait(self.actual.first_unsettled(stream.id)) == first

    def teardown(self) -> None:
        self._end(self.actual)
        with closing(sqlite3.connect(self.place.directory / "backlog.db")) as medium:
            rows = [row for (row,) in medium.execute("SELECT id FROM bundle ORDER BY id")]
            (aside,) = medium.execute("SELECT count(*) FROM aside").fetchone()
        assert rows == sorted(self.model.medium.rows)
        assert aside == len(self.model.medium.asides)
        self.runner.close()
        shutil.rmtree(self.parent)


def _seqs(of: Bundle) -> range:
    return range(of.first_seq, of.first_seq + len(of.entries))


def _numbers(bundles: Iterable[Bundle]) -> set[tuple[str, int]]:
    return {(each.stream, seq) for each in bundles for seq in _seqs(each)}


def _lost(losses: Iterable[Loss]) -> set[tuple[str, int]]:
    return {(each.stream, seq) for each in losses for seq in range(each.first, each.last + 1)}


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase
