"""The store's one thread. A medium can hang for ever, and that must not keep the process alive.

The threads of a ThreadPoolExecutor are joined before a process exits; this one is not.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OneThread(Executor):
    """Does jobs one after the other, in their order."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        for job in iter(self._jobs.get, None):
            job()
            del job  # what it was to write is not kept until the next one comes

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a call done when it is its turn."""
        done: Future[T] = Future()

        def job() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
                done.set_exception(error)
            else:
                done.set_result(result)

        self._jobs.put(job)
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as Executor has it
        """End after the jobs that were submitted."""
        self._jobs.put(None)
        if wait:
            self._thread.join()
