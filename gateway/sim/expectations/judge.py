"""The judge of one gateway: reads what a subscriber gets, as it comes, and remembers what matters.

It knows what went on the air (the ledger) and what arrived, and nothing of the agent's inside. It
is made when its bench is entered; of each bench there is one, for each message is booked once.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from gateway.sim.agent_config import device_name
from gateway.sim.bench import Bench, Delivered
from gateway.sim.expectations.wall import Wall
from gateway.sim.ledger import Sent
from gateway.sim.numbers import Numbers

Json = Any  # of a message: what it must look like is the validator's business

_NS_PER_S: Final = 1e9
_MOST_LATENCIES: Final = 500_000  # the newest: a quantile of so many is one of all
_MOST_BREACHES: Final = 1000  # of one kind: the first ones show what is wrong
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
_DATED_NS: Final = 250_000_000  # nearer to the truth a time need not be
_POLICY: Final = ("limited", "coalesced", "thinned")  # not taken in, and counted


class Breach(NamedTuple):
    """Something that must not be, and when it was seen."""

    at_s: float
    why: str


class Latency(NamedTuple):
    """How long a frame took, and when it was sent."""

    took_s: float
    sent_s: float


class Misdated(NamedTuple):
    """A frame whose time is told as exact and is off by so much; None: no clock was right then."""

    sent: Sent
    off_s: float | None


class Seen:
    """The numbers of one stream that came, or were told to be lost."""

    def __init__(self) -> None:
        self.numbers = Numbers()
        self.count = 0

    def add(self, number: int) -> bool:
        """Take one in; whether it is new."""
        is_new = self.numbers.add(number)
        self.count += is_new
        return is_new

    def missing(self, below: int) -> Iterator[int]:
        """Yield the numbers that are not there."""
        if self.count < below:
            yield from (number for number in range(below) if number not in self.numbers)


class Judge:
    """What has arrived of one gateway. `read` before asking."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.root = f"ugw/v1/{bench.options.org}/{bench.options.gateway}/"
        self.last: Json = None  # the newest status
        self.status_at_s = 0.0
        self.runs: dict[tuple[str, ...], Json] = {}  # the last status of each
        self.breaches: defaultdict[str, list[Breach]] = defaultdict(list)  # by law
        self.lost: defaultdict[str, Seen] = defaultdict(Seen)  # by stream: declared
        self.known: defaultdict[str, Seen] = defaultdict(Seen)  # by stream: those, and arrived
        self.arrived: defaultdict[str, Seen] = defaultdict(Seen)
        self.repeated = 0  # observations that came once more
        self.latencies: deque[Latency] = deque(maxlen=_MOST_LATENCIES)
        self.heard_s: dict[str, float] = {}  # by medium: when the newest was sent that arrived
        self.arrived_by_device: defaultdict[str, int] = defaultdict(int)
        self.own: list[Delivered] = []  # the messages of this gateway
        self.changes: list[Breach] = []  # of what a status says, for who watches; taken away
        self.zero_s = 0.0  # by the bench's clock: what is told is counted from then on
        self.dated = 0  # frames whose time is told as exact
        self.misdated: list[Misdated] = []  # the first ones
        self._wall = Wall()
        self._said: Mapping[str, str] = {}
        self._read = 0
        self._newest_live: dict[str, int] = {}
        self._names: Mapping[str, str] = {}
        self._look_at_clock()
        bench.clock.watchers.append(self._look_at_clock)
        self._origin_s = bench.air.now_ns() / _NS_PER_S - bench.at_s

    def begin(self) -> None:
        """Count the times that are told from now on."""
        self.zero_s = self.bench.at_s

    def _look_at_clock(self) -> None:
        self._wall.look(self.bench.air.now_ns(), self.bench.clock.vouched_ns())

    # ---------------------------------------------------------------------------------- reading
    def read(self) -> None:
        """Take what has come since."""
        self._look_at_clock()
        messages = self.bench.messages
        if len(messages) == self._read:
            return
        times = self.bench.messages_at_s
        for index in range(self._read, min(len(messages), len(times))):
            self._read = index + 1
            if messages[index].topic.startswith(self.root):
                self.own.append(messages[index])
                self._take(messages[index], times[index])

    def _take(self, message: Delivered, at_s: float) -> None:
        what = message.topic.removeprefix(self.root)
        if not message.payload:
            return
        try:
            if what.startswith("obs/"):
                self._take_bundle(message.payload, at_s, is_live=what == "obs/live")
            elif what == "status":
                self._take_status(msgspec.json.decode(message.payload), at_s)
            elif what == "event":
                self._take_event(msgspec.json.decode(message.payload))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            self._breach(
                "message", at_s, f"{error!r} of {message.topic}: {message.payload!r:.500}"
            )

    def _breach(self, law: str, at_s: float, why: str) -> None:
        if len(self.breaches[law]) < _MOST_BREACHES:
            self.breaches[law].append(Breach(at_s, why))

    def _take_bundle(self, payload: bytes, at_s: float, *, is_live: bool) -> None:
        body = msgspec.json.decode(payload)
        stream, numbers = body["stream"], [one["seq"] for one in body["observations"]]
        if is_live and numbers[-1] not in self.arrived[stream].numbers:
            newest = self._newest_live.get(stream, -1)
            if numbers[-1] < newest:
                why = f"{numbers[-1]} came after {newest} on the live lane of {stream}"
                self._breach("order", at_s, why)
            self._newest_live[stream] = max(newest, numbers[-1])
        for number in numbers:
            self.repeated += not self.arrived[stream].add(number)
            self.known[stream].add(number)
        for sent in self.bench.air.ledger.received(payload, at_s):
            self._settle(sent, at_s)

    def _settle(self, sent: Sent, at_s: float) -> None:
        sent_s = self.when_s(sent)
        self.latencies.append(Latency(max(0.0, at_s - sent_s), sent_s))
        self.arrived_by_device[sent.device] += 1
        if sent.told:
            self._date(sent)
        medium = "lora" if self.address(sent.device).startswith("lora:") else "ble"
        self.heard_s[medium] = max(self.heard_s.get(medium, sent_s), sent_s)

    def _date(self, sent: Sent) -> None:
        """Hold the time that is told of a frame against the gateway's clock when it was sent."""
        self.dated += 1
        told_ns = round(datetime.fromisoformat(sent.told).timestamp() * _NS_PER_S)
        off_ns = self._wall.off_ns(sent.at_ns, told_ns)
        if (off_ns is None or off_ns > _DATED_NS) and len(self.misdated) < _MOST_BREACHES:
            self.misdated.append(Misdated(sent, None if off_ns is None else off_ns / _NS_PER_S))

    def _take_event(self, body: Json) -> None:
        if body["kind"] == "loss":
            self._lose(body)

    def _lose(self, one: Json) -> None:
        for number in range(one["from"], one["to"] + 1):
            self.lost[one["stream"]].add(number)
            self.known[one["stream"]].add(number)

    # ----------------------------------------------------------------------------------- status
    def _take_status(self, body: Json, at_s: float) -> None:
        self.status_at_s = at_s
        if body["state"] == "offline" and not body["clean"]:
            self.last = {**(self.last or {}), **body}
            self._said = {**self._said, "gateway": "lost"}
            self.changes.append(Breach(at_s, "the connection was lost, says the will"))
            return
        self.last = body
        self._note_changes(body, at_s)
        self.runs[tuple(one["stream"] for one in body["streams"])] = body
        for one in body["dropped"]:
            self._lose(one)
        for why in law_breaches(body):
            self._breach("law", at_s, why)
        self._judge_settled(body, at_s)

    def _judge_settled(self, body: Json, at_s: float) -> None:
        """Hold what is said to be settled against what came; of what is set aside none does."""
        late = {
            one["stream"]: list(self.known[one["stream"]].missing(one["settledBelow"]))
            for one in body["streams"]
        }
        if sum(map(len, late.values())) <= self.set_aside():
            return
        for stream, numbers in late.items():
            if numbers:
                why = f"{numbers[:5]} of {stream} are said to be settled, and never came"
                self._breach("law", at_s, why)

    def _note_changes(self, body: Json, at_s: float) -> None:
        said = {"gateway": body["state"], "store": body["storeState"], "backlog": body["level"]}
        said["clock"] = body["clock"]["state"]
        for one in body["transports"]:
            cause = f" ({one['cause']})" if "cause" in one else ""
            said[one["name"]] = f"{one['state']}{cause}"
        before, self._said = self._said, said
        words = [f"{name} {what}" for name, what in said.items() if before.get(name) != what]
        if words:
            self.changes.append(Breach(at_s, f"status: {', '.join(words)}"))

    # --------------------------------------------------------------------------------- questions
    def shown_s(self, at_s: float) -> float:
        """Return a time of the bench's clock as it is told."""
        return at_s - self.zero_s

    def has_farewell(self) -> bool:
        """Whether the agent has said that it ended in order."""
        self.read()
        return self.last is not None and self.last["state"] == "offline"

    def address(self, device: str) -> str:
        """Return the address of a device as messages call it; empty for one that is not ours."""
        if device not in self._names:
            air = self.bench.air
            self._names = {
                device_name(one.options, air.agent): one.options.address for one in air.sensors
            }
        return self._names.get(device, "")

    def when_s(self, sent: Sent) -> float:
        """Return when a frame was sent, by the bench's clock."""
        return sent.at_ns / _NS_PER_S - self._origin_s

    def told(self, sent: Sent) -> str:
        """Return a frame in words."""
        address = self.address(sent.device) or sent.device
        return f"{address} #{sent.serial} sent at {self.shown_s(self.when_s(sent)):.3f} s"

    def missing_numbers(self, *, excused: int = 0) -> list[str]:
        """Return the numbers that were given, and neither arrived nor were told to be lost.

        None of them, where they are no more than `excused`.
        """
        given: dict[str, int] = {}
        for body in self.runs.values():
            for one in (*body["streams"], *body["previous"]):
                given[one["stream"]] = max(given.get(one["stream"], 0), one["nextSeq"])
        late = {stream: list(self.known[stream].missing(below)) for stream, below in given.items()}
        if sum(map(len, late.values())) <= excused:
            return []
        return [f"{len(one)} of stream {stream}: {one[:5]}" for stream, one in late.items() if one]

    def declared(self) -> int:
        """How many observations were told to be lost."""
        return sum(seen.count for seen in self.lost.values())

    def not_let_in(self) -> int:
        """How many frames the agent has counted as beyond what its policy lets in."""
        return sum(body["counters"][name] for body in self.runs.values() for name in _POLICY)

    def set_aside(self) -> int:
        """How many observations the agent has counted as such that the broker never takes."""
        return sum(body["counters"]["setAside"] for body in self.runs.values())

    def counter(self, name: str) -> int:
        """Return a counter of the newest status; 0 where there is none."""
        status: Json = self.last
        return 0 if status is None else int(status.get("counters", {}).get(name, 0))


def law_breaches(body: Json) -> Iterator[str]:
    """Yield what is wrong with the counters of a status: they are exact, whatever happens."""
    counters: Mapping[str, int] = body["counters"]
    refused = sum(count for name, count in counters.items() if name.startswith("refused."))
    frames = refused + sum(counters[name] for name in _FRAMES)
    if counters["heard"] != frames:
        yield f"the law of frames: {counters['heard']} were heard, {frames} are accounted for"
    kept = sum(counters[name] for name in _OBSERVATIONS)
    taken = counters["recovered"] + counters["observed"]
    if taken != kept:
        yield f"the law of observations: {taken} were taken, {kept} are accounted for"
    given = sum(one["nextSeq"] for one in body["streams"])
    if counters["observed"] != given:
        yield f"{counters['observed']} were observed, {given} numbers were given"
    waiting = body["backlog"]["observations"]
    if waiting != counters["inBacklog"]:
        yield f"the backlog of {waiting} is counted as {counters['inBacklog']}"
