"""The worker: vendors' JavaScript, in a process that can do nothing but compute.

It is started by its path and imports nothing of ours. Before it looks at a codec it has given up
what a process can give up: it opens no file and no socket, starts no process, leaves no core, has
an empty environment and little memory, and dies with the agent. What remains is a pipe in and a
pipe out, each message a length (4 bytes, big-endian) and JSON.

    in   {"codec": id, "source": text or null, "input": {bytes, fPort, recvTime, variables}}
    out  {"output": what the codec's call returned, as JSON text}
         {"limit": which of its limits it met}
         {"error": why it cannot be used at all}
         {"wanted": true}: there is no such codec here (any more), send its source along

Each codec has a context of its own: an own engine with an own heap, so that what one does to the
language's prototypes another never sees. A codec that met a limit finds a new one next time.
"""

import contextlib
import ctypes
import json
import math
import os
import resource
import signal
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Final

import quickjs  # pyright: ignore[reportMissingTypeStubs]

HARNESS: Final = Path(__file__).with_name("harness.js")
MEMORY_BYTES: Final = 16 << 20  # of one codec while it runs; the largest published ones take 1 MB
RESTING_BYTES: Final = 2 << 20  # of one codec between two calls
STACK_BYTES: Final = 256 << 10
CALL_S: Final = 0.2  # of processor time; published codecs take less than a thousandth
LOAD_S: Final = 1.0  # the same, to read a codec's source
OUTPUT_CHARS: Final = 64_000
CONTEXTS: Final = 8  # codecs kept ready; beyond, the one not used for longest is read anew
# All contexts at rest and one that runs, and what the allocator loses between them.
ADDRESS_SPACE_BYTES: Final = CONTEXTS * RESTING_BYTES + MEMORY_BYTES + (16 << 20)
CPU_S: Final = 2  # of one request, for what the engine's own limit does not see

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS: Final = 38
_MET: Final = (
    "InternalError: interrupted",
    "InternalError: out of memory",
    "InternalError: string too long",
    "RangeError: Maximum call stack size exceeded",
)

_ENGINE: Any = quickjs  # compiled: it has no types to tell

Reply = dict[str, object]


class LimitError(Exception):
    """A codec met one of its limits; which one."""


class Codec:
    """One codec in its own context. Raises LimitError, and whatever the engine raises."""

    def __init__(self, harness: str, source: str) -> None:
        self._context = _ENGINE.Context()
        self._context.set_memory_limit(MEMORY_BYTES)
        self._context.set_max_stack_size(STACK_BYTES)
        self._context.set_time_limit(LOAD_S)
        self._call: Any = self._context.eval(harness)
        self._context.eval(source)
        self._context.set_time_limit(CALL_S)

    def __call__(self, request: str) -> str:
        """Run it once; return what it said, as JSON text."""
        output = self._call(request)
        if not isinstance(output, str):  # it has broken its own JSON.stringify
            message = "nothing came back"
            raise LimitError(message)
        if len(output) > OUTPUT_CHARS:
            message = f"more than {OUTPUT_CHARS} characters came back"
            raise LimitError(message)
        return output

    @property
    def hoards(self) -> bool:
        """Whether it keeps more memory than a codec has any use for between two calls."""
        return int(self._context.memory()["malloc_size"]) > RESTING_BYTES


class Bench:
    """The codecs that are ready, a bounded number of them."""

    def __init__(self) -> None:
        self._harness = HARNESS.read_text(encoding="utf-8")
        self._ready: OrderedDict[str, Codec] = OrderedDict()

    def serve(self, request: dict[str, Any]) -> Reply:
        """Answer one request. What a codec does to itself is an answer too."""
        name, source = request["codec"], request["source"]
        if name not in self._ready and source is None:
            return {"wanted": True}
        try:
            output = self._codec(name, source)(json.dumps(request["input"]))
        except LimitError as limit:
            return self._dropped(name, {"limit": str(limit)})
        except (_ENGINE.JSException, UnicodeError, MemoryError) as error:
            return self._dropped(name, _told(error))
        if any(met in output[:300] for met in _MET):  # caught on the way, and it may be in pieces
            return self._dropped(name, {"limit": output[:300]})
        if self._ready[name].hoards:
            del self._ready[name]
        return {"output": output}

    def _codec(self, name: str, source: str | None) -> Codec:
        if name not in self._ready and source is not None:
            while len(self._ready) >= CONTEXTS:
                self._ready.popitem(last=False)
            self._ready[name] = Codec(self._harness, source)
        self._ready.move_to_end(name)
        return self._ready[name]

    def _dropped(self, name: str, reply: Reply) -> Reply:
        self._ready.pop(name, None)
        return reply


def _told(error: BaseException) -> Reply:
    text = str(error).split("\n", 1)[0][:300] or type(error).__name__
    # Out of memory, the engine sometimes has none left for an error either, and throws null.
    is_limit = isinstance(error, MemoryError) or text.startswith(_MET) or text == "null"
    return {"limit" if is_limit else "error": text}


# ------------------------------------------------------------------------------------- confinement
def confine() -> None:
    """Give up what this process has no use for. Raises OSError, ValueError where it cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option in ((_PR_SET_PDEATHSIG, signal.SIGKILL, 0), (_PR_SET_NO_NEW_PRIVS, 1, 0)):
        if libc.prctl(*option, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    with contextlib.suppress(OSError):  # the first to go when memory is short, if we may say so
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    space = pages * resource.getpagesize() + ADDRESS_SPACE_BYTES
    for what, limit in (
        (resource.RLIMIT_AS, space),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        _, highest = resource.getrlimit(what)
        lower = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        resource.setrlimit(what, (lower, lower))


def _allow_cpu() -> None:
    """Let the next request take CPU_S, and not more: then the kernel ends this process."""
    until = math.ceil(time.process_time()) + CPU_S
    _, highest = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (until, highest))


# ---------------------------------------------------------------------------------------- the pipe
def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the agent closes its end."""
    bench = Bench()
    try:
        confine()
    except (OSError, ValueError) as error:
        _write(replies, {"error": f"it cannot be confined: {error}"})
        return
    _write(replies, {"ready": os.getpid()})
    while len(head := requests.read(4)) == 4:  # noqa: PLR2004 - the length's own
        _allow_cpu()
        request = json.loads(requests.read(int.from_bytes(head, "big")))
        _write(replies, bench.serve(request))


def _write(replies: BinaryIO, reply: Reply) -> None:
    body = json.dumps(reply, ensure_ascii=False).encode(errors="replace")
    replies.write(len(body).to_bytes(4, "big") + body)
    replies.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
