"""Waiting for what has no event to offer."""

import asyncio
from collections.abc import Callable
from typing import Final

HANG_S: Final = 60.0  # a guard against hanging, no promise


async def until(
    condition: Callable[[], object], *, limit_s: float = HANG_S, poll_s: float = 0.005
) -> None:
    """Return when the condition is true; raises TimeoutError when it never is."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - that is what this is for
            await asyncio.sleep(poll_s)
