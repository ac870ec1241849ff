"""The city's platform, and a strict one: every message is judged as it comes.

It knows the uniform schema, the vocabulary's table and nothing of the code that writes messages.
What is wrong with a message fails the test at once, with the message.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.brokers import Message

Json = Any  # an object of a message: its shape is what is judged
Key = tuple[str, int, str, str]  # stream, seq, observedProperty, channel

SLUG: Final = r"[a-z0-9-]{1,64}"
MOST_SEQ: Final = 2**53 - 1
MOST_BYTES: Final = 16_384

_ROOT = Path(__file__).resolve().parents[2]
with (_ROOT / "gateway/core/vocabulary.csv").open(encoding="utf-8", newline="") as _table:
    _VOCABULARY: Final = {row["name"]: row for row in csv.DictReader(_table, strict=True)}

_TOPIC = re.compile(rf"ugw/v1/({SLUG})/({SLUG})/(obs/live|obs/replay|status)")
_STREAM = re.compile(r"[0-9A-Za-z]{16,64}")
_DEVICE = re.compile(rf"urn:dev:mac:[0-9a-f]{{16}}|ugw:{SLUG}:{SLUG}")
_TIME = re.compile(
    r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z"
)
_FLAG = re.compile(r"[a-z]+(_[a-z]+)*")
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "number": (int, Decimal),
    "integer": (int,),
    "boolean": (bool,),
    "string": (str,),
}
_FRAMES: Final = (
    "unlisted",
    "duplicate",
    "limited",
    "coalesced",
    "thinned",
    "unknown",
    "empty",
    "waiting",
    "decoded",
)
_OBSERVATIONS: Final = ("delivered", "setAside", "dropped", "inMemory", "inBacklog")
_COUNTERS: Final = {"heard", "recovered", "observed", "unheard", *_FRAMES, *_OBSERVATIONS}


class Arrival(NamedTuple):
    """One bundle as it came."""

    lane: str  # "obs/live" or "obs/replay"
    stream: str
    observations: list[Json]

    @property
    def numbers(self) -> list[int]:
        """Its sequence numbers."""
        return [one["seq"] for one in self.observations]


class Judge:
    """Judges messages, and remembers what arrived."""

    def __init__(self, org: str, gateway: str) -> None:
        self._identity = (org, gateway)
        self.arrivals: list[Arrival] = []
        self.statuses: list[Json] = []  # births, heartbeats and farewells; wills not
        self.numbers: defaultdict[str, set[int]] = defaultdict(set)  # by stream
        self.repeated = 0  # observations that came once more
        self._results: dict[Key, Json] = {}
        self._ended: set[int] = set()  # sessions, by their wills
        self._sessions: dict[int, tuple[str, ...]] = {}  # -> streams of the run that spoke
        self._settled: dict[str, int] = {}
        self._newest_live: dict[str, int] = {}

    def take(self, message: Message) -> list[Json]:
        """Judge a message; return the observations in it."""
        try:
            return self._take(message)
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            said = message.payload.decode(errors="replace")
            text = f"{error!r} of {message.topic}: {said}"
            raise AssertionError(text) from error

    def _take(self, message: Message) -> list[Json]:
        topic = _TOPIC.fullmatch(message.topic)
        assert topic, "not a topic of ours"
        body = json.loads(message.payload, parse_float=Decimal, object_pairs_hook=_unique)
        assert (topic[1], topic[2]) == self._identity == (body["org"], body["gateway"])
        if topic[3] == "status":
            self._take_status(body)
            return []
        assert not message.retain, "an observation is never retained"
        assert len(message.payload) <= MOST_BYTES
        return self._take_bundle(topic[3], body)

    # ------------------------------------------------------------------------------ observations
    def _take_bundle(self, lane: str, body: Json) -> list[Json]:
        _keys(body, {"schema", "org", "gateway", "stream", "class", "clock", "observations"})
        assert body["schema"] == "ugw.observations/1"
        assert _STREAM.fullmatch(body["stream"])
        assert body["class"] in {"routine", "event"}
        _keys(body["clock"], {"state"}, {"maxErrorMs"})
        assert body["clock"]["state"] in {"synced", "holdover", "unsynced"}
        observations: list[Json] = body["observations"]
        assert 1 <= len(observations) <= 100
        first = observations[0]["seq"]
        assert [one["seq"] for one in observations] == list(
            range(first, first + len(observations))
        )
        assert 0 <= first <= MOST_SEQ - len(observations)
        if lane == "obs/live":
            self._judge_order(body["stream"], observations[-1]["seq"])
        for one in observations:
            _judge_observation(one)
            self._note(body["stream"], one)
        self.arrivals.append(Arrival(lane, body["stream"], observations))
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
        keys = [(r["observedProperty"], r.get("channel", "")) for r in observation["results"]]
        assert len(set(keys)) == len(keys), "one key twice in an observation"
        for key, result in zip(keys, observation["results"], strict=True):
            before = self._results.setdefault((stream, seq, *key), result)
            assert before == result, f"came before as {before}"

    # ------------------------------------------------------------------------------------ status
    def _take_status(self, body: Json) -> None:
        assert body["schema"] == "ugw.status/1"
        if body["state"] == "offline" and not body["clean"]:
            _keys(body, {*_STATUS_HEAD, "clean"})  # a will: no more than is still true
            self._ended.add(body["session"])
            return
        _keys(body, {*_STATUS_HEAD, *_STATUS_BODY}, {"clean", "sentTime"})
        assert (body["state"], body.get("clean")) in {("online", None), ("offline", True)}
        assert _TIME.fullmatch(body["sentTime"])
        self._judge_session(body)
        self._judge_streams(body["streams"])
        _judge_counters(body["counters"])
        assert body["backlog"]["observations"] == body["counters"]["inBacklog"]
        assert body["dropped"] == [], "nothing is ever dropped in these scenarios"
        assert body["storeState"] == "ok"
        for transport in body["transports"]:
            _keys(transport, {"name", "kind", "state", "sinceS"}, {"cause"})
            assert transport["state"] in {"up", "down", "deaf"}
            assert transport["state"] == "up" or transport["cause"]
        self.statuses.append(body)

    def _judge_session(self, body: Json) -> None:
        """Hold a number to be one connection's: no other has it, and none after it a lower one."""
        session, run = body["session"], tuple(s["stream"] for s in body["streams"])
        assert self._sessions.setdefault(session, run) == run
        assert session == max(self._sessions)
        assert session not in self._ended

    def _judge_streams(self, streams: list[Json]) -> None:
        """Below settledBelow every number has arrived: the broker had it before this status."""
        assert sorted(one["class"] for one in streams) == ["event", "routine"]
        for one in streams:
            stream, below = one["stream"], one["settledBelow"]
            assert self._settled.get(stream, 0) <= below <= one["nextSeq"]
            self._settled[stream] = below
            assert not self.missing(stream, below), "said to be settled"
            assert all(seq < one["nextSeq"] for seq in self.numbers[stream])

    # ----------------------------------------------------------------------------------- verdicts
    def missing(self, stream: str, below: int) -> set[int]:
        """Return the numbers of a stream that have not arrived."""
        return set(range(below)) - self.numbers[stream]

    @property
    def last(self) -> Json:
        """The newest status."""
        return self.statuses[-1]

    def last_of_each_run(self) -> list[Json]:
        """Return the last status that each run of the agent gave."""
        runs = {tuple(s["stream"] for s in body["streams"]): body for body in self.statuses}
        return list(runs.values())

    def judge_ends(self) -> None:
        """Of a stream that ended clean, or is declared by a later run, nothing is missing."""
        for body in self.statuses:
            if body["state"] == "offline" and body["counters"]["inBacklog"] == 0:
                self._complete(body["streams"])
            self._complete(body["previous"])

    def _complete(self, streams: Iterable[Json]) -> None:
        for one in streams:
            missing = self.missing(one["stream"], one["nextSeq"])
            assert not missing, f"{one}: {sorted(missing)} are missing"


_STATUS_HEAD: Final = ("schema", "org", "gateway", "session", "software", "state")
_STATUS_BODY: Final = (
    "boot",
    "uptimeMs",
    "clock",
    "streams",
    "previous",
    "dropped",
    "storeState",
    "guarantee",
    "backlog",
    "transports",
    "counters",
)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a key twice: {names}"
    return dict(pairs)


def _keys(body: Json, needed: set[str], allowed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    assert needed <= set(body) <= needed | allowed, f"keys {sorted(body)}"


def _judge_counters(counters: Json) -> None:
    """Judge both laws: exactly, and whatever else happens."""
    refused = {name for name in counters if name.startswith("refused.")}
    assert set(counters) - refused == _COUNTERS
    assert all(type(count) is int and count >= 0 for count in counters.values())
    frames = sum(counters[name] for name in (*_FRAMES, *refused))
    assert counters["heard"] == frames, f"law of frames: {frames}"
    kept = sum(counters[name] for name in _OBSERVATIONS)
    assert counters["recovered"] + counters["observed"] == kept, f"law of observations: {kept}"


def _judge_observation(one: Json) -> None:
    quality = one["timeQuality"]
    time = {"boot", "uptimeMs"} if quality == "unknown" else {"phenomenonTime"}
    _keys(one, {"seq", "device", "timeQuality", "results", "link", *time})
    assert type(one["seq"]) is int
    assert _DEVICE.fullmatch(one["device"])
    assert quality in {"exact", "holdover", "reconstructed", "unknown"}
    assert quality == "unknown" or _TIME.fullmatch(one["phenomenonTime"])
    _judge_link(one["link"])
    assert 1 <= len(one["results"]) <= 64
    for result in one["results"]:
        _judge_result(result)


def _judge_link(link: Json) -> None:
    _keys(link, {"medium", "rssi"}, {"snr", "frameCounter", "copies"})
    assert link["medium"] in {"ble", "lora"}
    assert type(link["rssi"]) is int
    assert link.get("frameCounter", 0) >= 0
    assert link.get("copies", 2) > 1
    assert ("snr" in link) == (link["medium"] == "lora")


def _judge_result(result: Json) -> None:
    _keys(result, {"observedProperty", "result", "unit"}, {"channel", "quality", "flags"})
    row = _VOCABULARY[result["observedProperty"]]
    assert result["unit"] == row["ucum"]
    assert re.fullmatch(SLUG, result.get("channel", "first"))
    quality = result.get("quality", "good")
    assert quality in {"uncertain", "bad", "missing"} or "quality" not in result
    assert all(_FLAG.fullmatch(flag) for flag in result.get("flags", ["none"]))
    value = result["result"]
    if value is None:
        assert quality in {"bad", "missing"}
        return
    assert type(value) in _TYPES[row["type"]]
    if type(value) in _TYPES["number"]:
        plausible = _within(value, row["min"], row["max"])
        assert plausible == ("out_of_range" not in result.get("flags", []))
        assert plausible == (quality != "bad")


def _within(value: Decimal | int, lowest: str, highest: str) -> bool:
    above = not lowest or Decimal(lowest) <= value
    return above and (not highest or value <= Decimal(highest))
