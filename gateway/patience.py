"""How long the store is waited for at the end: one that hangs is left alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from gateway.errors import BacklogError

FINISH_S: Final = 10.0


@asynccontextmanager
async def store_in_time() -> AsyncGenerator[None, None]:
    """Leave a store alone that hangs: raises BacklogError when this takes longer than FINISH_S."""
    try:
        async with asyncio.timeout(FINISH_S):
            yield
    except TimeoutError:
        cause = f"the store did not answer within {FINISH_S:.0f} s"
        raise BacklogError(cause, "is the medium worn out, or very busy?") from None
