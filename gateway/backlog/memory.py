"""The backlog in memory: nothing outlives the process, everything else is as the protocol says.

It is the model the SQLite one is tested against, so it is written to be believed at a glance:
most answers are worked out anew from the rows. What a disk would hold is a `Medium`; to play a
restart, open a second backlog on the same one.
"""

import heapq
from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec

from gateway.backlog import (
    DEFAULT_MAX_BYTES,
    MAX_DROP_BYTES,
    MOST_PREVIOUS,
    SESSIONS_PER_RESERVATION,
    max_aside_bytes,
    ranges,
    require_rememberable,
)
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import (
    Aside,
    Bundle,
    Kept,
    Loss,
    Moment,
    ObservationClass,
    PreviousStream,
    Recovery,
    Row,
    Stream,
)


class StreamRecord(msgspec.Struct):
    """A stream as the medium knows it; `next_seq` is None from its start to its judged end."""

    klass: ObservationClass
    run: int
    clean: bool = False
    next_seq: int | None = None
    kept_seq: int = 0  # one past the highest number that was ever kept


class Medium(msgspec.Struct):
    """What survives a restart."""

    rows: dict[int, Bundle] = msgspec.field(default_factory=dict[int, Bundle])
    streams: dict[str, StreamRecord] = msgspec.field(default_factory=dict[str, StreamRecord])
    counters: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    losses: list[Loss] = msgspec.field(default_factory=list[Loss])
    asides: list[Aside] = msgspec.field(default_factory=list[Aside])
    memories: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    damaged: set[int] = msgspec.field(default_factory=set[int])  # rows that cannot be read
    next_row: int = 1
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
        self._found_damaged: list[Row] = []
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
    def max_bytes(self) -> int:
        """The most rendered bytes it may keep."""
        return self._max_bytes

    @property
    def unleased(self) -> int:
        """Rows that `lease` could hand out."""
        return len(self._free)

    @property
    def asides(self) -> int:
        """Bundles set aside."""
        return len(self._medium.asides)

    @property
    def aside_bytes(self) -> int:
        """Rendered bytes of what is set aside."""
        return sum(aside.bundle.size for aside in self._medium.asides)

    @property
    def quarantined(self) -> str:
        """Memory has no file that could be damaged."""
        return ""

    @property
    def is_whole(self) -> bool:
        """Memory has no file that could be damaged."""
        return True

    @property
    def leased(self) -> Container[int]:
        """Rows that somebody holds."""
        return self._leased

    # -------------------------------------------------------------------------------- a run's rim
    async def open(self, streams: Sequence[Stream]) -> Recovery:
        """Record the streams of this run, say what was there."""
        earlier = self._medium.streams
        last_run = max((record.run for record in earlier.values()), default=0)
        found = [(record.run, self._judged(id_)) for id_, record in earlier.items()]
        # Runs that kept nothing are forgotten first, all but the last.
        lasting = {last_run, *(run for run, previous in found if previous.next_seq)}
        by_worth = sorted(found, key=lambda each: (each[0] in lasting, each[0], each[1].id))
        for _, previous in by_worth[:-MOST_PREVIOUS]:
            del earlier[previous.id]
        by_run = sorted(by_worth[-MOST_PREVIOUS:], key=lambda each: (each[0], each[1].id))
        recovery = Recovery(
            bundles=self.bundles,
            observations=self.observations,
            session=self._medium.session,
            previous=tuple(previous for _, previous in by_run),
            counters=dict(self._medium.counters),
            unclean=any(not r.clean for r in earlier.values() if r.run == last_run),
            losses=tuple(self._medium.losses),
            memories=dict(self._medium.memories),
        )
        self._run = last_run + 1
        for stream in streams:
            earlier[stream.id] = StreamRecord(klass=stream.klass, run=self._run)
        self._free = sorted(self._medium.rows)
        self._is_open = True
        await self.reserve_sessions()
        return recovery

    def _judged(self, stream: str) -> PreviousStream:
        record = self._medium.streams[stream]
        if record.next_seq is None:
            record.next_seq = record.kept_seq
        return PreviousStream(
            id=stream, klass=record.klass, clean=record.clean, next_seq=record.next_seq
        )

    async def reserve_sessions(self, least: int = 0) -> int:
        """Reserve the next block of session numbers; the first that is free, from `least` on."""
        self._require_open()
        first = max(least, self._medium.session)
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
        rows = range(self._medium.next_row, self._medium.next_row + len(bundles))
        self._medium.next_row = rows.stop
        self._medium.rows.update(zip(rows, bundles, strict=True))
        self._medium.size = size
        self._medium.counters.update(counters)
        self._leased.update(rows)
        for bundle in bundles:
            record = self._medium.streams.get(bundle.stream)
            if record is not None:
                record.kept_seq = max(record.kept_seq, bundle.first_seq + len(bundle.entries))
        return tuple(rows)

    async def lease(self, limit: int) -> Sequence[Kept]:
        """Hand out up to `limit` rows, oldest first."""
        self._require_open()
        kept: list[Kept] = []
        while self._free and len(kept) < limit:
            row = heapq.heappop(self._free)
            self._leased.add(row)
            if row in self._medium.damaged:
                self._found_damaged.append(_head(row, self._medium.rows[row]))
            else:
                kept.append(Kept(row, self._medium.rows[row]))
        return tuple(kept)

    def damaged(self) -> Sequence[Row]:
        """Return the damaged rows that `lease` has met since the last call."""
        found, self._found_damaged = self._found_damaged, []
        return tuple(found)

    def release(self, rows: Sequence[int]) -> None:
        """Give leased rows back; rows that are not leased are left alone."""
        for row in self._leased.intersection(rows):
            self._leased.remove(row)
            heapq.heappush(self._free, row)

    async def settle(self, rows: Sequence[int]) -> None:
        """Delete acknowledged rows; rows that are not leased are left alone."""
        self._require_open()
        self._take_out(self._leased.intersection(rows))

    def _take_out(self, rows: Iterable[int]) -> Sequence[Row]:
        there = sorted(self._medium.rows.keys() & set(rows))
        heads = tuple(_head(row, self._medium.rows[row]) for row in there)
        for row in there:
            self._medium.size -= self._medium.rows.pop(row).size
        unheld = set(there) - self._leased  # few: what is settled is leased
        self._leased.difference_update(there)
        if unheld:
            self._free = sorted(set(self._free) - unheld)
        return heads

    # ------------------------------------------------------------------------- dropped and aside
    async def drop(self, rows: Sequence[int], reason: str, at: Moment) -> Sequence[Row]:
        """Delete rows, leased or not, and note their numbers as lost; those that were there."""
        self._require_open()
        heads = self._take_out(rows)
        self._note([ranges.of_row(head, reason, at) for head in heads])
        return heads

    async def drop_oldest(
        self, klass: ObservationClass, min_bytes: int, at: Moment
    ) -> Sequence[Row]:
        """Drop the oldest rows of a class until there is room for `min_bytes`."""
        self._require_open()
        wanted = min(min_bytes - (self._max_bytes - self._medium.size), MAX_DROP_BYTES)
        ours = [row for row, bundle in self._medium.rows.items() if bundle.klass == klass]
        ours.sort(key=lambda row: (row in self._leased, row))
        chosen: list[int] = []
        while ours and wanted > 0:
            chosen.append(ours.pop(0))
            wanted -= self._medium.rows[chosen[-1]].size
        return await self.drop(chosen, "full", at)

    async def set_aside(self, asides: Sequence[Aside], at: Moment) -> Sequence[Loss]:
        """Put bundles aside and delete their rows; the losses of what had to be given up."""
        self._require_open()
        self._take_out([aside.row for aside in asides if aside.row is not None])
        self._medium.asides += asides
        given_up: list[Loss] = []
        while self.aside_bytes > max_aside_bytes(self._max_bytes):
            bundle = self._medium.asides.pop(0).bundle
            given_up.append(ranges.of_row(_head(0, bundle), "aside", at))
        self._note(given_up)
        return tuple(given_up)

    async def declare(self, losses: Sequence[Loss]) -> None:
        """Note losses of what was never kept."""
        self._require_open()
        self._note(losses)

    async def losses(self) -> Sequence[Loss]:
        """Return the loss ranges that were not forgotten, oldest first."""
        self._require_open()
        return tuple(self._medium.losses)

    async def forget_losses(self, losses: Sequence[Loss]) -> None:
        """Delete those ranges that are still exactly so."""
        self._require_open()
        self._medium.losses = [loss for loss in self._medium.losses if loss not in losses]

    def _note(self, losses: Sequence[Loss]) -> None:
        noted = ranges.added(self._medium.losses, ranges.joined(losses))
        self._medium.losses = ranges.bounded(noted)

    # --------------------------------------------------------------------------------------- more
    async def remember(self, key: str, value: str) -> None:
        """Keep a word for the runs to come, or forget it when it is empty."""
        self._require_open()
        require_rememberable(key, value)
        self._medium.memories[key] = value
        if not value:
            del self._medium.memories[key]

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        """Keep replay counters."""
        self._require_open()
        self._medium.counters.update(counters)

    async def oldest(self) -> Bundle | None:
        """Return the oldest bundle kept."""
        self._require_open()
        rows, damaged = self._medium.rows, self._medium.damaged  # rows stand in their order
        return next((bundle for row, bundle in rows.items() if row not in damaged), None)

    async def first_unsettled(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream of this run."""
        self._require_open()
        return min((b.first_seq for b in self._rows_of(stream).values()), default=None)

    def _rows_of(self, stream: str) -> dict[int, Bundle]:
        rows = self._medium.rows
        return {row: bundle for row, bundle in rows.items() if bundle.stream == stream}


def _head(row: int, bundle: Bundle) -> Row:
    return Row(row, bundle.stream, bundle.klass, bundle.first_seq, len(bundle.entries))
