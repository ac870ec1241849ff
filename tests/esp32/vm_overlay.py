"""On MicroPython: overlays come and go, and the memory they took comes back."""

import asyncio
import gc
import sys

from gateway.esp32 import overlay


def loaded():
    return "gateway.esp32.sample" in sys.modules or hasattr(sys.modules["gateway.esp32"], "sample")


def raises(error, function, *args):
    try:
        function(*args)
    except error:
        return True
    return False


def allocated():
    gc.collect()
    return gc.mem_alloc()


def memory_comes_back(once):
    taken = []
    for turn in range(102):
        once()
        amount = allocated()  # always here: the collector looks through the stack too
        if turn in (1, 101):
            taken.append(amount)
    assert taken[1] <= taken[0] + 16, taken  # the list's own second place


def fail():
    assert raises(ValueError, overlay.run, "sample", "fail")


def plain():
    assert overlay.run("sample", "plain", 20) == 41
    assert not loaded()
    fail()
    assert not loaded()
    assert raises(RuntimeError, overlay.run, "sample", "nested")
    assert not loaded()
    assert raises(ImportError, overlay.run, "nothing", "plain")
    assert raises(AttributeError, overlay.run, "sample", "nothing")
    assert not loaded()
    memory_comes_back(lambda: overlay.run("sample", "plain", 1))
    memory_comes_back(fail)


async def slow(trace, name):
    await overlay.arun("sample", "slow", trace, name)


async def tasks():
    trace = []
    await asyncio.gather(*[slow(trace, name) for name in "abc"])
    assert trace == ["+a", "-a", "+b", "-b", "+c", "-c"], trace
    assert not loaded()
    for function, error in (("fail_late", ValueError), ("nested_late", RuntimeError)):
        try:
            await overlay.arun("sample", function)
        except error:
            trace.append(function)
    assert trace[-2:] == ["fail_late", "nested_late"], trace
    assert await overlay.arun("sample", "later", 20) == 41  # the one before let go
    task = asyncio.create_task(slow(trace, "d"))
    await asyncio.sleep_ms(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        trace.append("cancelled")
    assert await overlay.arun("sample", "later", 20) == 41
    taken = []
    for turn in range(102):
        await overlay.arun("sample", "later", 1)
        amount = allocated()
        if turn in (1, 101):
            taken.append(amount)
    assert taken[1] <= taken[0] + 16, taken


plain()
asyncio.run(tasks())
print("held")
