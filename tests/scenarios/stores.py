"""Stores that an earlier run has left, made offline by the agent's own store.

What stands in them is large and does not compress, so that a store is full after some hundred
rows. Nobody on this stage has said it: it is judged by its numbers.
"""

import base64
import random
import time
from pathlib import Path
from typing import Final

from gateway import assembly
from gateway.backlog.sqlite import SqliteBacklog
from gateway.backlog.sqlite.schema import PAGE_BYTES
from gateway.bundle import HEADROOM_BYTES, pack, weight
from gateway.model import Bundle, Entry, Link, Observation, ObservationClass, Stream
from tests.scenarios.agents import boot_ns

STORE_BYTES: Final = 8_000_000  # the least that may be configured
_PER_BUNDLE: Final = 10
_TEXT_BYTES: Final = 1000
_BOOT: Final = "b0075eed-0000-4000-8000-00000000000f"
_chance: Final = random.Random(3)  # noqa: S311 - repeatable, not secret


async def fill(store: Path, up_to: int, klass: ObservationClass = "routine") -> Stream:
    """Fill a store up to so many bytes, short of a page; the stream of what was put there.

    The run that did it has ended clean. Nobody may use the store meanwhile.
    """
    backlog = SqliteBacklog(store, max_bytes=STORE_BYTES)
    streams = assembly.mint_streams()
    await backlog.open(streams)
    stream = next(each for each in streams if each.klass == klass)
    while up_to - backlog.bytes_used > PAGE_BYTES:
        fits = up_to - backlog.bytes_used > _PER_BUNDLE * 2 * _TEXT_BYTES
        await backlog.append([_bundle(stream, _PER_BUNDLE if fits else 1)], {})
    await backlog.close(streams, {})
    return stream


def _bundle(stream: Stream, count: int) -> Bundle:
    heard_at_ns = boot_ns()
    first_seq = stream.next_seq
    entries = tuple(_entry(stream, heard_at_ns) for _ in range(count))
    return Bundle(
        stream=stream.id,
        klass=stream.klass,
        first_seq=first_seq,
        boot=_BOOT,
        wall_offset_ns=time.time_ns() - heard_at_ns,
        quality="exact",
        entries=entries,
        size=HEADROOM_BYTES + sum(map(weight, entries)),
    )


def _entry(stream: Stream, heard_at_ns: int) -> Entry:
    text = base64.b64encode(_chance.randbytes(_TEXT_BYTES * 3 // 4)).decode()
    observation = Observation(
        klass=stream.klass,
        stream=stream.id,
        seq=stream.take(),
        device="urn:dev:mac:a4c138fffe00ffff",
        heard_at_ns=heard_at_ns,
        results=(("text", text, 0, "", "", ()),),
        link=Link(medium="ble", rssi_dbm=-70),
    )
    return pack(observation)
