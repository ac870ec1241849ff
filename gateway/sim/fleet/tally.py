"""What of a fleet's observations arrived: by stream and number, which is what the schema promises.

The numbers of a stream are contiguous from 0, so a run of a month needs no more memory than the
gaps there are just now. It knows nothing of the agents but the names of their gateways.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from gateway.model import Lane
from gateway.sim.fleet.histogram import Histogram


class Numbers:
    """A set of numbers that grows mostly at its end."""

    def __init__(self) -> None:
        self._below = 0  # all below are in it
        self._beyond: set[int] = set()

    def add(self, number: int) -> bool:
        """Put a number in; whether it was not there."""
        if number < self._below or number in self._beyond:
            return False
        self._beyond.add(number)
        while self._below in self._beyond:
            self._beyond.remove(self._below)
            self._below += 1
        return True

    def __len__(self) -> int:
        return self._below + len(self._beyond)

    def missing_below(self, end: int) -> int:
        """Return how many numbers below `end` are not in it."""
        return max(0, end - self._below) - sum(number < end for number in self._beyond)

    def from_on(self, end: int) -> int:
        """Return how many are in it that are `end` or more."""
        return max(0, self._below - end) + sum(number >= end for number in self._beyond)


class _Observation(msgspec.Struct, rename="camel"):
    seq: int
    phenomenon_time: datetime | None = None


class _Bundle(msgspec.Struct):
    gateway: str
    stream: str
    observations: list[_Observation]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the arrivals say, in observations."""

    missing: int  # the gateways have made them, and they did not arrive
    invented: int  # no gateway has made them


class Tally:
    """Takes the messages of a subscriber. `late` are those that came on the replay lane."""

    def __init__(self, gateways: Collection[str]) -> None:
        self.arrived = 0
        self.late = 0
        self.repeated = 0  # came once more, under the same number: allowed, and counted
        self.strangers = 0  # messages of gateways that are none of the fleet
        self.unreadable = 0
        self.live = Histogram()  # heard to arrived
        self.replay = Histogram()
        self._gateways = frozenset(gateways)
        self._decoder = msgspec.json.Decoder(_Bundle)
        self._streams: dict[str, Numbers] = {}
        self._took = asyncio.Event()

    async def took(self, within_s: float) -> None:
        """Return when another message came, or after so long."""
        self._took.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._took.wait()

    def take(self, topic: str, payload: bytes, at_s: float) -> None:
        """Note a message that came at this Unix time."""
        self._took.set()
        try:
            bundle = self._decoder.decode(payload)
        except msgspec.DecodeError:
            self.unreadable += 1
            return
        if bundle.gateway not in self._gateways:
            self.strangers += 1
            return
        is_late = topic.endswith(f"/{Lane.REPLAY.value}")
        took = self.replay if is_late else self.live
        numbers = self._streams.setdefault(bundle.stream, Numbers())
        for observation in bundle.observations:
            if not numbers.add(observation.seq):
                self.repeated += 1
                continue
            self.arrived += 1
            self.late += is_late
            if observation.phenomenon_time is not None:
                took.add(at_s - observation.phenomenon_time.timestamp())

    def judge(self, streams: Mapping[str, int]) -> Verdict:
        """Compare with how many each stream has made: stream -> the number after its last."""
        nothing = Numbers()
        missing = sum(
            self._streams.get(stream, nothing).missing_below(end)
            for stream, end in streams.items()
        )
        invented = sum(
            numbers.from_on(streams.get(stream, 0)) for stream, numbers in self._streams.items()
        )
        return Verdict(missing=missing, invented=invented)
