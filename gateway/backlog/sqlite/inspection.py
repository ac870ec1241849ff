"""A store that no agent is using, read and tidied up by people. Synchronous.

It is opened as it is: nothing is migrated, salvaged or put into quarantine, which is left to the
agent's next start. What is purged is declared: it stands in a loss range like everything else
that will never come.
"""

import itertools
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gateway.backlog import DEFAULT_MAX_BYTES
from gateway.backlog.sqlite import rows as rows_
from gateway.backlog.sqlite import runs, tables
from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.backlog.sqlite.opening import CORRUPT, FILE, READY, take_lock_for_people
from gateway.backlog.sqlite.schema import unpacked
from gateway.errors import BacklogError
from gateway.model import Aside, Bundle, Kept, Loss, Moment, ObservationClass

_STEP: Final = 256  # rows of one transaction, or read at a time
_ASIDES: Final = "SELECT id, reason, boot, at_ns, wall_offset_ns, body FROM aside ORDER BY id"
_BY_STREAM: Final = "SELECT stream, klass, count(*), sum(count) FROM bundle GROUP BY stream, klass"


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds. Bytes are those of pages; aside bytes are rendered."""

    bundles: int
    observations: int
    classes: Mapping[ObservationClass, tuple[int, int]]  # bundles, observations
    streams: Mapping[str, int]  # observations
    bytes_used: int
    file_bytes: int
    oldest: Bundle | None
    newest: Bundle | None
    asides: int
    aside_bytes: int
    losses: tuple[Loss, ...]  # which the broker does not know yet
    quarantined: tuple[str, ...]  # damaged and failed files beside it
    unclean: bool  # the last run did not end orderly


class SetAside(msgspec.Struct, frozen=True):
    """A bundle the broker refused for good; `id` is what people call it by."""

    id: int
    at: Moment
    aside: Aside


class Exported(msgspec.Struct, frozen=True):
    """A bundle, and where it stands: in a row of the backlog, or aside."""

    bundle: Bundle
    row: int | None = None
    aside: SetAside | None = None


class Purged(msgspec.Struct, frozen=True):
    """How much was given up."""

    bundles: int
    observations: int


@contextmanager
def opened(directory: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Generator["Inspection"]:
    """Open the store in `directory` for people.

    Raises BacklogError when there is none, when an agent is using it, or when only an agent's
    start can make it readable.
    """
    if not any((directory / name).exists() for name in (FILE, READY)):
        cause = f"there is no store in {directory}"
        raise BacklogError(cause, "check store.path")
    database = Database(directory, Limits(max_bytes=max_bytes), connect)
    database.file.open_as_it_is(take_lock_for_people(directory))
    try:
        yield Inspection(directory, database)
    finally:
        database.file.close()


class Inspection:
    """What can be done with an open store. Every method may raise BacklogError."""

    def __init__(self, directory: Path, database: Database) -> None:
        self._directory = directory
        self._database = database
        self._file = database.file

    # ------------------------------------------------------------------------------------- reading
    def stats(self) -> Stats:
        """Count what is there, which reads all of it."""
        with self._file.reading() as connection:
            found = connection.execute(_BY_STREAM).fetchall()
            asides, aside_bytes = tables.aside_totals(connection)
            losses = tuple(tables.losses(connection))
            is_unclean = runs.is_open(connection)
        classes: dict[ObservationClass, tuple[int, int]] = {"routine": (0, 0), "event": (0, 0)}
        streams: dict[str, int] = {}
        for stream, klass, bundles, observations in found:
            before = classes[klass]
            classes[klass] = (before[0] + bundles, before[1] + observations)
            streams[stream] = streams.get(stream, 0) + observations
        return Stats(
            bundles=sum(bundles for bundles, _ in classes.values()),
            observations=sum(streams.values()),
            classes=classes,
            streams=streams,
            bytes_used=self._file.bytes_used,
            file_bytes=self._file.path.stat().st_size,
            oldest=self._end(newest=False),
            newest=self._end(newest=True),
            asides=asides,
            aside_bytes=aside_bytes,
            losses=losses,
            quarantined=tuple(sorted(map(str, self._directory.glob(f"{CORRUPT}*[0-9]")))),
            unclean=is_unclean,
        )

    def _end(self, *, newest: bool) -> Bundle | None:
        kept = self.peek(1, newest=newest)
        return kept[0].bundle if kept else None

    def peek(self, limit: int, *, newest: bool = False) -> Sequence[Kept]:
        """Return the oldest bundles that can be read, or the newest, those first."""
        with self._file.reading() as connection:
            return list(itertools.islice(_kept(connection, 0, newest=newest), limit))

    def export(self) -> Iterator[Exported]:
        """Yield every bundle that can be read: the backlog, oldest first, then what is aside."""
        start = 0
        while step := self._step(start):
            start = step[-1].row + 1
            yield from (Exported(each.bundle, row=each.row) for each in step)
        yield from (Exported(each.aside.bundle, aside=each) for each in self.asides())

    def _step(self, start: int) -> Sequence[Kept]:
        with self._file.reading() as connection:
            return list(itertools.islice(_kept(connection, start), _STEP))

    def asides(self) -> Sequence[SetAside]:
        """Return what is set aside and can be read, oldest first: 16 MB rendered at most."""
        with self._file.reading() as connection:
            return [
                SetAside(id_, Moment(boot, at_ns, offset_ns), Aside(bundle, reason))
                for id_, reason, boot, at_ns, offset_ns, body in connection.execute(_ASIDES)
                if (bundle := unpacked(body)) is not None
            ]

    # ------------------------------------------------------------------------------------- tidying
    def purge(
        self,
        at: Moment,
        *,
        klass: ObservationClass | None = None,
        stream: str | None = None,
    ) -> Purged:
        """Delete the bundles of a class, of a stream, or all; their numbers are declared lost."""
        with self._file.reading() as connection:
            wanted = [
                head.row
                for head in rows_.heads(connection, 0, rows_.NOWHERE)
                if klass in (None, head.klass) and stream in (None, head.stream)
            ]
        bundles = observations = 0
        for first in range(0, len(wanted), _STEP):
            gone = self._database.drop(wanted[first : first + _STEP], "purged", at)
            bundles += len(gone)
            observations += sum(row.count for row in gone)
        return Purged(bundles, observations)

    def requeue(self, ids: Sequence[int]) -> int:
        """Put bundles from aside at the end of the backlog; how many were there and readable."""
        wanted = set(ids)
        again = [each for each in self.asides() if each.id in wanted]
        for each in again:
            self._database.requeue(each.id, each.aside.bundle)
        return len(again)

    def drop_asides(self, ids: Sequence[int], at: Moment) -> int:
        """Delete what was set aside, and declare its numbers lost; how many there were."""
        return len(self._database.drop_asides(ids, at))


def _kept(connection: sqlite3.Connection, start: int, *, newest: bool = False) -> Generator[Kept]:
    with closing(rows_.heads(connection, start, rows_.NOWHERE, newest=newest)) as heads:
        for head in heads:
            bundle = rows_.bundle(connection, head)
            if bundle is not None:
                yield Kept(head.row, bundle)
