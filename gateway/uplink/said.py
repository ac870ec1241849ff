"""What the agent says beside observations, each message with a deadline for its acknowledgement.

An observation's deadline is the sender's. Without this one, a status whose PUBACK is lost would be
the last of its connection, for the next waits for it: a gateway that delivers and seems dead.
"""

from collections.abc import Callable
from itertools import count
from typing import Final, Protocol

from gateway.clock import Clock
from gateway.model import Outcome
from gateway.mqtt import Done

# More than an observation is given: what is said is looked at once a minute, and can wait.
MORE_NS: Final = 50_000_000_000

PatienceNs = Callable[[int], int]  # with an observation that is one of so many bytes on their way


class Voice(Protocol):
    """What is needed of a `Link` here."""

    @property
    def outstanding_bytes(self) -> int:
        """What was handed over and not acknowledged."""
        ...

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, turn: str = "", done: Done
    ) -> None:
        """Send with QoS 1; `done` is called once, later, from the event loop."""
        ...

    def close(self, cause: str) -> None:
        """Drop the connection at once."""
        ...


class Said:
    """The messages of one connection that wait for their PUBACK."""

    def __init__(self, link: Voice, clock: Clock, patience_ns: PatienceNs) -> None:
        self._link = link
        self._clock = clock
        self._patience_ns = patience_ns
        self._numbers = count()
        self._due_ns: dict[int, int] = {}

    def publish(self, topic: str, payload: bytes, *, retain: bool, turn: str, done: Done) -> None:
        """Send with QoS 1, as the link does."""
        number = next(self._numbers)
        under_way = self._link.outstanding_bytes + len(payload)
        self._due_ns[number] = self._clock.boot_ns() + self._patience_ns(under_way) + MORE_NS
        self._link.publish(
            topic, payload, retain=retain, turn=turn, done=self._ended(number, done)
        )

    def _ended(self, number: int, done: Done) -> Callable[[Outcome], None]:
        def ended(outcome: Outcome) -> None:
            del self._due_ns[number]
            done(outcome)

        return ended

    def look(self) -> None:
        """Give the connection up if a PUBACK is overdue."""
        now = self._clock.boot_ns()
        overdue = sum(due_ns <= now for due_ns in self._due_ns.values())
        if overdue:
            self._link.close(f"{overdue} of {len(self._due_ns)} messages not acknowledged in time")
