"""Whatever happens in whatever order, each observation is in one place, and none is lost.

The machine plays the broker, the store's disk, the clock and the supervisor. Its judge keeps
books of its own from what crosses the rim: what was offered, what the broker acknowledged, what
the store committed, set aside or dropped, what was declared lost. Time is the machine's: the event
loop lives on it.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.backlog.memory import Medium
from gateway.bundle import Identity, Renderer
from gateway.delivery import Delivery, Limits
from gateway.errors import BacklogFullError
from gateway.health import Health
from gateway.keeper import KeepLimits
from gateway.model import Bundle, Lane, Loss, Outcome, Stream
from gateway.rim import Rim
from gateway.sender import SendLimits
from tests.delivery.desk import WatchedClock
from tests.delivery.disk import OPERATIONS, Disk
from tests.fakes import NS, FakeClock, FakeUplink, Sent, observe

T = TypeVar("T")
Key = tuple[str, int]  # stream, sequence number

WINDOW: Final = 3
ACKNOWLEDGED_S: Final = 110  # 10 s, and 99 s for three bundles of 16 kB at 500 B/s
COMMITTED_S: Final = 0.5  # limits(), below
ANY_PACKET: Final = 268_435_455
STORE_BYTES: Final = 60_000
HEALING_ROUNDS: Final = 400  # of 0.5 s; some 60 are needed after a long back-off of the store
STOP_ROUNDS: Final = 25  # of 0.1 s: SHUTDOWN_S and a turn or two
COMMIT_TURNS: Final = 60  # also where room has to be made first, step by step
CODES: Final = (0x00, 0x00, 0x00, 0x10, 0x80, 0x87, 0x87, 0x90, 0x95, 0x97, 0x99)


def limits(*, strict: bool, demanding: bool) -> Limits:
    """Return limits that are soon reached."""
    return Limits(
        send=SendLimits(window=WINDOW, require_subscriber=demanding),
        keep=KeepLimits(memory_bytes=20_000, commit_after_ns=NS // 2, strict=strict),
    )


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on the machine's time. It may never have to wait for a timer."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def time(self) -> float:
        return self._clock.now_ns / NS


class Broker(FakeUplink):
    """A broker that looks at each message as it comes."""

    def __init__(self, look: Callable[[Sent], None]) -> None:
        super().__init__(connected=False)
        self._look = look

    def publish(self, lane: Lane, payload: bytes, done: Callable[[Outcome], None]) -> None:
        self._look(Sent(lane, payload, done))
        super().publish(lane, payload, done)


def keys(bundles: Iterable[Bundle]) -> set[Key]:
    """Return the numbers in bundles."""
    return {(b.stream, b.first_seq + i) for b in bundles for i in range(len(b.entries))}


def lost_keys(losses: Iterable[Loss]) -> set[Key]:
    """Return the numbers in loss ranges."""
    return {
        (loss.stream, number) for loss in losses for number in range(loss.first, loss.last + 1)
    }


def given_up(losses: Iterable[Loss]) -> set[Key]:
    """Return the numbers that were dropped; what overflowed aside counts as set aside."""
    return lost_keys(loss for loss in losses if loss.reason != "aside")


def sent_keys(sent: Sent) -> set[Key]:
    """Return the numbers in a PUBLISH."""
    return {(str(sent.bundle["stream"]), number) for number in sent.numbers}


class Life:
    """One run of a delivery, and the judge's books of it."""

    def __init__(self, number: int, clock: FakeClock, medium: Medium, given: Limits) -> None:
        self.clock = clock
        self.medium = medium
        self.limits = given
        self.disk = Disk(medium, STORE_BYTES, self._judge_drop)
        self.uplink = Broker(self._judge_message)
        self.health = Health(clock)
        self.streams = [Stream(f"R{number}", "routine"), Stream(f"E{number}", "event")]
        self.counter = itertools.count()
        self.delivery = Delivery(
            given,
            rim=Rim(
                clock=clock,
                backlog=self.disk,
                uplink=self.uplink,
                chance=lambda: 0.5,
                counters=lambda: {"C0:FF:EE:00:00:02": next(self.counter)},
            ),
            health=self.health,
            renderer=Renderer(Identity("kiel", "gw-1"), clock),
            streams=self.streams,
        )
        self.offered: set[Key] = set()
        self.committed: set[Key] = set()
        self.acknowledged: set[Key] = set()
        self.undecided: set[Key] = set()  # acknowledged while rows were being dropped
        self.aside: set[Key] = set()
        self.lost: set[Key] = set()
        self.told: set[Key] = set()
        self.inherited: set[Key] = set()  # losses of earlier lives
        self.tasks: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        recovery = await self.disk.open(self.streams)
        self.delivery.recover(recovery)
        self.delivery.loss_desk.on_loss = self._judge_loss
        self.inherited = given_up(recovery.losses)
        self.disk.committed = keys(self.medium.rows.values())
        self.tasks = asyncio.create_task(self.delivery.run(), name="delivery")

    # ------------------------------------------------------------------------------------ verdicts
    @property
    def over(self) -> set[Key]:
        return self.acknowledged | self.lost | self.aside

    @property
    def unsettled(self) -> set[Key]:
        return (self.offered | self.disk.committed) - self.over

    @property
    def in_memory(self) -> set[Key]:
        return self.unsettled - self.disk.committed

    def of_class(self, found: set[Key], letter: str) -> set[Key]:
        return {key for key in found if key[0].startswith(letter)}

    def judge(self) -> None:
        """Compare what delivery says with what crossed the rim."""
        self._judge_sent()
        self._take_over()
        observations = self.health.observations
        assert self.health.observations_law() == 0
        assert observations.delivered == len(self.acknowledged)
        assert observations.set_aside == len(self.aside)
        assert observations.dropped == len(self.lost - self.acknowledged - self.aside)
        kept = self.disk.committed - self.over
        assert self.health.in_backlog() == len(kept)
        assert self.health.in_memory() == len(self.unsettled - kept)
        if not self.disk.is_taking_out:
            durable = keys(self.medium.rows.values())
            assert kept <= durable, "a committed row went before it was over"
        self._judge_settled()

    def _judge_settled(self) -> None:
        untold = lost_keys(self.delivery.loss_desk.untold())
        for stream in self.streams:
            below = self.delivery.settled_below(stream)
            owed = self.unsettled | untold
            assert not [key for key in owed if key[0] == stream.id and key[1] < below]

    def _take_over(self) -> None:
        """Bring the judge's books to what is decided by now."""
        self.lost |= given_up(self.delivery.losses) - self.inherited
        if not self.disk.is_dropping:
            self.acknowledged |= self.undecided - self.lost
            self.undecided.clear()
        self.aside |= self.disk.aside
        assert self.lost <= self.offered | self.disk.committed, "lost what never was"
        waiting = self.lost & self.disk.committed & keys(self.medium.rows.values())
        assert not waiting, "declared lost, and still in the store"

    def _judge_sent(self) -> None:
        outstanding = [key for sent in self.uplink.outstanding for key in sent_keys(sent)]
        assert len(outstanding) == len(set(outstanding)), "in flight twice"
        assert len(self.uplink.outstanding) <= WINDOW
        assert self.delivery.sender.in_flight == len(self.uplink.outstanding)

    def _judge_message(self, sent: Sent) -> None:
        """Hold it to be no larger than the broker allows, and under strict durable first."""
        self._take_over()
        assert not self.over.intersection(sent_keys(sent)), "sent after it was over"
        numbers = sent.numbers
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        size = len(sent.payload)
        assert size < self.uplink.max_packet_bytes
        if len(numbers) > 1:
            assert size <= max(512, self.delivery.sender.max_bundle_bytes)
        if self.limits.keep.strict and self.delivery.keeper.state == "ok":
            assert sent_keys(sent) <= self.disk.committed, "sent before it was durable"

    def _judge_drop(self, klass: str) -> None:
        """No row of an event is dropped while anything of routine could be."""
        self._take_over()
        if klass == "event":
            assert not any(b.klass == "routine" for b in self.medium.rows.values())
            assert not self.of_class(self.in_memory, "R")

    def _judge_loss(self) -> None:
        """No event in memory is given up while routine is there that is not being committed.

        Event rows of the store may have been dropped in the same turn, in an order of their own.
        """
        known = set(self.lost)
        self._take_over()
        newest = self.delivery.losses[-1:]
        fresh = lost_keys(loss for loss in newest if loss.reason == "store") - known
        if self.of_class(fresh, "E"):
            assert not self.of_class(self.in_memory - self.disk.committing, "R")

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
        demanding = self.limits.send.require_subscriber
        if reason_code < 0x80 and not (demanding and reason_code == 0x10):
            self._take_over()
            taken = sent_keys(sent)
            again = taken & (self.acknowledged | self.aside)
            assert not again, "settled, and sent again in the same run"
            if self.disk.is_dropping:
                self.undecided |= (taken & self.disk.committed) - self.lost
                taken -= self.disk.committed
            self.acknowledged |= taken - self.lost
        sent.acknowledge(reason_code)

    def lose(self, ended_with: int | None = None) -> None:
        self.uplink.lose(ended_with)
        self.delivery.on_down()

    def connect(self, receive_maximum: int, max_packet_bytes: int = ANY_PACKET) -> None:
        self.uplink.receive_maximum = receive_maximum
        self.uplink.max_packet_bytes = max_packet_bytes
        self.uplink.connected = True
        self.delivery.on_up()

    def tell(self) -> None:
        """Tell the platform of the losses."""
        untold = self.delivery.loss_desk.untold()
        self.told |= lost_keys(untold)
        self.delivery.loss_desk.told(untold)

    def heal(self) -> None:
        self.disk.heal()
        if not self.uplink.connected:
            self.connect(65_535)
        self.tell()


class Machine(RuleBasedStateMachine):
    """One life after another on one medium."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = WatchedClock()
        self.runner = asyncio.Runner(loop_factory=lambda: VirtualLoop(self.clock))
        # Not the runner's own `run`: it sets up Ctrl-C anew for each of a hundred thousand turns.
        self.run = self.runner.get_loop().run_until_complete
        self.medium = Medium()
        self.lives = itertools.count()
        self.offered: set[Key] = set()
        self.settled: set[Key] = set()  # delivered, aside, declared, or killed before accepted
        self.life: Life

    @initialize(strict=st.booleans(), demanding=st.booleans())
    def start(self, *, strict: bool, demanding: bool) -> None:
        self.limits = limits(strict=strict, demanding=demanding)
        self._live()

    def _live(self) -> None:
        self.life = Life(next(self.lives), self.clock, self.medium, self.limits)
        self.run(self.life.begin())
        self.play(lambda: self.life.connect(65_535))

    def play(self, act: Callable[[], T]) -> T:
        """Act within the event loop; tasks get one turn."""

        async def scene() -> T:
            self.clock.asked = 0
            return act()

        return self.run(scene())

    # ------------------------------------------------------------------------------- observations
    @rule(
        which=st.integers(0, 1),
        count=st.sampled_from([1, 1, 2, 30]),
        text=st.sampled_from(["", "x" * 1_500]),
    )
    def offer(self, which: int, count: int, text: str) -> None:
        self.play(lambda: self.life.offer(which, count, text))

    # ------------------------------------------------------------------------------------- broker
    @precondition(lambda self: self.life.uplink.outstanding)
    @rule(which=st.integers(0, WINDOW), code=st.sampled_from(CODES))
    def acknowledge(self, which: int, code: int) -> None:
        self.play(lambda: self.life.acknowledge(which, code))

    @precondition(lambda self: self.life.uplink.outstanding)
    @rule()
    def acknowledge_all(self) -> None:
        for _ in range(len(self.life.uplink.outstanding)):
            self.play(lambda: self.life.acknowledge(0, 0))

    @precondition(lambda self: self.life.uplink.connected)
    @rule(ended_with=st.sampled_from([None, 0x95]))
    def lose(self, ended_with: int | None) -> None:
        self.play(lambda: self.life.lose(ended_with))

    @precondition(lambda self: not self.life.uplink.connected)
    @rule(
        receive_maximum=st.sampled_from([1, 2, 65_535]),
        max_packet_bytes=st.sampled_from([ANY_PACKET, ANY_PACKET, 6_000, 1_500]),
    )
    def connect(self, receive_maximum: int, max_packet_bytes: int) -> None:
        self.play(lambda: self.life.connect(receive_maximum, max_packet_bytes))

    @rule()
    def tell_of_losses(self) -> None:
        self.play(self.life.tell)

    # -------------------------------------------------------------------------------------- store
    @rule(operations=st.frozensets(st.sampled_from(OPERATIONS)))
    def let_the_disk_fail_at(self, operations: frozenset[str]) -> None:
        self.life.disk.broken = operations

    @rule()
    def hold_the_store_up_before(self) -> None:
        self.life.disk.before.clear()

    @rule()
    def hold_the_store_up_after(self) -> None:
        self.life.disk.after.clear()

    @rule(which=st.integers(0, 1), is_done=st.booleans())
    def hold_a_commit_up(self, which: int, is_done: bool) -> None:  # noqa: FBT001 - drawn
        (self.life.disk.after if is_done else self.life.disk.before).clear()
        self.offer(which, 2, "")
        self.let_time_pass(0.6)
        self.step(4)

    @rule()
    def let_the_store_go_on(self) -> None:
        self.play(self.life.disk.before.set)
        self.play(self.life.disk.after.set)

    @rule(which=st.integers(0, 3))
    def fill_the_store(self, which: int) -> None:
        """Commit more than fits, of one class or of both."""
        for part in range(4):
            self.offer((which >> (part & 1)) & 1, 20, "x" * 1_500)
            self.let_time_pass(0.6)

    @rule()
    def damage_a_row(self) -> None:
        self.life.disk.damage_one()

    # --------------------------------------------------------------------------------------- time
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
        if seconds > COMMITTED_S and life.disk.is_well and life.delivery.keeper.state == "ok":
            self.step(COMMIT_TURNS)
            if life.delivery.keeper.state == "ok":
                life.judge()
                late = heard & life.in_memory
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

    # --------------------------------------------------------------------------------- supervisor
    @rule()
    def kill_and_start_again(self) -> None:
        self._finish_books()
        self._live()

    @rule()
    def stop_and_start_again(self) -> None:
        self._stop()
        self._live()

    def _stop(self) -> None:
        """End in order; the disk works, the broker need not answer."""
        life = self.life
        life.disk.broken = frozenset()
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

        self.run(end())
        try:
            self.run(life.delivery.finish())
        except BacklogFullError:
            pass  # offered without asking for room, memory holds more than the store can
        else:
            life.judge()
            assert life.health.in_memory() == 0
            assert all(self.medium.streams[stream.id].clean for stream in life.streams)
            declared = life.told | lost_keys(self.medium.losses)
            assert life.lost <= declared, "a loss is not declared"
        self._finish_books()

    def _finish_books(self) -> None:
        life = self.life
        life.judge()
        self._let_go()
        self.offered |= life.offered
        killed = life.in_memory  # before it was accepted
        asides = keys(aside.bundle for aside in self.medium.asides)
        self.settled |= life.over | killed | asides | lost_keys(self.medium.losses)

    def _let_go(self) -> None:
        tasks = self.life.tasks
        assert tasks is not None

        async def cancel() -> None:
            tasks.cancel()
            await asyncio.wait([tasks])
            self.life.delivery.sender.close()

        self.run(cancel())
        if not tasks.cancelled():
            tasks.result()

    @invariant()
    def each_observation_is_in_one_place(self) -> None:
        self.life.judge()

    @invariant()
    def the_tasks_live(self) -> None:
        assert self.life.tasks is not None
        if self.life.tasks.done():
            self.life.tasks.result()
        assert not self.life.tasks.done()

    def teardown(self) -> None:
        try:
            self._mend_and_judge()
        finally:
            self.runner.close()

    def _mend_and_judge(self) -> None:
        """With everything mended all arrives that was not declared or set aside."""
        life = self.life
        self.play(life.heal)
        for _ in range(HEALING_ROUNDS):
            # What status tells of the store is read again after a failure, with back-off.
            told = all(life.delivery.settled_below(s) == s.next_seq for s in life.streams)
            told = told and not self.medium.losses
            if not life.unsettled and not life.disk.bundles and told:
                break
            self.clock.pass_s(0.5)
            self._notice_a_drop()
            self.play(life.heal)
            self.acknowledge_all()
            life.judge()
        else:
            assert not life.unsettled, "something never arrives"
            assert not life.disk.bundles, "a row is never deleted"
            assert not self.medium.losses, "a loss is never forgotten"
        self.step(COMMIT_TURNS)
        assert life.delivery.has_room
        assert life.delivery.keeper.state == "ok" or not life.health.in_memory()
        for stream in life.streams:
            assert life.delivery.settled_below(stream) == stream.next_seq
        self._finish_books()
        missing = sorted(self.offered - self.settled)
        assert not missing, f"neither delivered nor declared: {missing}"


Machine.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase
