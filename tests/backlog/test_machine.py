"""Whatever is done in whatever order, the SQLite backlog answers as the one in memory does."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.model import Bundle
from tests.backlog.places import MemoryPlace, Place, SqlitePlace, Store, bundle, run_streams

T = TypeVar("T")
CLASSES = st.integers(0, 1)
CHOICE = st.lists(st.integers(0, 30), max_size=8)


class Machine(RuleBasedStateMachine):
    """Two backlogs, told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.parent = Path(tempfile.mkdtemp(prefix="ugw-backlog-"))
        self.model: Place = MemoryPlace()
        self.place: Place = SqlitePlace(self.parent)
        self.run_number = 0
        self.sent: list[Bundle] = []
        self._start()

    def _start(self) -> None:
        self.streams = run_streams(f"R{self.run_number:04}")
        self.run_number += 1
        self.held: list[int] = []
        self.expected, self.actual = self.model.backlog(), self.place.backlog()
        recovery = self.wait(self.expected.open(self.streams))
        assert self.wait(self.actual.open(self.streams)) == recovery

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
        self.wait(self.expected.settle(rows))
        self.wait(self.actual.settle(rows))

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

    def _end(self, backlog: Store) -> None:
        self.wait(backlog.close(self.streams, {"three": self.run_number}))

    @invariant()
    def the_books_agree(self) -> None:
        assert self.actual.bundles == self.expected.bundles
        assert self.actual.observations == self.expected.observations
        assert self.actual.unleased == self.expected.unleased

    @invariant()
    def the_answers_agree(self) -> None:
        assert self.wait(self.actual.oldest()) == self.wait(self.expected.oldest())
        for stream in self.streams:
            first = self.wait(self.expected.first_unsettled(stream.id))
            assert self.wait(self.actual.first_unsettled(stream.id)) == first

    def teardown(self) -> None:
        self._end(self.actual)
        self.runner.close()
        shutil.rmtree(self.parent)


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase
