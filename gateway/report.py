"""What status tells, gathered from where it is known (docs/reference/schema.md, The status)."""

from collections.abc import Sequence

from gateway.backlog.contract import Backlog
from gateway.clock import Clock, ClockState
from gateway.delivery import Delivery
from gateway.health import Health
from gateway.model import Bundle, Recovery, Stream
from gateway.uplink import status

_NS_PER_S = 1_000_000_000


class Reporter:
    """Makes the StatusReport of a moment."""

    def __init__(
        self,
        delivery: Delivery,
        *,
        health: Health,
        backlog: Backlog,
        streams: Sequence[Stream],
        recovery: Recovery,
    ) -> None:
        self._delivery = delivery
        self._health = health
        self._backlog = backlog
        self._streams = streams
        self._previous = recovery.previous

    def __call__(self) -> status.StatusReport:
        """Return the report of now."""
        clock = self._health.clock
        return status.StatusReport(
            boot=clock.boot_id,
            boot_ns=clock.boot_ns(),
            wall_ns=clock.wall_ns(),
            clock=clock.reading(),
            clock_source=clock.source,
            streams=tuple(self._stream(stream) for stream in self._streams),
            previous=self._previous,
            dropped=tuple(self._delivery.losses),
            level=self._health.level,
            store_state=self._delivery.keeper.state,
            backlog=status.BacklogStatus(
                bundles=self._backlog.bundles,
                observations=self._delivery.in_backlog(),
                bytes_used=self._backlog.bytes_used,
                oldest_age_s=age_s(self._delivery.keeper.oldest, clock),
            ),
            set_aside=status.SetAsideStatus(
                bundles=self._backlog.asides, bytes_used=self._backlog.aside_bytes
            ),
            transports=status.transports(self._health),
            counters=status.counters(self._health),
        )

    def _stream(self, stream: Stream) -> status.StreamStatus:
        return status.StreamStatus(
            id=stream.id,
            klass=stream.klass,
            next_seq=stream.next_seq,
            settled_below=self._delivery.settled_below(stream),
        )


def age_s(bundle: Bundle | None, clock: Clock) -> int | None:
    """Return how long ago a bundle's oldest observation was heard, None if nobody can know."""
    if bundle is None:
        return None
    heard_ns = min(entry.heard_at_ns for entry in bundle.entries)
    if bundle.boot == clock.boot_id:
        return (clock.boot_ns() - heard_ns) // _NS_PER_S
    if bundle.wall_offset_ns is None or clock.reading().state is ClockState.UNSYNCED:
        return None
    return max(0, clock.wall_ns() - heard_ns - bundle.wall_offset_ns) // _NS_PER_S
