"""What an agent's own objects take, found by following all that it refers to.

Followed are its tasks and what they wait on, its closures and bound methods. Not followed is what
is not its own: modules, classes, the event loop, and the simulator around it.
"""

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextvars import Context
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any, Final

from gateway.app import Agent

_FOREIGN: Final = ("gateway.sim", "tests", "logging", "_pytest", "random")
_NOT_FOLLOWED: Final = (
    type,
    ModuleType,
    CodeType,
    BuiltinFunctionType,
    TracebackType,
    Context,
    asyncio.AbstractEventLoop,
)


def belongings(agent: Agent, *more: object) -> Counter[str]:
    """Return bytes by the name of the type, of the agent, its tasks and `more`."""
    gc.collect()
    current = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not current]
    found: Counter[str] = Counter()
    for one in _reachable([agent, *tasks, *more]):
        found[f"{type(one).__module__}.{type(one).__qualname__}"] += sys.getsizeof(one)
    return found


def grown(before: Counter[str], after: Counter[str], most: int = 8) -> str:
    """Say of which types there is more now."""
    more = after - before
    return ", ".join(f"{name} +{size:,d}" for name, size in more.most_common(most))


def _reachable(roots: Iterable[object]) -> Iterator[object]:
    seen = set[int]()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in seen or _is_foreign(one):
            continue
        seen.add(id(one))
        yield one
        waiting += _referents(one)


def _referents(one: object) -> Iterable[Any]:
    if isinstance(one, FunctionType):  # its globals are its module's
        return one.__closure__ or ()
    if isinstance(one, MethodType):
        return (one.__self__,)
    return gc.get_referents(one)


def _is_foreign(one: object) -> bool:
    if isinstance(one, _NOT_FOLLOWED):
        return True
    return str(type(one).__module__).startswith(_FOREIGN)
