"""A call that may block, made aside: whoever gives up on it is free at once."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], *, name: str) -> T:
    """Return what `work` returns, or raise what it raises.

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

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(done)
