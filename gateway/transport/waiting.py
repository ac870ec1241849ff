"""Waiting for an event, but not for ever; running out of time is an answer here, not an error."""

import asyncio


async def set_within(event: asyncio.Event, limit_s: float) -> bool:
    """Return once the event is set, at the latest after `limit_s`; whether it is set."""
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
