"""The desk of events: what city IT must hear about, in order, until the broker has it.

Loss ranges are never given up: their owner keeps them, also across a restart, and says here what
is still to be told. All else waits in a bounded queue of which the oldest goes first.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from gateway.bulletin.courier import Ending, Letter
from gateway.bulletin.refusals import KIND as REFUSED
from gateway.bulletin.refusals import Refusals
from gateway.clock import Clock, ClockState
from gateway.health import Notice
from gateway.model import Loss, LossDesk, Moment
from gateway.uplink import event
from gateway.uplink.event import Event
from gateway.uplink.status import Identity

MOST_WAITING: Final = 256
GROWTH_PAUSE_NS: Final = 10_000_000_000  # between two tellings of a range that goes on growing
IMPOSSIBLE_PAUSE_NS: Final = 60_000_000_000  # until a loss the broker cannot take is tried again

_NS_PER_MS: Final = 1_000_000


class _NoLosses:
    """Nobody has hung in yet."""

    def __init__(self) -> None:
        self.on_loss: Callable[[], None] = _nobody

    def untold(self) -> Sequence[Loss]:
        return ()

    def told(self, losses: Sequence[Loss]) -> None:
        """Hear nothing."""


class Notices:
    """What is to be told. `take` is what `Health.on_notice` wants; `wake` says there is more."""

    def __init__(self, topic: str, identity: Identity, clock: Clock) -> None:
        self.wake: Callable[[], None] = _nobody
        self.given_up = 0  # notices that had to make room
        self._topic = topic
        self._identity = identity
        self._clock = clock
        self._losses: LossDesk = _NoLosses()
        self._queue: deque[Notice] = deque()
        self._refusals = Refusals()
        self._saying: Notice | Loss | None = None
        self._losses_from_ns = 0  # not before, after the broker could not take one
        self._last_told: dict[str, tuple[Loss, int]] = {}  # stream -> range, when

    def speak_on(self, topic: str) -> None:
        """Use another topic from now on."""
        self._topic = topic

    def attend(self, losses: LossDesk) -> None:
        """Tell the loss ranges of this desk, too."""
        self._losses = losses
        losses.on_loss = self._woken
        self.wake()

    def _woken(self) -> None:
        self.wake()  # whoever is to be woken now: he hung in later, perhaps

    def take(self, notice: Notice) -> None:
        """Take a notice over; of refused frames only some are worth one."""
        chosen = self._refusals.take(notice) if notice.kind == REFUSED else notice
        if chosen is not None:
            self._append(chosen)
        self.wake()

    def _append(self, notice: Notice) -> None:
        self._queue.append(notice)
        if len(self._queue) > MOST_WAITING:
            self._queue.popleft()
            self.given_up += 1

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to tell now."""
        return self._saying is None and not self._queue and self._first_loss() is None

    # ------------------------------------------------------------------------------------ the desk
    def next(self, now_ns: int) -> Letter | None:
        """Return what is to be told first: by when it happened, losses before their equals."""
        for notice in self._refusals.take_due(now_ns):
            self._append(notice)
        loss = self._first_loss()
        if loss is not None and not (self._queue and self._is_before(self._queue[0], loss)):
            self._saying = loss
            return self._letter(event.of_loss(loss))
        if not self._queue:
            return None
        self._saying = notice = self._queue[0]
        at = Moment(self._clock.boot_id, notice.at_ns)
        return self._letter(Event(notice.kind, notice.fields, at))

    def ended(self, ending: Ending) -> None:
        """Forget what was told; all else is told again."""
        saying, self._saying = self._saying, None
        if isinstance(saying, Loss):
            if ending is Ending.TOLD:
                self._note_told(saying)
                self._losses.told((saying,))
            elif ending is Ending.IMPOSSIBLE:  # never given up: another broker may come
                self._losses_from_ns = self._clock.boot_ns() + IMPOSSIBLE_PAUSE_NS
        elif ending in {Ending.TOLD, Ending.IMPOSSIBLE}:
            self._leave(saying)

    def due_ns(self, now_ns: int) -> int | None:
        """Return when a count of refused frames or a range that has grown may be told."""
        dues = [self._refusals.due_ns()]
        dues += [self._pause_ends_ns(loss) for loss in self._losses.untold()]
        return min((due for due in dues if due is not None and due > now_ns), default=None)

    def _leave(self, said: Notice | None) -> None:
        # It may have been given up meanwhile, to make room.
        if self._queue and self._queue[0] is said:
            self._queue.popleft()

    # ------------------------------------------------------------------------------------- losses
    def _first_loss(self) -> Loss | None:
        now = self._clock.boot_ns()
        for loss in self._losses.untold():
            if self._pause_ends_ns(loss) <= now:
                return loss
        return None

    def _note_told(self, loss: Loss) -> None:
        now = self._clock.boot_ns()
        recent = now - GROWTH_PAUSE_NS
        self._last_told = {s: told for s, told in self._last_told.items() if told[1] > recent}
        self._last_told[loss.stream] = (loss, now)

    def _pause_ends_ns(self, loss: Loss) -> int:
        """Return when a range may be told: at once, unless a part of it just was."""
        known, told_ns = self._last_told.get(loss.stream, (loss, -GROWTH_PAUSE_NS))
        has_grown = loss.first <= known.first and known.last <= loss.last
        return max(self._losses_from_ns, told_ns + GROWTH_PAUSE_NS if has_grown else 0)

    def _is_before(self, notice: Notice, loss: Loss) -> bool:
        return loss.at.boot == self._clock.boot_id and notice.at_ns < loss.at.at_ns

    # ------------------------------------------------------------------------------------ letters
    def _letter(self, happened: Event) -> Letter:
        believed = self._clock.reading().state is not ClockState.UNSYNCED
        sent_ms = self._clock.wall_ns() // _NS_PER_MS if believed else None
        return Letter(self._topic, event.render(self._identity, happened, sent_ms), retain=False)


def _nobody() -> None:
    """Nobody has hung in yet."""
