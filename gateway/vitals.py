"""Signs of life: each supervised task is asked for one, and the watchdog is fed when all gave it.

A task answers by coming round its loop (`Pulse.beat`); one that may rest for long is woken for it.
So a task that waits for ever for what will never come is found out, and not only an event loop
that stands still. A task that waits for good reason in bounded time answers afterwards: every such
bound (a back-off, a dial, a call of the store) lies below `STUCK_AFTER_S`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.service_manager import ServiceManager

STUCK_AFTER_S: Final = 90.0  # longer than any wait that is in order
ASK_EVERY_S: Final = 10.0
_ASKS_PER_WATCHDOG: Final = 6  # a task that takes a little longer still answers in time
_NS_PER_S: Final = 1_000_000_000


def _awake() -> None:
    """Nobody has to be woken: the task comes round by itself."""


class Pulse:
    """One task's sign of life."""

    def __init__(self, wake: Callable[[], None], now_ns: Callable[[], int]) -> None:
        self.wake = wake
        self.answered = True
        self.beat_at_ns = now_ns()
        self._now_ns = now_ns
        self._asked = asyncio.Event()

    def beat(self) -> None:
        """Give a sign of life."""
        self.answered = True
        self.beat_at_ns = self._now_ns()

    def ask(self) -> None:
        """Want a sign of life."""
        self.answered = False
        self._asked.set()
        self.wake()

    async def pause(self, seconds: float) -> None:
        """Sleep, giving a sign of life at once and whenever one is wanted."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        self.beat()
        while loop.time() < until:
            self._asked.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._asked.wait()
            except TimeoutError:
                return
            self.beat()


class Vitals:
    """The pulses of all supervised tasks, by the tasks' names."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._pulses: dict[str, Pulse] = {}

    def pulse(self, name: str, wake: Callable[[], None] = _awake) -> Pulse:
        """Return the pulse of a task that begins; `wake` makes it come round its loop."""
        pulse = self._pulses[name] = Pulse(wake, self._now_ns)
        return pulse

    def end(self, name: str) -> None:
        """Ask a task no more: it has been ended in order."""
        self._pulses.pop(name, None)

    @property
    def names(self) -> list[str]:
        """Whose pulses are felt."""
        return list(self._pulses)

    def ask_all(self) -> None:
        """Begin anew: each has to answer once more."""
        for pulse in self._pulses.values():
            pulse.ask()

    def ask_again(self) -> list[str]:
        """Ask those that have not answered since; return their names."""
        silent = [name for name, pulse in self._pulses.items() if not pulse.answered]
        for name in silent:
            self._pulses[name].ask()
        return silent

    def stuck(self) -> list[str]:
        """Return who has given no sign of life for longer than any wait that is in order."""
        since_ns = self._now_ns() - int(STUCK_AFTER_S * _NS_PER_S)
        return [name for name, pulse in self._pulses.items() if pulse.beat_at_ns < since_ns]


class Watch:
    """Asks, and feeds the watchdog; `line` is what `systemctl status` shows of us."""

    def __init__(
        self,
        vitals: Vitals,
        manager: ServiceManager,
        line: Callable[[], str],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._vitals = vitals
        self._manager = manager
        self._line = line
        self._sleep = sleep
        self._told = ""
        limit_s = manager.watchdog_s
        self._every_s = min(ASK_EVERY_S, limit_s / _ASKS_PER_WATCHDOG) if limit_s else ASK_EVERY_S

    async def run(self) -> None:
        """Watch until cancelled."""
        self._vitals.ask_all()
        while True:
            await self._sleep(self._every_s)
            self.look()

    def look(self) -> None:
        """Feed the watchdog if all have answered since it was fed last."""
        if not self._vitals.ask_again():
            self._manager.notify("WATCHDOG=1")
            self._vitals.ask_all()
        self.tell()

    def tell(self) -> None:
        """Say how it stands, when that is news."""
        if (line := self._line()) != self._told:
            self._told = line
            self._manager.notify(f"STATUS={line}")
