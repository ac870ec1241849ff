"""Time that runs faster, for what takes hours: an event loop and the clocks of a host, in step.

Timers, deadlines and the agent's clocks all run so many times as fast; processor, disk and sockets
do not. So whatever they take counts that many times: a latency measured here is an upper bound.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from gateway.clock import Word

T = TypeVar("T")

_NS: Final = 1_000_000_000


class HurriedHost:
    """A machine whose clocks start at the true time and run `faster`."""

    boot_id = "b0075eed-0000-4000-8000-0000000000f5"

    def __init__(self, faster: int) -> None:
        self._faster = faster
        self._since_ns = time.monotonic_ns()
        self._wall_ns = time.time_ns()

    def boot_ns(self) -> int:
        """Boot time; here it begins with the host."""
        return (time.monotonic_ns() - self._since_ns) * self._faster

    def wall_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._wall_ns + self.boot_ns()

    def word(self) -> Word:
        """Vouch for it."""
        return Word(synced=True)


class _Selector(selectors.SelectSelector):
    """Waits shorter. Not epoll, which waits for whole milliseconds."""

    def __init__(self, faster: int) -> None:
        super().__init__()
        self._faster = faster

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / self._faster)


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are short."""

    def __init__(self, faster: int) -> None:
        self._faster = faster
        super().__init__(_Selector(faster))

    def time(self) -> float:
        """Return the time of its timers."""
        return super().time() * self._faster


def run(faster: int, work: Callable[[HurriedHost], Coroutine[Any, Any, T]]) -> T:
    """Run `work` in hurried time; agents given that host live in it, too."""
    with asyncio.Runner(loop_factory=lambda: HurriedLoop(faster)) as runner:
        return runner.run(work(HurriedHost(faster)))
