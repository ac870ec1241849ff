"""The city's platform, and a strict one: every message is judged as it comes.

What a message must look like is the validator's business (tests/schema), which sees each of them
too; here it is what they say together: laws, orders, promises. What is wrong with that fails the
test at once, with the message.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, NamedTuple

from gateway.sim.expectations.judge import law_breaches
from tests.brokers import Message
from tests.scenarios.lost import Losses, Told
from tests.schema.published import Json
from tests.schema.validator import Validator, read

Key = tuple[str, int, str, str]  # stream, seq, observedProperty, channel

_MARGIN_S: Final = 2.0  # what is heard is in the store by then, if that can be


class Arrival(NamedTuple):
    """One bundle as it came."""

    lane: str  # "obs/live" or "obs/replay"
    stream: str
    observations: list[Json]
    at_s: float  # Unix time

    @property
    def numbers(self) -> list[int]:
        """Its sequence numbers."""
        return [one["seq"] for one in self.observations]


class Judge:
    """Judges messages, and remembers what arrived."""

    def __init__(self, root: str, *, losses: bool, troubles: Collection[str]) -> None:
        self._root = f"{root}/"
        self._store_states = {"ok", *troubles}
        self.lost = Losses(allowed=losses)
        self.messages: list[Message] = []
        self.arrivals: list[Arrival] = []
        self.statuses: list[Json] = []  # births, heartbeats and farewells; wills not
        self.events: list[Json] = []
        self.retained: dict[str, Json] = {}  # by topic below the root: the newest of meta, state
        self.numbers: defaultdict[str, set[int]] = defaultdict(set)  # by stream
        self.classes: dict[str, str] = {}  # by stream
        self.repeated = 0  # observations that came once more
        self._results: dict[Key, Json] = {}
        self._ended: set[int] = set()  # sessions, by their wills
        self._sessions: dict[int, tuple[str, ...]] = {}  # -> streams of the run that spoke
        self._settled: dict[str, int] = {}
        self._newest_live: dict[str, int] = {}

    def take(self, message: Message) -> list[Json]:
        """Judge a message; return the observations in it."""
        self.messages.append(message)
        try:
            return self._take(message)
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            said = message.payload.decode(errors="replace")
            text = f"{error!r} of {message.topic}: {said}"
            raise AssertionError(text) from error

    def _take(self, message: Message) -> list[Json]:
        assert message.topic.startswith(self._root), "not a topic of ours"
        what = message.topic.removeprefix(self._root)
        body: Json = read(message.payload.decode()) if message.payload else None
        if what.startswith("obs/"):
            return self._take_bundle(what, body)
        if what == "status":
            self._take_status(body)
        elif what == "event":
            self.events.append(body)
            if body["kind"] == "loss":
                self.lost.take(body)
        elif body is None:
            self.retained.pop(what, None)
        else:
            self.retained[what] = body
        return []

    # ------------------------------------------------------------------------------ observations
    def _take_bundle(self, lane: str, body: Json) -> list[Json]:
        observations: list[Json] = body["observations"]
        self.classes[body["stream"]] = body["class"]
        if lane == "obs/live":
            self._judge_order(body["stream"], observations[-1]["seq"])
        for one in observations:
            self._note(body["stream"], one)
        self.arrivals.append(Arrival(lane, body["stream"], observations, time.time()))
        return observations

    def _judge_order(self, stream: str, last: int) -> None:
        """Nothing new on the live lane is older than what was there: consumers take the last."""
        if last not in self.numbers[stream]:
            assert last > self._newest_live.get(stream, -1), "old data after new on the live lane"
            self._newest_live[stream] = last

    def _note(self, stream: str, observation: Json) -> None:
        seq = observation["seq"]
        self.repeated += seq in self.numbers[stream]
        self.numbers[stream].add(seq)
        for result in observation["results"]:
            key = (stream, seq, result["observedProperty"], result.get("channel", ""))
            before = self._results.setdefault(key, result)
            assert before == result, f"came before as {before}"

    # ------------------------------------------------------------------------------------ status
    def _take_status(self, body: Json) -> None:
        if body["state"] == "offline" and not body["clean"]:
            self._ended.add(body["session"])
            return
        if body in self.statuses:
            return  # a broker that was restarted hands out again what it knows no receipt of
        for one in (*body["streams"], *body["previous"]):
            self.classes[one["stream"]] = one["class"]
        self._judge_session(body)
        self._judge_streams(body["streams"])
        assert not list(law_breaches(body)), "both laws, exactly and whatever else happens"
        assert body["storeState"] in self._store_states
        self.lost.take_status(body)
        self.statuses.append(body)

    def _judge_session(self, body: Json) -> None:
        """Hold a number to be one connection's: no other has it, and none after it a lower one."""
        session, run = body["session"], tuple(s["stream"] for s in body["streams"])
        assert self._sessions.setdefault(session, run) == run
        assert session == max(self._sessions)
        assert session not in self._ended

    def _judge_streams(self, streams: list[Json]) -> None:
        """Below settledBelow every number has arrived, or was told: before this status."""
        for one in streams:
            stream, below = one["stream"], one["settledBelow"]
            assert self._settled.get(stream, 0) <= below
            self._settled[stream] = below
            assert not self.missing(stream, below), "said to be settled"
            assert all(seq < one["nextSeq"] for seq in self.numbers[stream])

    # ----------------------------------------------------------------------------------- verdicts
    def missing(self, stream: str, below: int) -> set[int]:
        """Return the numbers of a stream that have not arrived and are not declared lost."""
        return set(range(below)) - self.numbers[stream] - self.lost.numbers[stream]

    @property
    def lanes(self) -> str:
        """The bundles' lanes in the order they came: l and r."""
        return "".join(arrival.lane[4] for arrival in self.arrivals)

    @property
    def last(self) -> Json:
        """The newest status."""
        return self.statuses[-1]

    def last_of_each_run(self) -> list[Json]:
        """Return the last status that each run of the agent gave."""
        runs = {tuple(s["stream"] for s in body["streams"]): body for body in self.statuses}
        return list(runs.values())

    def judge_messages(self) -> None:
        """Of all that came, retained or not, on whatever topic, nothing breaks the schema."""
        validator = Validator()
        for message in self.messages:
            wrong = validator.faults(message.topic, message.payload, retain=message.retain)
            said = message.payload.decode(errors="replace")
            assert not wrong, f"{wrong} of {message.topic}: {said}"

    def judge_ends(self) -> None:
        """Of a stream that ended clean, or is declared by a later run, nothing is missing."""
        for body in self.statuses:
            if body["state"] == "offline" and body["counters"]["inBacklog"] == 0:
                self._complete(body["streams"])
            self._complete(body["previous"])

    def judge_losses(self, *, exactly: bool) -> None:
        """Of losses all is told, and counted; no event is lost while there is routine to lose.

        `exactly`: no run was cut off after its last status.
        """
        self.lost.judge_all_told()
        self.lost.judge_counters(self.last_of_each_run(), exactly=exactly)
        for told in self.lost.of_class(self.classes, "event"):
            if told.reason == "full":
                self._judge_sacrifice(told)

    def _judge_sacrifice(self, told: Told) -> None:
        """See that no routine was in the store when an event was given up.

        What was heard well before and came only later had been there.
        """
        boots = {body["boot"]: body["clock"]["bootTimeMs"] for body in self.statuses}
        lost_s = (boots[told.boot] + told.uptime_ms) / 1000
        for arrival in self.arrivals:
            if self.classes[arrival.stream] == "routine" and arrival.at_s > lost_s + _MARGIN_S:
                for one in arrival.observations:
                    is_lost = one["seq"] in self.lost.numbers[arrival.stream]
                    heard_s = datetime.fromisoformat(one["phenomenonTime"]).timestamp()
                    assert is_lost or heard_s > lost_s - _MARGIN_S, f"{told} went before {one}"

    def _complete(self, streams: Iterable[Json]) -> None:
        for one in streams:
            missing = self.missing(one["stream"], one["nextSeq"])
            assert not missing, f"{one}: {sorted(missing)} are missing"
