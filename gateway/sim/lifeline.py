"""Child processes that die with this one, however it dies: no orphan keeps a pipe or a port.

On Linux only (PR_SET_PDEATHSIG). The kernel means the thread that started the child: start
children from the main thread.
"""

import asyncio
import contextlib
import ctypes
import signal
import subprocess

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_KEEPER = 'read -r _; kill -KILL "-$1"'  # what it reads from ends when we do

_libc = ctypes.CDLL(None, use_errno=True)  # here, for nothing may be loaded between fork and exec


def die_with_parent() -> None:
    """Tie a new process to its parent: the `preexec_fn` of a subprocess."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def keep(group: int) -> "subprocess.Popen[bytes]":
    """Have a process group killed when this process is gone, with all that its leader started.

    `release` what is returned before the group's number may be another's.
    """
    return subprocess.Popen(  # noqa: S603 - ours
        ("/bin/sh", "-c", _KEEPER, "keeper", str(group)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C on a terminal is not meant for it
    )


def release(keeper: "subprocess.Popen[bytes]") -> None:
    """Let a keeper go, and the group it kept be."""
    with keeper:
        keeper.kill()


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
