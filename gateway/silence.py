"""Which sensors have fallen silent, and which are back: times in, changes out.

A sensor is silent after three of its expected intervals without a frame, ten minutes at least, of
*listening* time: time in which a transport that could hear it was up. So a gateway that was deaf,
down or not started accuses nobody. All times are boot time in nanoseconds.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Final

import msgspec

from gateway.model import TransportState

INTERVALS: Final = 3
LEAST_NS: Final = 600_000_000_000
TICK_NS: Final = 10_000_000_000  # how often `Silence.tick` is called
# An agent that was held up for longer than that (a suspended machine) heard nothing meanwhile.
_LONGEST_TICK_NS: Final = 2 * TICK_NS

Way = str  # by which frames come, in the words of whoever says who hears whom


class Sensor(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor that should be heard every `interval_ns`."""

    address: str
    device: str
    way: Way
    interval_ns: int


class Hearing(msgspec.Struct, frozen=True):
    """What a transport hears, its state, and since when."""

    way: Way
    state: TransportState
    since_ns: int


class Change(msgspec.Struct, frozen=True):
    """A sensor fell silent, or is back; `gap_ns` without a frame, as far as this run knows."""

    device: str
    silent: bool
    gap_ns: int


class _Record:
    """What is known of one sensor. `listened_ns`: when heard last, in listening time."""

    __slots__ = ("heard_ns", "limit_ns", "listened_ns", "sensor", "silent")

    def __init__(self, sensor: Sensor, now_ns: int, *, silent: bool) -> None:
        self.sensor = sensor
        self.limit_ns = max(LEAST_NS, INTERVALS * sensor.interval_ns)
        self.heard_ns = now_ns
        self.listened_ns = 0
        self.silent = silent


class Silence:
    """The sensors that are expected, judged at each tick.

    `silent` are the devices that an earlier run has called silent: they are not called so again.
    """

    def __init__(self, sensors: Iterable[Sensor], silent: Collection[str], now_ns: int) -> None:
        self._records = [_Record(s, now_ns, silent=s.device in silent) for s in sensors]
        self._listened_ns = Counter[Way]()
        self._tick_ns = now_ns

    @property
    def silent(self) -> list[str]:
        """The devices that are silent."""
        return [record.sensor.device for record in self._records if record.silent]

    def tick(
        self,
        now_ns: int,
        transports: Iterable[Hearing],
        last_heard: Callable[[str], int | None],
    ) -> list[Change]:
        """Return what has changed. `last_heard` says when an address was heard in this run."""
        self._listen(now_ns, transports)
        judged = [self._judge(record, now_ns, last_heard) for record in self._records]
        return [change for change in judged if change is not None]

    def _listen(self, now_ns: int, transports: Iterable[Hearing]) -> None:
        """Count the time since the last tick as listened to, where somebody did."""
        since_ns = max(self._tick_ns, now_ns - _LONGEST_TICK_NS)
        self._tick_ns = now_ns
        up_since: dict[Way, int] = {}
        for transport in transports:
            if transport.state is TransportState.UP:
                way = transport.way
                up_since[way] = min(transport.since_ns, up_since.get(way, now_ns))
        for way, up_ns in up_since.items():
            self._listened_ns[way] += now_ns - max(up_ns, since_ns)

    def _judge(
        self, record: _Record, now_ns: int, last_heard: Callable[[str], int | None]
    ) -> Change | None:
        heard_ns = last_heard(record.sensor.address)
        listened_ns = self._listened_ns[record.sensor.way]
        if heard_ns is not None and heard_ns > record.heard_ns:
            gap_ns = heard_ns - record.heard_ns
            was_silent, record.silent = record.silent, False
            record.heard_ns, record.listened_ns = heard_ns, listened_ns
            return (
                Change(record.sensor.device, silent=False, gap_ns=gap_ns) if was_silent else None
            )
        if record.silent or listened_ns - record.listened_ns < record.limit_ns:
            return None
        record.silent = True
        return Change(record.sensor.device, silent=True, gap_ns=now_ns - record.heard_ns)
