"""A broker that takes so many observations a second, one after the other, and notes what it took.

MQTT is that of the scripted broker: what waits for its turn is not acknowledged. Other messages
are taken at once.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.sim.broker import Answer, Publish, ScriptedBroker

_LIVE: Final = "/obs/live"
_REPLAY: Final = "/obs/replay"
_AT_ONCE: Final = Answer(hands_out=False)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Observation(msgspec.Struct, rename="camel"):
    seq: int
    phenomenon_time: datetime


class _Bundle(msgspec.Struct, rename={"klass": "class"}):
    klass: str
    observations: list[_Observation]


class Taken(msgspec.Struct):
    """What was taken since somebody last looked."""

    live: int = 0
    replay: int = 0
    live_latencies_s: list[float] = msgspec.field(default_factory=list[float])


class RationedBroker(ScriptedBroker):
    """It takes `per_s` observations a second; `wall_ns` is the time that dates them."""

    def __init__(self, per_s: float, wall_ns: Callable[[], int]) -> None:
        super().__init__()
        self._events = bytearray()  # by number: whether it came
        self._per_s = per_s
        self._wall_ns = wall_ns
        self._busy_until_s = 0.0
        self._taken = Taken()

    @property
    def events(self) -> int:
        """How many of the class event have come, each counted once."""
        return self._events.count(1)

    def look(self) -> Taken:
        """Return what was taken since the last look."""
        taken, self._taken = self._taken, Taken()
        return taken

    def answer(self, message: Publish) -> Answer:
        """Take it when what came before has been taken."""
        if not message.topic.endswith((_LIVE, _REPLAY)):
            return _AT_ONCE
        bundle = msgspec.json.decode(message.payload, type=_Bundle)
        now_s = asyncio.get_running_loop().time()
        took_s = len(bundle.observations) / self._per_s
        self._busy_until_s = max(now_s, self._busy_until_s) + took_s
        wait_s = self._busy_until_s - now_s
        self._note(bundle, wait_s, live=message.topic.endswith(_LIVE))
        return Answer(after_s=wait_s, hands_out=False)

    def _note(self, bundle: _Bundle, wait_s: float, *, live: bool) -> None:
        if bundle.klass == "event":
            last = bundle.observations[-1].seq
            self._events.extend(bytes(max(0, last + 1 - len(self._events))))
            for each in bundle.observations:
                self._events[each.seq] = 1
        if not live:
            self._taken.replay += len(bundle.observations)
            return
        self._taken.live += len(bundle.observations)
        then_s = self._wall_ns() / 1e9 + wait_s
        self._taken.live_latencies_s += [
            then_s - (each.phenomenon_time - _EPOCH).total_seconds()
            for each in bundle.observations
        ]
