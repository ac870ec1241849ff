"""The backlog in memory: nothing outlives the process, everything else is as the protocol says.

It is the model the SQLite one is tested against, so it is written to be believed at a glance:
most answers are worked out anew from the rows. What a disk would hold is a `Medium`; to play a
restart, open a second backlog on the same one.
"""

import heapq
from collections.abc import Mapping, Sequence

import msgspec

from gateway.backlog import DEFAULT_MAX_BYTES, SESSIONS_PER_RESERVATION
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import (
    Bundle,
    Kept,
    ObservationClass,
    PreviousStream,
    Recovery,
    Stream,
)


class StreamRecord(msgspec.Struct):
    """A stream as the medium knows it; `next_seq` is None from its start to its judged end."""

    klass: ObservationClass
    run: int
    clean: bool = False
    next_seq: int | None = None


class Medium(msgspec.Struct):
    """What survives a restart."""

    rows: dict[int, Bundle] = msgspec.field(default_factory=dict[int, Bundle])
    streams: dict[str, StreamRecord] = msgspec.field(default_factory=dict[str, StreamRecord])
    counters: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    session: int = 0
    size: int = 0  # rendered bytes of the rows


class MemoryBacklog:
    """Keeps bundles in a dictionary, at most `max_bytes` of rendered bytes."""

    def __init__(
        self, *, max_bytes: int = DEFAULT_MAX_BYTES, medium: Medium | None = None
    ) -> None:
        self._max_bytes = max_bytes
        self._medium = Medium() if medium is None else medium
        self._free: list[int] = []  # a heap: rows that nobody holds
        self._leased: set[int] = set()
        self._next_row = 0
        self._run = 0
        self._is_open = False

    # ---------------------------------------------------------------------------------- questions
    @property
    def bundles(self) -> int:
        """Rows kept and not settled, leased or not."""
        return len(self._medium.rows)

    @property
    def observations(self) -> int:
        """Observations in those rows."""
        return sum(len(bundle.entries) for bundle in self._medium.rows.values())

    @property
    def bytes_used(self) -> int:
        """Rendered bytes of what is kept."""
        return self._medium.size

    @property
    def unleased(self) -> int:
        """Rows that `lease` could hand out."""
        return len(self._free)

    # -------------------------------------------------------------------------------- a run's rim
    async def open(self, streams: Sequence[Stream]) -> Recovery:
        """Record the streams of this run, say what was there."""
        earlier = self._medium.streams
        last_run = max((record.run for record in earlier.values()), default=0)
        by_run = [(record.run, id_) for id_, record in earlier.items()]
        recovery = Recovery(
            bundles=self.bundles,
            observations=self.observations,
            session=self._medium.session,
            previous=tuple(self._judged(id_) for _, id_ in sorted(by_run)),
            counters=dict(self._medium.counters),
            unclean=any(not r.clean for r in earlier.values() if r.run == last_run),
        )
        self._run = last_run + 1
        for stream in streams:
            earlier[stream.id] = StreamRecord(klass=stream.klass, run=self._run)
        self._free = sorted(self._medium.rows)
        self._next_row = max(self._medium.rows, default=0) + 1
        self._is_open = True
        await self.reserve_sessions()
        return recovery

    def _judged(self, stream: str) -> PreviousStream:
        record = self._medium.streams[stream]
        if record.next_seq is None:
            record.next_seq = max((_end(b) for b in self._rows_of(stream).values()), default=0)
        return PreviousStream(
            id=stream, klass=record.klass, clean=record.clean, next_seq=record.next_seq
        )

    async def reserve_sessions(self) -> int:
        """Reserve the next block of session numbers; the first that is free."""
        self._require_open()
        first = self._medium.session
        self._medium.session = first + SESSIONS_PER_RESERVATION
        return first

    async def forget_previous(self) -> None:
        """Delete the records of earlier runs: their end has been published."""
        self._require_open()
        kept = {id_: r for id_, r in self._medium.streams.items() if r.run == self._run}
        self._medium.streams = kept

    async def close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        """Record a clean end of this run."""
        if not self._is_open:
            return
        for stream in streams:
            record = self._medium.streams[stream.id]
            record.clean, record.next_seq = True, stream.next_seq
        self._medium.counters.update(counters)
        self._is_open = False

    def _require_open(self) -> None:
        if not self._is_open:
            cause = "the backlog is not open"
            raise BacklogError(cause)

    # --------------------------------------------------------------------------------------- rows
    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        """Keep the bundles, or none of them; their rows, leased to the caller."""
        if not bundles:
            return ()
        self._require_open()
        size = self._medium.size + sum(bundle.size for bundle in bundles)
        if size > self._max_bytes:
            cause = f"the backlog has reached its {self._max_bytes} bytes"
            raise BacklogFullError(cause)
        rows = range(self._next_row, self._next_row + len(bundles))
        self._next_row = rows.stop
        self._medium.rows.update(zip(rows, bundles, strict=True))
        self._medium.size = size
        self._medium.counters.update(counters)
        self._leased.update(rows)
        return tuple(rows)

    async def lease(self, limit: int) -> Sequence[Kept]:
        """Hand out up to `limit` rows, oldest first."""
        self._require_open()
        rows = [heapq.heappop(self._free) for _ in range(min(limit, len(self._free)))]
        self._leased.update(rows)
        return tuple(Kept(row, self._medium.rows[row]) for row in rows)

    def release(self, rows: Sequence[int]) -> None:
        """Give leased rows back; rows that are not leased are left alone."""
        for row in self._leased.intersection(rows):
            self._leased.remove(row)
            heapq.heappush(self._free, row)

    async def settle(self, rows: Sequence[int]) -> None:
        """Delete acknowledged rows; rows that are not leased are left alone."""
        self._require_open()
        for row in self._leased.intersection(rows):
            self._leased.remove(row)
            self._medium.size -= self._medium.rows.pop(row).size

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        """Keep replay counters."""
        self._require_open()
        self._medium.counters.update(counters)

    async def oldest(self) -> Bundle | None:
        """Return the oldest bundle kept."""
        self._require_open()
        return self._medium.rows[min(self._medium.rows)] if self._medium.rows else None

    async def first_unsettled(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream of this run."""
        self._require_open()
        return min((b.first_seq for b in self._rows_of(stream).values()), default=None)

    def _rows_of(self, stream: str) -> dict[int, Bundle]:
        rows = self._medium.rows
        return {row: bundle for row, bundle in rows.items() if bundle.stream == stream}


def _end(bundle: Bundle) -> int:
    return bundle.first_seq + len(bundle.entries)
