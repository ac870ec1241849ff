"""Whatever happens in whatever order, each observation is in one place, and none is lost.

The machine plays the broker, the store's disk, the clock and the supervisor. Its judge keeps
books of its own from what crosses the rim: what was offered, what the broker acknowledged, what
the store committed, what was declared lost. Time is the machine's: the event loop lives on it.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.backlog.memory import Medium, MemoryBacklog
from gateway.bundle import Identity, Renderer
from gateway.delivery import Delivery, Limits
from gateway.errors import BacklogError
from gateway.health import Health
from gateway.keeper import KeepLimits
from gateway.model import Bundle, Kept, Stream
from gateway.rim import Rim
from gateway.sender import SendLimits
from tests.delivery.desk import WatchedClock
from tests.fakes import NS, FakeClock, FakeUplink, Sent, observe

T = TypeVar("T")
Key = tuple[str, int]  # stream, sequence number

WINDOW: Final = 3
ACKNOWLEDGED_S: Final = 110  # 10 s, and 99 s for three bundles of 16 kB at 500 B/s
COMMITTED_S: Final = 0.5  # LIMITS, below
STORE_BYTES: Final = 60_000
LIMITS: Final = Limits(
    send=SendLimits(window=WINDOW), keep=KeepLimits(memory_bytes=20_000, commit_after_ns=NS // 2)
)
HEALING_ROUNDS: Final = 300  # of 0.5 s; some 60 are needed after a long back-off of the store
STOP_ROUNDS: Final = 25  # of 0.1 s: SHUTDOWN_S and a turn or two
OPERATIONS: Final = ("append", "lease", "settle", "oldest", "first_unsettled", "save_counters")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on the machine's time. It may never have to wait for a timer."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def time(self) -> float:
        return self._clock.now_ns / NS


class TrialBacklog(MemoryBacklog):
    """A memory store whose operations fail, or stand still before or after they took effect."""

    def __init__(self, medium: Medium) -> None:
        super().__init__(max_bytes=STORE_BYTES, medium=medium)
        self.broken: frozenset[str] = frozenset()
        self.before = asyncio.Event()
        self.after = asyncio.Event()
        self.before.set()
        self.after.set()
        self.committed: set[Key] = set()

    @property
    def is_well(self) -> bool:
        return not self.broken and self.before.is_set() and self.after.is_set()

    async def _pass(self, gate: asyncio.Event, operation: str) -> None:
        await asyncio.sleep(0)  # its thread takes a moment at least
        await gate.wait()
        if operation in self.broken:
            cause = f"{operation}: input/output error"
            raise BacklogError(cause)

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        await self._pass(self.before, "append")
        rows = await super().append(bundles, counters)
        await self._pass(self.after, "")
        self.committed.update(key for bundle in bundles for key in keys(bundle))
        return rows

    async def lease(self, limit: int) -> Sequence[Kept]:
        await self._pass(self.before, "lease")
        kept = await super().lease(limit)
        await self._pass(self.after, "")
        return kept

    async def settle(self, rows: Sequence[int]) -> None:
        await self._pass(self.before, "settle")
        await super().settle(rows)
        await self._pass(self.after, "")

    async def oldest(self) -> Bundle | None:
        await self._pass(self.before, "oldest")
        bundle = await super().oldest()
        await self._pass(self.after, "")
        return bundle

    async def first_unsettled(self, stream: str) -> int | None:
        await self._pass(self.before, "first_unsettled")
        number = await super().first_unsettled(stream)
        await self._pass(self.after, "")
        return number

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        await self._pass(self.before, "save_counters")
        await super().save_counters(counters)


def keys(bundle: Bundle) -> list[Key]:
    """Return the numbers in a bundle."""
    return [(bundle.stream, bundle.first_seq + i) for i in range(len(bundle.entries))]


def sent_keys(sent: Sent) -> list[Key]:
    """Return the numbers in a PUBLISH."""
    return [(str(sent.bundle["stream"]), number) for number in sent.numbers]


class Life:
    """One run of a delivery, and the judge's books of it."""

    def __init__(self, number: int, clock: FakeClock, medium: Medium) -> None:
        self.clock = clock
        self.medium = medium
        self.backlog = TrialBacklog(medium)
        self.uplink = FakeUplink(connected=False)
        self.health = Health(clock)
        self.streams = [Stream(f"R{number}", "routine"), Stream(f"E{number}", "event")]
        self.counter = itertools.count()
        self.delivery = Delivery(
            LIMITS,
            rim=Rim(
                clock=clock,
                backlog=self.backlog,
                uplink=self.uplink,
                chance=lambda: 0.5,
                counters=lambda: {"C0:FF:EE:00:00:02": next(self.counter)},
            ),
            health=self.health,
            renderer=Renderer(Identity("kiel", "gw-1"), clock),
            streams=self.streams,
        )
        self.offered: set[Key] = set()
        self.acknowledged: set[Key] = set()
        self.lost: set[Key] = set()
        self.judged = 0  # PUBLISHes
        self.tasks: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        recovery = await self.backlog.open(self.streams)
        self.delivery.recover(recovery)
        self.backlog.committed = {key for b in self.medium.rows.values() for key in keys(b)}
        self.tasks = asyncio.create_task(self.delivery.run(), name="delivery")

    # ------------------------------------------------------------------------------------ verdicts
    @property
    def unsettled(self) -> set[Key]:
        return (self.offered | self.backlog.committed) - self.acknowledged - self.lost

    def judge(self) -> None:
        """Compare what delivery says with what crossed the rim."""
        self._judge_losses()
        self._judge_sent()
        observations = self.health.observations
        assert self.health.observations_law() == 0
        assert observations.delivered == len(self.acknowledged)
        assert observations.dropped == len(self.lost)
        kept = self.backlog.committed - self.acknowledged
        assert self.health.in_backlog() == len(kept)
        assert self.health.in_memory() == len(self.unsettled - kept)
        durable = {key for b in self.medium.rows.values() for key in keys(b)}
        assert kept <= durable, "a committed row went before it was acknowledged"
        for stream in self.streams:
            below = self.delivery.settled_below(stream)
            assert not [key for key in self.unsettled if key[0] == stream.id and key[1] < below]

    def _judge_losses(self) -> None:
        for loss in self.delivery.losses:
            self.lost |= {(loss.stream, number) for number in range(loss.first, loss.last + 1)}
        assert not self.lost & self.acknowledged
        assert not self.lost & self.backlog.committed

    def _judge_sent(self) -> None:
        outstanding = [key for sent in self.uplink.outstanding for key in sent_keys(sent)]
        assert len(outstanding) == len(set(outstanding)), "in flight twice"
        assert len(self.uplink.outstanding) <= WINDOW
        assert self.delivery.sender.in_flight == len(self.uplink.outstanding)
        for sent in self.uplink.sent[self.judged :]:
            numbers = sent.numbers
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert not self.lost.intersection(sent_keys(sent))
        self.judged = len(self.uplink.sent)

    # ---------------------------------------------------------------------------------------- acts
    def offer(self, which: int, count: int, text: str) -> None:
        stream = self.streams[which]
        for _ in range(count):
            self.health.observations.observed += 1
            self.offered.add((stream.id, stream.next_seq))
            self.delivery.offer(observe(stream, self.clock, text=text))

    def acknowledge(self, which: int, reason_code: int) -> None:
        outstanding = self.uplink.outstanding
        if not outstanding:
            return
        sent = outstanding.pop(which % len(outstanding))
        if reason_code < 0x80:
            again = self.acknowledged.intersection(sent_keys(sent))
            assert not again, "acknowledged, and sent again in the same run"
            self.acknowledged.update(sent_keys(sent))
        sent.acknowledge(reason_code)

    def lose(self) -> None:
        self.uplink.lose()
        self.delivery.on_down()

    def connect(self, receive_maximum: int) -> None:
        self.uplink.receive_maximum = receive_maximum
        self.uplink.connected = True
        self.delivery.on_up()

    def heal(self) -> None:
        self.backlog.broken = frozenset()
        self.backlog.before.set()
        self.backlog.after.set()
        if not self.uplink.connected:
            self.connect(65_535)


class Machine(RuleBasedStateMachine):
    """One life after another on one medium."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = WatchedClock()
        self.runner = asyncio.Runner(loop_factory=lambda: VirtualLoop(self.clock))
        self.medium = Medium()
        self.lives = itertools.count()
        self.offered: set[Key] = set()
        self.settled: set[Key] = set()  # acknowledged, declared, or killed before it was accepted
        self._live()

    def _live(self) -> None:
        self.life = Life(next(self.lives), self.clock, self.medium)
        self.runner.run(self.life.begin())
        self.play(lambda: self.life.connect(65_535))

    def play(self, act: Callable[[], T]) -> T:
        """Act within the event loop; tasks get one turn."""

        async def scene() -> T:
            self.clock.asked = 0
            return act()

        return self.runner.run(scene())

    @rule(
        which=st.integers(0, 1),
        count=st.sampled_from([1, 1, 2, 30]),
        text=st.sampled_from(["", "x" * 1_500]),
    )
    def offer(self, which: int, count: int, text: str) -> None:
        self.play(lambda: self.life.offer(which, count, text))

    @precondition(lambda self: self.life.uplink.outstanding)
    @rule(which=st.integers(0, WINDOW), code=st.sampled_from([0x00, 0x00, 0x10, 0x87]))
    def acknowledge(self, which: int, code: int) -> None:
        self.play(lambda: self.life.acknowledge(which, code))

    @precondition(lambda self: self.life.uplink.outstanding)
    @rule()
    def acknowledge_all(self) -> None:
        for _ in range(len(self.life.uplink.outstanding)):
            self.play(lambda: self.life.acknowledge(0, 0))

    @precondition(lambda self: self.life.uplink.connected)
    @rule()
    def lose(self) -> None:
        self.play(self.life.lose)

    @precondition(lambda self: not self.life.uplink.connected)
    @rule(receive_maximum=st.sampled_from([1, 2, 65_535]))
    def connect(self, receive_maximum: int) -> None:
        self.play(lambda: self.life.connect(receive_maximum))

    @rule(operations=st.frozensets(st.sampled_from(OPERATIONS)))
    def let_the_disk_fail_at(self, operations: frozenset[str]) -> None:
        self.life.backlog.broken = operations

    @rule()
    def hold_the_store_up_before(self) -> None:
        self.life.backlog.before.clear()

    @rule()
    def hold_the_store_up_after(self) -> None:
        self.life.backlog.after.clear()

    @rule(which=st.integers(0, 1), is_done=st.booleans())
    def hold_a_commit_up(self, which: int, is_done: bool) -> None:  # noqa: FBT001 - drawn
        (self.life.backlog.after if is_done else self.life.backlog.before).clear()
        self.offer(which, 2, "")
        self.let_time_pass(0.6)
        self.step(4)

    @rule()
    def let_the_store_go_on(self) -> None:
        self.play(self.life.backlog.before.set)
        self.play(self.life.backlog.after.set)

    @rule(seconds=st.sampled_from([0.02, 0.3, 0.6, 5, 65, 1_000]))
    def let_time_pass(self, seconds: float) -> None:
        life = self.life
        outstanding = list(life.uplink.outstanding)
        heard = set(life.unsettled)
        self.clock.pass_s(seconds)
        self._notice_a_drop()
        if seconds > ACKNOWLEDGED_S:
            overdue = [sent for sent in outstanding if sent in life.uplink.outstanding]
            assert not overdue, "a connection that acknowledges nothing is kept"
        if seconds > COMMITTED_S and life.backlog.is_well and life.delivery.keeper.state == "ok":
            self.step(8)
            if life.delivery.keeper.state == "ok":  # else it has become full
                late = heard & life.unsettled - life.backlog.committed
                assert not late, "neither acknowledged nor committed in time"

    def _notice_a_drop(self) -> None:
        was = self.life.uplink.connected
        self.step(2)
        if was and not self.life.uplink.connected:
            self.play(self.life.delivery.on_down)

    @rule(turns=st.integers(1, 8))
    def step(self, turns: int) -> None:
        for _ in range(turns):
            self.play(lambda: None)

    @rule()
    def kill_and_start_again(self) -> None:
        self._finish_books()
        self.settled |= self.life.unsettled - self.life.backlog.committed
        self._let_go()
        self._live()

    @rule()
    def stop_and_start_again(self) -> None:
        self._stop()
        self._live()

    def _stop(self) -> None:
        """End in order; the disk works, the broker need not answer."""
        life = self.life
        life.backlog.broken = frozenset()
        self.let_the_store_go_on()

        async def end() -> None:
            resting = asyncio.create_task(life.delivery.settle_rest(), name="rest")
            for _ in range(STOP_ROUNDS):
                if resting.done():
                    break
                self.clock.pass_s(0.1)
                await asyncio.sleep(0)
            assert resting.done(), "the end takes for ever"
            for _ in range(HEALING_ROUNDS):
                if life.tasks is not None and life.tasks.done():
                    break
                await asyncio.sleep(0)
            assert life.tasks is not None
            assert life.tasks.done(), "a task does not end"

        self.runner.run(end())
        try:
            self.runner.run(life.delivery.finish())
        except BacklogError:
            pass  # full: what is in memory is lost, and the end is not a clean one
        else:
            assert life.health.in_memory() == 0
            assert all(self.medium.streams[stream.id].clean for stream in life.streams)
        self._finish_books()
        self.settled |= life.unsettled - life.backlog.committed
        self._let_go()

    def _finish_books(self) -> None:
        self.life.judge()
        self.offered |= self.life.offered
        self.settled |= self.life.acknowledged | self.life.lost

    def _let_go(self) -> None:
        tasks = self.life.tasks
        assert tasks is not None

        async def cancel() -> None:
            tasks.cancel()
            await asyncio.wait([tasks])
            self.life.delivery.sender.close()

        self.runner.run(cancel())
        assert tasks.cancelled() or tasks.exception() is None

    @invariant()
    def each_observation_is_in_one_place(self) -> None:
        self.life.judge()

    @invariant()
    def the_tasks_live(self) -> None:
        assert self.life.tasks is not None
        assert not self.life.tasks.done()

    def teardown(self) -> None:
        try:
            self._mend_and_judge()
        finally:
            self.runner.close()

    def _mend_and_judge(self) -> None:
        """With everything mended all arrives that was not declared."""
        life = self.life
        self.play(life.heal)
        for _ in range(HEALING_ROUNDS):
            # What status tells of the store is read again after a failure, with back-off.
            told = all(life.delivery.settled_below(s) == s.next_seq for s in life.streams)
            if not life.unsettled and not life.backlog.bundles and told:
                break
            self.clock.pass_s(0.5)
            self._notice_a_drop()
            self.play(life.heal)
            self.acknowledge_all()
            life.judge()
        else:
            assert not life.unsettled, "something never arrives"
            assert not life.backlog.bundles, "a row is never deleted"
        self.step(8)
        assert life.delivery.has_room
        assert life.delivery.keeper.state == "ok" or not life.health.in_memory()
        for stream in life.streams:
            assert life.delivery.settled_below(stream) == stream.next_seq
        self._finish_books()
        assert self.offered <= self.settled
        self._let_go()


Machine.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase
