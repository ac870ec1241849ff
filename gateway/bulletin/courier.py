"""Letters out, one desk's one at a time: sent, acknowledged, or handed back to the desk.

A courier keeps nothing and decides nothing. What the broker refuses stays with its desk, which is
then left alone for a while: with back-off, in full jitter.
"""

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from gateway.clock import Clock
from gateway.core import puback
from gateway.core.backoff import FIRST_S, MOST_S, delay_s
from gateway.model import Outcome
from gateway.vitals import Vitals

log = logging.getLogger(__name__)

HEADROOM_BYTES: Final = 512  # a letter's topic and MQTT header, generously

_NS: Final = 1_000_000_000
_NEVER: Final = frozenset({0x90, 0x95, 0x99})  # topic name, packet size, payload format


class Letter(msgspec.Struct, frozen=True):
    """A message to publish; an empty payload takes a retained one away."""

    topic: str
    payload: bytes
    retain: bool


class Ending(StrEnum):
    """What became of a letter."""

    TOLD = "told"  # the broker has it
    LOST = "lost"  # the connection ended first
    REFUSED = "refused"  # the broker did not take it, and may another time
    IMPOSSIBLE = "impossible"  # this broker never will


class Desk(Protocol):
    """Where letters are written."""

    def next(self, now_ns: int) -> Letter | None:
        """Return what is to be said now; it is under way until `ended`."""
        ...

    def ended(self, ending: Ending) -> None:
        """Hear what became of the letter under way."""
        ...

    def due_ns(self, now_ns: int) -> int | None:
        """Return when to ask `next` again without a wake-up, None for never."""
        ...


class Voice(Protocol):
    """The uplink, as far as letters need it. It never queues."""

    @property
    def connected(self) -> bool:
        """Whether a letter can be sent now."""
        ...

    @property
    def max_packet_bytes(self) -> int:
        """The broker's Maximum Packet Size (MQTT 5, 3.2.2.3.6)."""
        ...

    def say(
        self, topic: str, payload: bytes, *, retain: bool, done: Callable[[Outcome], None]
    ) -> None:
        """Send with QoS 1; `done` is called once, from the event loop, never within this call."""
        ...


class Surroundings(msgspec.Struct, frozen=True):
    """The world as the bulletin meets it; `chance` is uniform in [0, 1)."""

    voice: Voice
    clock: Clock
    chance: Callable[[], float]
    vitals: Vitals


class Tally(msgspec.Struct):
    """How the letters of one desk ended in this run, beside those lost with a connection."""

    told: int = 0
    refused: int = 0
    impossible: int = 0


class Courier:
    """Carries the letters of one desk; `wake` asks for the next `pump`."""

    def __init__(
        self, name: str, desk: Desk, surroundings: Surroundings, wake: Callable[[], None]
    ) -> None:
        self.tally = Tally()
        self._name = name
        self._desk = desk
        self._voice = surroundings.voice
        self._clock = surroundings.clock
        self._chance = surroundings.chance
        self._wake = wake
        self._under_way = False
        self._refusals = 0
        self._retry_ns = 0
        self._complained = False  # once per connection is enough

    @property
    def under_way(self) -> bool:
        """Whether a letter has been sent and its end is not known."""
        return self._under_way

    def opened(self) -> None:
        """Hear of a new connection: what the one before refused may be taken by this one."""
        self._refusals = 0
        self._retry_ns = 0
        self._complained = False

    def pump(self) -> int | None:
        """Send what may be sent; return when to call again without a wake-up, None for never."""
        while not self._under_way and self._voice.connected:
            now = self._clock.boot_ns()
            if now < self._retry_ns:
                return self._retry_ns
            letter = self._desk.next(now)
            if letter is None:
                return self._desk.due_ns(now)
            if len(letter.payload) + HEADROOM_BYTES > self._voice.max_packet_bytes:
                # A broker hangs up on what exceeds its limit, and would do so again and again.
                self._end(letter.topic, Ending.IMPOSSIBLE)
                continue
            self._send(letter)
        return None

    def _send(self, letter: Letter) -> None:
        self._under_way = True

        def done(outcome: Outcome) -> None:
            self._under_way = False
            self._end(letter.topic, _ending(outcome.reason_code))
            self._wake()

        self._voice.say(letter.topic, letter.payload, retain=letter.retain, done=done)

    def _end(self, topic: str, ending: Ending) -> None:
        if ending is Ending.TOLD:
            self.tally.told += 1
            self._refusals = 0
        elif ending is Ending.IMPOSSIBLE:
            self.tally.impossible += 1
            log.warning("%s given up, the broker never takes it topic=%s", self._name, topic)
        elif ending is Ending.REFUSED:
            self.tally.refused += 1
            self._back_off(topic)
        self._desk.ended(ending)

    def _back_off(self, topic: str) -> None:
        if not self._complained:
            self._complained = True
            log.warning("%s refused, trying again topic=%s", self._name, topic)
        wait_s = delay_s(self._refusals, self._chance(), first_s=FIRST_S, most_s=MOST_S)
        self._refusals += 1
        self._retry_ns = self._clock.boot_ns() + int(wait_s * _NS)


def _ending(reason_code: int | None) -> Ending:
    if reason_code is None:
        return Ending.LOST
    if reason_code < puback.FAILURE:
        return Ending.TOLD
    return Ending.IMPOSSIBLE if reason_code in _NEVER else Ending.REFUSED
