"""A call that may block, made aside: whoever gives up on it is free at once."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def _leave(_result: object) -> None:
    """Let the result of a call nobody waits for any more be as it is."""


async def aside(work: Callable[[], T], *, name: str, unwanted: Callable[[T], None] = _leave) -> T:
    """Return what `work` returns, or raise what it raises; `unwanted` gets what nobody waited for.

    A daemon thread does it: the threads of the loop's executor are joined before a process exits,
    and neither name resolution nor a medium that hangs can be interrupted.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from here on only the thread completes it

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            done.set_exception(error)

    def dispose(ended: Future[T]) -> None:
        if ended.exception() is None:
            unwanted(ended.result())

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        return await asyncio.wrap_future(done)
    except asyncio.CancelledError:
        done.add_done_callback(dispose)
        raise
