"""The radios that a command listens with, and what to say when none of them can be used."""

import asyncio
import signal

from gateway.errors import TransportError
from gateway.health import Health
from gateway.model import TransportState


def complain(health: Health) -> None:
    """Raise TransportError when no radio could be used; with the cause of each."""
    radios = list(health.transports.values())
    if all(radio.state is TransportState.DOWN for radio in radios):
        causes = "; ".join(f"{radio.name}: {radio.cause}" for radio in radios)
        cause = f"no radio can be used: {causes}"
        raise TransportError(cause, "ugw check tries each and says more")


def deaf(health: Health) -> list[str]:
    """Return what each radio that cannot be used suffers from."""
    radios = health.transports.values()
    return [
        f"{radio.name} heard nothing in the end: {radio.cause}"
        for radio in radios
        if radio.state is TransportState.DOWN
    ]


def stop_signals(limit_s: float | None = None) -> asyncio.Event:
    """Return what is set by SIGINT, by SIGTERM, and after the limit."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if limit_s is not None:
        loop.call_later(limit_s, stop.set)
    return stop
