"""Child processes that die with this one, however it dies: no orphan keeps a pipe or a port.

On Linux only (PR_SET_PDEATHSIG). The kernel means the thread that started the child: start
children from the main thread.
"""

import asyncio
import contextlib
import ctypes
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)  # here, for nothing may be loaded between fork and exec


def die_with_parent() -> None:
    """Tie a new process to its parent: the `preexec_fn` of a subprocess."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def end(process: asyncio.subprocess.Process, *, limit_s: float) -> int:
    """Ask a process to end (SIGTERM), kill it after the limit; return its exit code."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(limit_s):
            return await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()
