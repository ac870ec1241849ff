"""What an agent runs on: its clocks, its disk, its way out, its radios, and chance.

By default it is this machine. A simulator hands in others, and the agent does not know: whatever
touches the world outside comes to it through here.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from gateway import assembly
from gateway.backlog.contract import Backlog
from gateway.backlog.sqlite import SqliteBacklog
from gateway.clock import Host
from gateway.clock_watch import News
from gateway.codecs.workshop import Hire, Worker
from gateway.config import Settings, StoreSettings
from gateway.health import Health
from gateway.hearing import Source
from gateway.model import Intake, Stream
from gateway.mqtt import Connection
from gateway.registry import Registry
from gateway.transport import ble
from gateway.uplink.link import Connect

Sources = Callable[[Settings, Registry, Intake, Health, ble.Words], Iterable[Source]]


def sqlite_store(given: StoreSettings) -> Backlog:
    """Return the store on this machine's disk; it is not open."""
    return SqliteBacklog(
        given.path,
        max_bytes=given.max_size_bytes,
        keep_free=given.keep_free_bytes,
        ballast=given.ballast_bytes,
    )


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """The rim of one agent. `host` None: the clocks of this machine."""

    host: Host | None = None
    chance: Callable[[], float] = random.random  # uniform in [0, 1)
    streams: Callable[[], list[Stream]] = assembly.mint_streams  # unique, at each start
    store: Callable[[StoreSettings], Backlog] = sqlite_store  # not open yet
    connect: Connect = Connection
    sources: Sources = assembly.sources
    hire: Hire = Worker.start  # who runs vendors' codecs
    clock_news: News | None = None  # waits for a change of `host`; None: a look each second
    look: Callable[[float], Awaitable[None]] = asyncio.sleep  # between two at certificates
