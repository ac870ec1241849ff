"""How full the store is and whether it can be used: said to the pipeline and to the platform.

Each change is said once, and with it why: that the store fails, or that it gives up the old for
the new, by its cap or by what the medium has left. While there is only memory, what counts is the
fuller of the two.
"""

import logging
from typing import Final, Literal

from gateway.books import Books
from gateway.core import policy
from gateway.errors import BacklogError
from gateway.health import Health, StoreHealth
from gateway.model import Level
from gateway.rim import Rim

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000
REFUSED_NS: Final = 60 * NS  # so long at most the level is full for a refusal for want of room
SHEDDING_NS: Final = 60 * NS  # so long after the last time it is said that the old is given up

State = Literal["ok", "memory-only", "quarantined"]


class Condition:
    """What was said last, and what is to be said now."""

    def __init__(self, rim: Rim, books: Books, health: Health) -> None:
        self._clock = rim.clock
        self._backlog = rim.backlog
        self._books = books
        self._health = health
        self._told: State = "ok"
        self._failure: BacklogError | None = None  # what the store failed with, until it works
        self._refused_ns: int | None = None  # when there was no room last
        self._shed_ns: int | None = None  # when something was given up for it last
        self._shed_for: BacklogError | None = None  # why, as long as that is to be said
        self._told_shed_for = ""

    @property
    def state(self) -> State:
        """As docs/reference/schema.md, storeState."""
        if self._failure is not None:
            return "memory-only"
        return "quarantined" if self._backlog.quarantined else "ok"

    @property
    def due_ns(self) -> int | None:
        """When it has to be judged again though nothing happens."""
        dues = (_later(self._refused_ns, REFUSED_NS), _later(self._shed_ns, SHEDDING_NS))
        return min((due for due in dues if due is not None), default=None)

    # ------------------------------------------------------------------------------------- hearing
    def refused(self) -> None:
        """Hear that there was no room."""
        self._refused_ns = self._clock.boot_ns()

    def fitted(self) -> None:
        """Hear that there was room, or that rows were delivered and deleted."""
        self._refused_ns = None

    def shed(self, refusal: BacklogError) -> None:
        """Hear that something was given up for what was refused."""
        self._shed_ns, self._shed_for = self._clock.boot_ns(), refusal

    def failed(self, failure: BacklogError | None) -> None:
        """Hear that the store fails, and with what; None: that it works."""
        self._failure = failure

    # -------------------------------------------------------------------------------------- saying
    def judge(self, memory_bytes: int) -> None:
        """Enter the level of now, say what has changed; memory holds `memory_bytes` at most."""
        now = self._clock.boot_ns()
        level = self._level(now, memory_bytes)
        if _passed(_later(self._shed_ns, SHEDDING_NS), now):
            self._shed_ns = None
        if self._shed_ns is None and level is not Level.FULL:
            self._shed_for = None
        self._show(self._failure or self._shed_for, now)
        if level is not self._health.level:
            used, cap = self._backlog.bytes_used, self._backlog.max_bytes
            log.warning("backlog level=%s used=%d of=%d", level.value, used, cap)
            self._health.enter(level)
        self._tell_of_shedding()
        self._tell_state()

    def _level(self, now: int, memory_bytes: int) -> Level:
        used, cap = self._backlog.bytes_used, self._backlog.max_bytes
        memory = self._books.memory_bytes
        if self._failure is not None and memory * cap > used * memory_bytes:
            used, cap = memory, memory_bytes
        if _passed(_later(self._refused_ns, REFUSED_NS), now):
            self._refused_ns = None
        refused = self._refused_ns is not None
        return Level(policy.level(used, cap, self._health.level, refused=refused))

    def _show(self, trouble: BacklogError | None, now: int) -> None:
        cause, remedy = (str(trouble), trouble.remedy) if trouble else ("", "")
        if cause != self._health.store.cause:
            self._health.store = StoreHealth(cause, remedy, now)

    def _tell_of_shedding(self) -> None:
        why = self._shed_for
        cause = str(why) if why else ""
        if cause == self._told_shed_for:
            return
        self._told_shed_for = cause
        if why is None:
            log.info("store has room again")
            self._notify("there is room again")
        else:
            log.error("store gives up old for new cause=%r remedy=%r", cause, why.remedy)
            self._notify(f"old observations are given up for new ones: {_said(why)}")

    def _tell_state(self) -> None:
        state, before = self.state, self._told
        if state == before:
            return
        self._told = state
        words = ["works again"] if before == "memory-only" else []
        if state == "quarantined":
            words.append(f"found damaged, put aside as {self._backlog.quarantined}")
            if not self._backlog.is_whole:
                words.append("losses that were to be told, or bundles set aside, did not read")
        self._notify(_said(self._failure) if self._failure else "; ".join(words))
        self._health.on_change()

    def _notify(self, cause: str) -> None:
        self._health.notify("store", ("state", self.state), ("cause", cause))


def _said(error: BacklogError) -> str:
    """Return what is wrong and what helps, in one line."""
    return ": ".join(filter(None, (str(error), error.remedy)))


def _later(at_ns: int | None, after_ns: int) -> int | None:
    return None if at_ns is None else at_ns + after_ns


def _passed(at_ns: int | None, now_ns: int) -> bool:
    return at_ns is not None and at_ns <= now_ns
