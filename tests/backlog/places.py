"""Places to keep a backlog, each restartable and killable, and bundles to put there.

A place outlives the backlogs opened on it, as a card outlives processes.
"""

import copy
import itertools
import random
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from gateway.backlog import DEFAULT_MAX_BYTES
from gateway.backlog.memory import Medium, MemoryBacklog
from gateway.backlog.sqlite import SqliteBacklog
from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.opening import FILE
from gateway.model import Bundle, Entry, Moment, Stream

BOOT = "b0075eed-0000-4000-8000-000000000001"
NS = 1_000_000_000
AT = Moment(BOOT, 5000 * NS, 1_795_315_200 * NS)

Store = MemoryBacklog | SqliteBacklog


class Place(Protocol):
    """Where a backlog keeps its rows."""

    def backlog(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Store:
        """Return the backlog of a new process."""
        ...

    def damage(self, row: int) -> None:
        """Make the body of a row unreadable, while no backlog is open."""
        ...

    def as_killed(self) -> "Place":
        """Return the place as it would be found had every process on it been killed now."""
        ...


class MemoryPlace:
    """A medium in memory."""

    def __init__(self, medium: Medium | None = None) -> None:
        self.medium = Medium() if medium is None else medium

    def backlog(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Store:
        return MemoryBacklog(max_bytes=max_bytes, medium=self.medium)

    def damage(self, row: int) -> None:
        self.medium.damaged.add(row)

    def as_killed(self) -> "MemoryPlace":
        return MemoryPlace(copy.deepcopy(self.medium))


class SqlitePlace:
    """A directory; its life after a kill goes on in a copy of it."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._number = itertools.count()
        self.directory = parent / f"store-{next(self._number)}"

    def backlog(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Store:
        return SqliteBacklog(self.directory, max_bytes=max_bytes)

    def damage(self, row: int) -> None:
        with closing(connect(self.directory / FILE)) as medium:
            medium.execute("UPDATE bundle SET body = x'00' WHERE id = ?", (row,))

    def as_killed(self) -> "SqlitePlace":
        after = SqlitePlace(self._parent)
        after._number = self._number
        after.directory = self._parent / f"store-{next(self._number)}"
        shutil.copytree(self.directory, after.directory)
        return after


def run_streams(run: str) -> tuple[Stream, Stream]:
    """Return the two streams of a run."""
    return Stream(f"{run}-ROUTINE", "routine"), Stream(f"{run}-EVENT", "event")


def bundle(stream: Stream, count: int = 1, *, first_seq: int | None = None) -> Bundle:
    """Return the next `count` observations of a stream (or those from `first_seq` on)."""
    if first_seq is None:
        first_seq = stream.next_seq
        stream.next_seq += count
    entries = tuple(_entry(stream, first_seq + i) for i in range(count))
    size = 512 + sum(len(entry.head) + len(entry.tail) + 128 for entry in entries)
    return Bundle(
        stream=stream.id,
        klass=stream.klass,
        first_seq=first_seq,
        boot=BOOT,
        wall_offset_ns=1_795_315_200 * NS,
        quality="exact",
        entries=entries,
        size=size,
    )


def _entry(stream: Stream, seq: int) -> Entry:
    chance = random.Random(f"{stream.id}{seq}")  # noqa: S311 - repeatable, not secret
    device = chance.randrange(20)
    head = f'{{"seq":{seq},"device":"urn:dev:mac:a4c138fffe1b2c{device:02x}",'
    temperature, humidity = chance.randrange(1500, 2500), chance.randrange(300, 800)
    pressure, rssi = chance.randrange(98_000, 103_000), chance.randrange(40, 95)
    tail = (
        f'"results":[{{"observedProperty":"air_temperature","result":{temperature / 100},'
        f'"unit":"Cel"}},{{"observedProperty":"relative_humidity","result":{humidity / 10},'
        f'"unit":"%"}},{{"observedProperty":"air_pressure","result":{pressure / 100},'
        f'"unit":"hPa"}}],"link":{{"medium":"ble","rssi":-{rssi}}}}}'
    )
    return Entry((1000 + seq) * NS + chance.randrange(NS), head, tail)


def payload_bytes(bundles: Sequence[Bundle]) -> int:
    """Return the bytes of what is kept, rendered; times and the message's head not counted."""
    return sum(len(e.head) + len(e.tail) for each in bundles for e in each.entries)
