"""What the platform is told will never come: loss ranges, and whether they can be true.

A range may be told again, grown. What is lost is the union of them, and the platform counts on it:
a number in it is not waited for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tests.schema.published import Json

MOST_IN_STATUS: Final = 32


class Told(NamedTuple):
    """One loss range as it was told, and when it was lost."""

    stream: str
    numbers: range
    reason: str
    boot: str
    uptime_ms: int


class Losses:
    """The losses declared to one platform; where none is allowed, the first fails the test."""

    def __init__(self, *, allowed: bool) -> None:
        self._allowed = allowed
        self.told: list[Told] = []
        self.numbers: defaultdict[str, set[int]] = defaultdict(set)  # by stream
        self._in_statuses: defaultdict[str, set[int]] = defaultdict(set)

    @property
    def count(self) -> int:
        """How many numbers are lost."""
        return sum(map(len, self.numbers.values()))

    def take(self, event: Json) -> None:
        """Take the event that declares a range."""
        assert self._allowed, "nothing is ever lost in this scenario"
        numbers = _numbers(event)
        self.numbers[event["stream"]].update(numbers)
        at = event["boot"], event["uptimeMs"]
        self.told.append(Told(event["stream"], numbers, event["reason"], *at))

    def take_status(self, body: Json) -> None:
        """Judge what a status repeats of them; what it has first must come as an event."""
        dropped = body["dropped"]
        assert self._allowed or not dropped, "nothing is ever lost in this scenario"
        assert len(dropped) <= MOST_IN_STATUS
        for one in dropped:
            self._in_statuses[one["stream"]].update(_numbers(one))
        self.judge_ends(body["streams"])
        self.judge_ends(body["previous"])

    def judge_ends(self, streams: Iterable[Json]) -> None:
        """See that no number is lost that was never given."""
        for one in streams:
            known = self.numbers[one["stream"]] | self._in_statuses[one["stream"]]
            assert all(seq < one["nextSeq"] for seq in known), f"lost beyond the end of {one}"

    def judge_all_told(self) -> None:
        """See that all that any status gave as dropped went out as an event."""
        for stream, numbers in self._in_statuses.items():
            untold = numbers - self.numbers[stream]
            assert not untold, f"dropped and never told: {stream} {sorted(untold)}"

    def judge_counters(self, last_of_each_run: Iterable[Json], *, exactly: bool) -> None:
        """See that the runs have counted what they have told, or less if the last word is lost."""
        counted = sum(body["counters"]["dropped"] for body in last_of_each_run)
        assert counted <= self.count, "counted as dropped, and not told"
        assert counted == self.count or not exactly, f"{counted} dropped, {self.count} told"

    def of_class(self, classes: Mapping[str, str], klass: str) -> list[Told]:
        """Return what was told of streams of a class."""
        return [each for each in self.told if classes[each.stream] == klass]


def _numbers(one: Json) -> range:
    assert one["from"] <= one["to"], one
    return range(one["from"], one["to"] + 1)
