"""Devices that have to be connected to: each in its turn, one connection at a time.

The one that is due longest comes first. One that fails waits longer each time, so it costs the
others no more than the time limits of a single poll, ever more seldom. Nobody is polled while the
adapter is down or the pipeline has no use for more.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec

from gateway.core import backoff
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.driver import Poll as Ask
from gateway.health import Health
from gateway.model import TransportState
from gateway.transport.ble.connection import Limits, PollError, Requests, converse
from gateway.transport.ble.scanner import Scanner

_TOLD_FROM: Final = 2  # failures in a row: one is nothing
_NS: Final = 1_000_000_000

Converse = Callable[[str, str, Requests, Limits], Awaitable[bytes]]

_log = logging.getLogger(__name__)


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A device to be polled: what its driver asks of it, how often."""

    address: str
    device: str  # what messages call it
    ask: Ask
    every_ns: int


class _Turn:
    """A device between two polls."""

    __slots__ = ("cause", "due_ns", "failures", "poll")

    def __init__(self, poll: Poll, due_ns: int) -> None:
        self.poll = poll
        self.due_ns = due_ns
        self.failures = 0  # in a row
        self.cause = ""  # as it was told; "": it is read


class Polls(msgspec.Struct, frozen=True, kw_only=True):
    """The devices that one adapter polls, how long a poll may take, and when to try again."""

    each: tuple[Poll, ...] = ()
    limits: Limits = Limits()
    spread_s: float = 3.0  # within it the first are due: after a start they have to be heard first
    retry_s: float = 5.0  # the least wait after a failure; what is added doubles from twice that
    most_retry_s: float = 900.0
    look_again_s: float = 1.0  # at the adapter, the pipeline and the clock


class Company(NamedTuple):
    """Who works beside a poller, and how it talks to a device."""

    scanner: Scanner
    health: Health
    chance: Callable[[], float]
    converse: Converse = converse


class Poller:
    """The polls of one adapter; `run` it beside the scan. `answers`: those that succeeded."""

    def __init__(self, adapter: str, polls: Polls, company: Company) -> None:
        scanner, health, chance, self._converse = company
        self.answers = 0
        self.connecting = False
        self.adapter = adapter  # as BlueZ numbers it now
        self._name = f"ble:{adapter} poller"
        self._scanner = scanner
        self._health = health
        self._record = health.transports[f"ble:{adapter}"]
        self._boot_ns = health.clock.boot_ns
        self._chance = chance
        self._polls = polls
        now_ns = self._boot_ns()
        self._turns = [
            _Turn(poll, now_ns + int(chance() * polls.spread_s * _NS)) for poll in polls.each
        ]

    async def run(self) -> None:
        """Poll for ever; a cancellation disconnects first, within seconds."""
        if not self._turns:
            return
        pulse = self._health.vitals.pulse(self._name)
        try:
            while True:
                pulse.beat()
                turn = min(self._turns, key=lambda turn: turn.due_ns)
                wait_s = self._wait_s(turn)
                if wait_s > 0:
                    await pulse.pause(min(wait_s, self._polls.look_again_s))
                elif self._scanner.wants(turn.poll.address):
                    await self._take(turn)
                else:
                    self._record.count("polls_put_off")
                    turn.due_ns = self._boot_ns() + int(self._polls.look_again_s * _NS)
        finally:
            self._health.vitals.end(self._name)
            for turn in self._turns:
                self._health.unread.pop(turn.poll.device, None)

    def _wait_s(self, turn: _Turn) -> float:
        if self._record.state is TransportState.DOWN:
            return self._polls.look_again_s
        return (turn.due_ns - self._boot_ns()) / _NS

    async def _take(self, turn: _Turn) -> None:
        """Poll one device."""
        poll = turn.poll
        self._record.count("polls")
        self.connecting = True
        try:
            context = Context(bytes.fromhex(poll.address.replace(":", "")))
            payload = await self._converse(
                self.adapter, poll.address, poll.ask(context), self._polls.limits
            )
        except DecodeError as refused:  # said by the driver already while it asks
            self._failed(turn, PollError(f"its driver refuses it: {refused.reason}"))
        except PollError as error:
            self._failed(turn, error)
        else:
            self._answered(turn, payload)
        finally:
            self.connecting = False

    def _answered(self, turn: _Turn, payload: bytes) -> None:
        """Hand over what was read."""
        poll = turn.poll
        self.answers += 1
        turn.failures = 0
        turn.due_ns = max(turn.due_ns + poll.every_ns, self._boot_ns())
        self._tell(turn, "")
        self._scanner.answer(poll.address, payload)

    def _failed(self, turn: _Turn, error: PollError) -> None:
        """Try again later, and later each time."""
        self._record.count("failed_polls")
        self._record.count("poll_timeouts", error.timed_out)
        least_s = self._polls.retry_s
        delay_s = least_s + backoff.delay_s(
            turn.failures,
            self._chance(),
            first_s=2 * least_s,
            most_s=self._polls.most_retry_s,
        )
        turn.failures += 1
        turn.due_ns = self._boot_ns() + int(delay_s * _NS)
        if turn.failures >= _TOLD_FROM:
            self._tell(turn, str(error))

    def _tell(self, turn: _Turn, cause: str) -> None:
        """Say why a device cannot be read, or that it can, once."""
        device = turn.poll.device
        if cause == turn.cause:
            return
        turn.cause = cause
        if cause:
            self._health.unread[device] = cause
            _log.warning("sensor %s cannot be read: %s", device, cause)
        else:
            self._health.unread.pop(device, None)
            _log.info("sensor %s is read again", device)
