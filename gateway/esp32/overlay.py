"""Code that runs rarely, in memory only while it runs: imported, called, forgotten.

`arun` waits for its turn, so that the peak of memory is that of one overlay; `run` cannot wait,
and is for what is done in a moment. An overlay within an overlay is an error. What an overlay
imports stays in memory: it imports what is there anyway.
"""

import asyncio
import gc
import sys

_inside: list[object] = []  # the task that is within a coroutine's; True within a plain one's
_TURN_MS = 50


def run(name: str, function: str, *args: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Call a plain function of gateway.esp32.<name>."""
    if True in _inside:
        raise RuntimeError(name)
    _inside.append(True)
    path = "gateway.esp32." + name
    try:
        __import__(path)
        return getattr(sys.modules[path], function)(*args)
    finally:
        _inside.remove(True)
        if sys.modules.pop(path, None):
            delattr(sys.modules["gateway.esp32"], name)
        gc.collect()


async def arun(name: str, function: str, *args: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Await a coroutine function of gateway.esp32.<name>, once no other task is within one."""
    task = asyncio.current_task()
    if task in _inside:
        raise RuntimeError(name)
    while _inside:
        await asyncio.sleep_ms(_TURN_MS)
    _inside.append(task)
    try:  # what is called is forgotten at once, and kept by the coroutine alone
        return await run(name, function, *args)
    finally:
        _inside.remove(task)
        gc.collect()
