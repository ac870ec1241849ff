"""An event loop on virtual time: when nothing is ready, it is at once the time of the next timer.

Nothing in it waits for the world outside. What would (a socket, a thread, a process) is refused,
for no run could then be repeated; so is a wait that nothing can ever end.

Time is counted in whole microseconds. A timer never fires before its time, and at most one of them
after it. Within a turn of the loop no time passes.
"""

import asyncio
import heapq
import selectors
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Executor
from contextvars import Context
from math import ceil, ulp
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, TypeVarTuple, Unpack, cast

from gateway.errors import SimulatorError

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Belongs = Callable[[Context], bool]
Select = Callable[[float | None], list[tuple[selectors.SelectorKey, int]]]

_TICKS_PER_S: Final = 1_000_000
_NS_PER_TICK: Final = 1_000
_NS_S: Final = 1e-9
_NOISE: Final = 5e-4  # ticks: what floating point adds to a sum of nanoseconds
_STANDSTILL: Final = 100_000  # turns without a timer: somebody waits by turning round
# No computer takes so many turns in one microsecond. Who waits for the nanoseconds that are left
# until a time finds it reached then: added to years in seconds, a float does not hold them.
_TURNS_PER_TICK: Final = 1_000
_NAMED: Final = 12  # tasks of a deadlock that are told by name
_REFUSED: Final = (
    "add_reader",
    "add_writer",
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "getnameinfo",
    "sendfile",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_sendall",
    "sock_sendto",
    "start_tls",
    "subprocess_exec",
    "subprocess_shell",
)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of a bench; `now_ns` is its time, `start_s` where that begins."""

    def __init__(self, *, start_s: float = 0.0) -> None:
        self._ticks = round(start_s * _TICKS_PER_S)
        self.now_ns = self._ticks * _NS_PER_TICK  # of virtual time: whole microseconds
        self._now_s = self._ticks / _TICKS_PER_S
        self._turns = 0  # since a timer was due
        self.broken: BaseException | None = None  # what ends the run at its next turn
        self._home = threading.get_ident()
        self._suspended: list[asyncio.Handle] = []
        super().__init__(_NoSelector(self._pass))
        self._see_what_is_due()
        self.set_exception_handler(_keep_first)
        for name in _REFUSED:
            setattr(self, name, _refusal(name))

    # ---------------------------------------------------------------------------------------- time
    def time(self) -> float:
        """Return seconds of virtual time."""
        return self._now_s

    def _pass(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass until a timer is due. Raises what has broken the run."""
        if self.broken is not None:
            broken, self.broken = self.broken, None
            raise broken
        if timeout is None:
            raise _deadlock(self)
        if timeout > 0:
            due = ceil((self._now_s + timeout) * _TICKS_PER_S - _NOISE)
            self._pass_until(max(due, self._ticks + 1))
            self._turns = 0
        else:
            self._turns += 1
            if self._turns > _STANDSTILL:
                raise _standstill(self)
            if self._turns % _TURNS_PER_TICK == 0:
                self._pass_until(self._ticks + 1)
        return []

    def _pass_until(self, ticks: int) -> None:
        self._ticks = ticks
        self._now_s = ticks / _TICKS_PER_S
        self.now_ns = ticks * _NS_PER_TICK
        self._see_what_is_due()

    def _see_what_is_due(self) -> None:
        """Let asyncio see a timer that is due at this very moment.

        It looks for those before now and a resolution of 1 ns, and from 2**24 s (194 days) on that
        sum is now itself: a real clock has gone on by the next look, and this one would not.
        """
        self._clock_resolution = max(_NS_S, ulp(self._now_s))

    # ------------------------------------------------------------------------------------- strict
    def fail(self, error: BaseException) -> None:
        """End the run with an error; the first counts."""
        if self.broken is None:
            self.broken = error

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Take what a signal's handler asks for; a thread breaks the run."""
        if threading.get_ident() != self._home:
            cause = "a thread called back into virtual time, which no two runs do alike"
            self.fail(SimulatorError(cause, "use the level `process` for what needs threads"))
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - the loop's own form
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Call it now: it takes no time."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - raised where the future is awaited
            done.set_exception(error)
        return done

    # ---------------------------------------------------------------------------------- suspending
    def suspend(self, belongs: Belongs) -> None:
        """Hold back every callback and timer of these contexts, until `resume`.

        What others call meanwhile on their behalf is not held back: whoever suspends sees to that.
        """
        ready, timers = _ready(self), _timers(self)
        held: list[asyncio.Handle] = []
        for index, handle in enumerate(ready):
            if belongs(_context(handle)):
                held.append(handle)
                # The loop has counted what is ready, and takes so many in this turn.
                ready[index] = asyncio.Handle(_nothing, (), self)
        for timer in [timer for timer in timers if belongs(_context(timer))]:
            timers.remove(timer)
            held.append(timer)
        heapq.heapify(timers)
        self._suspended += held

    def resume(self) -> None:
        """Let them go on; timers that have fallen due meanwhile fire now."""
        held, self._suspended = self._suspended, []
        for handle in held:
            if handle.cancelled():
                continue
            if isinstance(handle, asyncio.TimerHandle):
                heapq.heappush(_timers(self), handle)
            else:
                _ready(self).append(handle)


def _nothing() -> None:
    """Stand where a callback stood that is held back."""


def run(main: Coroutine[Any, Any, T], *, start_s: float = 0.0) -> T:
    """Run a coroutine on virtual time from `start_s` on, to its end; Ctrl-C cancels it.

    Raises what it raises, what a callback or a forgotten task raised, and SimulatorError where
    nothing could ever happen any more.
    """
    loop = VirtualLoop(start_s=start_s)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
    if loop.broken is not None:
        raise loop.broken
    return result


def running() -> VirtualLoop:
    """Return the running loop. Raises SimulatorError where it is not on virtual time."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        cause = "a bench on the level `inside` lives on virtual time, and this loop does not"
        raise SimulatorError(cause, "run it with gateway.sim.inside.loop.run")
    return loop


class _NoSelector(selectors.BaseSelector):
    """Nothing is ever waited for but time; the loop's own pipe is registered and not looked at."""

    def __init__(self, let_pass: Select) -> None:
        self._let_pass = let_pass
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(
        self, fileobj: "FileDescriptorLike", events: int, data: object = None
    ) -> selectors.SelectorKey:
        descriptor = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._keys[descriptor] = selectors.SelectorKey(fileobj, descriptor, events, data)
        return self._keys[descriptor]

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._let_pass(timeout)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        cause = f"{name}: inside a simulation nothing waits for the world outside"
        raise SimulatorError(cause, "use the level `process` for sockets, threads and programs")

    return refuse


def _deadlock(loop: VirtualLoop) -> SimulatorError:
    waiting = _named(task.get_name() for task in asyncio.all_tasks(loop))
    cause = f"nothing can happen any more at {loop.time():.6f} s, and these wait: {waiting}"
    return SimulatorError(cause, "what should have woken them?")


def _standstill(loop: VirtualLoop) -> SimulatorError:
    callbacks = [getattr(handle, "_callback", None) for handle in _ready(loop)]
    turning = _named({_name(getattr(each, "__self__", each)) for each in callbacks})
    cause = f"time stands still at {loop.time():.6f} s, and these turn round for ever: {turning}"
    return SimulatorError(cause, "let them wait for an event or a time, not for a next turn")


def _named(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")


def _name(owner: object) -> str:
    return owner.get_name() if isinstance(owner, asyncio.Task) else repr(owner)


def _keep_first(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    if isinstance(loop, VirtualLoop):
        error = context.get("exception")
        loop.fail(error or SimulatorError(str(context.get("message"))))


# The loop shows nobody what it is about to do: these three names have been the same in CPython
# from 3.4 to 3.14, and tests/sim/test_inside_loop.py would notice others.
def _ready(loop: VirtualLoop) -> deque[asyncio.Handle]:
    return cast("deque[asyncio.Handle]", vars(loop)["_ready"])


def _timers(loop: VirtualLoop) -> list[asyncio.TimerHandle]:
    return cast("list[asyncio.TimerHandle]", vars(loop)["_scheduled"])


def _context(handle: asyncio.Handle) -> Context:
    return cast("Context", getattr(handle, "_context"))  # noqa: B009 - typeshed has it not
