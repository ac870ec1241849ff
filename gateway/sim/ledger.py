"""Who sent what, and what of it arrived: the judge of a run, from outside the agent.

It knows only what went on the air and what a subscriber received. A frame is named by its device
and a number that its sensor put into it. Numbers may come again: what arrives under a new key
settles the oldest frame of its number that is still waited for, and never one that was sent after
it had arrived: so a repeat hides no later loss. Settled frames are forgotten but
for their number, so the books of a month are small. What is waited for is kept up to a bound, and
so are results, to compare what is sent again; each verdict that this costs is in `forgotten`.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

import msgspec

from gateway.core.identity import eui64_urn
from gateway.sim.models import SerialPlace
from gateway.sim.numbers import Numbers

# An observation is accepted within 1 s of being heard; with some room for a busy machine, a frame
# sent less than this before a kill may be lost.
KILL_MARGIN_NS = 1_500_000_000

_ALWAYS_NS = 1 << 63  # of a ledger without a clock
_MAX_ENTRIES = 1_000_000  # that are waited for, and strangers: some 200 MB at most each
_MAX_RESULTS = 50_000  # observations whose results are known: what is sent again comes soon

_EXACT = "exact"  # the quality of a time that a synchronised clock has given

Key = tuple[str, int, str, str]  # stream, seq, observed property, channel: the schema's own
Frame = tuple[str, int]  # device, number
_Value = int | float | bool | str | None
_Shape = tuple[tuple[str, str], ...]  # observed property, channel
_Said = tuple[_Shape, tuple[_Value, ...]]


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One frame that the agent's hardware was given."""

    device: str  # as messages name it
    serial: int
    at_ns: int  # by the clock of the air: as a rule CLOCK_BOOTTIME
    told: str = ""  # once it has arrived: when that was, where the message calls it exact


class _Result(msgspec.Struct, rename="camel"):
    observed_property: str
    result: _Value
    channel: str = ""


class _Link(msgspec.Struct, rename="camel"):
    frame_counter: int | None = None


class _Observation(msgspec.Struct, rename="camel"):
    seq: int
    device: str
    results: list[_Result]
    link: _Link
    phenomenon_time: str = ""
    time_quality: str = ""


class _Bundle(msgspec.Struct):
    stream: str
    observations: list[_Observation]


class _Waiting:
    """Frames that were sent and have not arrived, the oldest first."""

    def __init__(self) -> None:
        self._by_order: OrderedDict[int, Sent] = OrderedDict()
        self._by_frame: dict[Frame, deque[int]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._by_order)

    def __iter__(self) -> Iterator[Sent]:
        return iter(self._by_order.values())

    def add(self, sent: Sent) -> None:
        order, self._next = self._next, self._next + 1
        self._by_order[order] = sent
        self._by_frame.setdefault((sent.device, sent.serial), deque()).append(order)

    def take(self, frame: Frame) -> Sent | None:
        """Take out the oldest of this number, if there is one."""
        orders = self._by_frame.get(frame)
        if not orders:
            return None
        sent = self._by_order.pop(orders.popleft())
        if not orders:
            del self._by_frame[frame]
        return sent

    def take_oldest(self) -> None:
        """Take out the oldest of all."""
        sent = next(iter(self._by_order.values()))
        self.take((sent.device, sent.serial))

    def take_between(
        self, from_ns: int, to_ns: int, devices: Container[str] | None = None
    ) -> list[Sent]:
        """Take out what was sent within a time, by some or by all; each number's oldest first."""
        orders = [
            at
            for at, one in self._by_order.items()
            if from_ns <= one.at_ns < to_ns and (devices is None or one.device in devices)
        ]
        taken = [self._by_order.pop(at) for at in orders]
        for order, sent in zip(orders, taken, strict=True):
            frame = (sent.device, sent.serial)
            self._by_frame[frame].remove(order)
            if not self._by_frame[frame]:
                del self._by_frame[frame]
        return taken


class Ledger:
    """The books of one run."""

    def __init__(self, now_ns: Callable[[], int] = lambda: _ALWAYS_NS) -> None:
        self._now_ns = now_ns  # by the clock of the air
        self._places: dict[str, SerialPlace | None] = {}
        self._names: dict[str, str] = {}  # address -> device
        self._waiting = _Waiting()
        self._excused: dict[Frame, int] = {}  # sent while nobody listened; may come all the same
        self._settled: dict[str, Numbers] = {}  # device -> numbers of frames that arrived
        self._early: dict[Frame, int] = {}  # arrived more often than sent so far
        self._early_ns: dict[Frame, int] = {}  # of these: when, the last time
        self._early_s: dict[Frame, float] = {}  # and when that was as the reader tells it
        self._keys: dict[str, Numbers] = {}  # stream -> numbers of observations that arrived
        self._results: OrderedDict[tuple[str, int], _Said] = OrderedDict()
        self._streams: dict[str, str] = {}  # one each of their names
        self._shapes: dict[_Shape, _Shape] = {}  # one each of all that results were of
        self._again: Counter[Key] = Counter()  # times more than once
        self._differing: set[Key] = set()
        self._away: list[tuple[int, int]] = []
        self._away_until_ns = 0
        self.strangers: dict[str, None] = {}  # in the order they came
        self.sent_count = 0  # frames that the agent's hardware was given
        self.arrived_count = 0  # different frames that a subscriber has of them
        self._given_up = 0

    # -------------------------------------------------------------------------------------- books
    def expect(self, address: str, *, device: str, place: SerialPlace | None) -> None:
        """Announce a listed sensor: what messages call it, and where its number stands.

        `place` None: nowhere, so it is neither missed nor is anything of it invented.
        """
        self._names[address] = device
        self._places[device] = place

    def sent(self, address: str, serial: int, at_ns: int) -> None:
        """Note a frame that reached the agent: bluetoothd signalled it, or the port took it."""
        frame = (self._names.get(address, address), serial)
        self.sent_count += 1
        if frame in self._early and at_ns <= self._early_ns[frame]:  # its note was late
            _count(self._early, frame, -1)
            if frame not in self._early:
                del self._early_ns[frame], self._early_s[frame]
            self._settle(frame)
        elif self._is_away(at_ns):
            self._excuse(frame)
        else:
            self._waiting.add(Sent(*frame, at_ns))
            if len(self._waiting) > _MAX_ENTRIES:
                self._waiting.take_oldest()
                self._given_up += 1

    def strange(self, address: str) -> None:
        """Note a device that nobody listed."""
        self.strangers[address] = None
        if len(self.strangers) > _MAX_ENTRIES:
            del self.strangers[next(iter(self.strangers))]
            self._given_up += 1

    def away(self, from_ns: int, to_ns: int) -> None:
        """Note that nobody listened: frames sent in between are not missed."""
        self._away.append((from_ns, to_ns))
        self._away_until_ns = max(self._away_until_ns, to_ns)
        for sent in self._waiting.take_between(from_ns, to_ns):
            self._excuse((sent.device, sent.serial))

    def excuse(self, from_ns: int, to_ns: int, devices: Container[str]) -> None:
        """Do not miss what these devices sent within a time that is over: none could hear it."""
        for sent in self._waiting.take_between(from_ns, to_ns, devices):
            self._excuse((sent.device, sent.serial))

    def _is_away(self, at_ns: int) -> bool:
        if at_ns >= self._away_until_ns:  # as nearly always: time goes on
            return False
        return any(start <= at_ns < end for start, end in self._away)

    def _excuse(self, frame: Frame) -> None:
        """Note a frame that may arrive and need not."""
        _count(self._excused, frame, 1)
        if len(self._excused) > _MAX_ENTRIES:
            del self._excused[next(iter(self._excused))]
            self._given_up += 1

    def received(self, payload: bytes | str, at_s: float = 0.0) -> list[Sent]:
        """Note a bundle as a subscriber got it; return the frames that were waited for.

        `at_s`: when it came, by any clock: what was invented is told with it. Raises
        msgspec.DecodeError for anything else.
        """
        bundle = msgspec.json.decode(payload, type=_Bundle)
        stream = self._streams.setdefault(bundle.stream, bundle.stream)
        found: list[Sent] = []
        for observation in bundle.observations:
            if self._keys.setdefault(stream, Numbers()).add(observation.seq):
                sent = self._note(observation, at_s)
                found += [sent] if sent is not None else []
                self._remember(stream, observation)
            else:
                self._compare(stream, observation)
        return found

    def _note(self, observation: _Observation, at_s: float) -> Sent | None:
        """Settle the frame of an observation that is new; return it, if it was waited for."""
        number = self._number(observation)
        if number is None:
            return None
        frame = (observation.device, number)
        sent = self._waiting.take(frame)
        if sent is not None:
            self._settle(frame)
            if observation.time_quality == _EXACT:
                return Sent(*frame, sent.at_ns, observation.phenomenon_time)
        elif frame in self._excused:
            _count(self._excused, frame, -1)
            self._settle(frame)
        else:
            _count(self._early, frame, 1)
            self._early_ns[frame], self._early_s[frame] = self._now_ns(), at_s
        return sent

    def _settle(self, frame: Frame) -> None:
        device, number = frame
        self._settled.setdefault(device, Numbers()).add(number)
        self.arrived_count += 1

    def _remember(self, stream: str, observation: _Observation) -> None:
        """Keep what an observation said, to compare it with what is sent again."""
        shape = tuple((one.observed_property, one.channel) for one in observation.results)
        shape = self._shapes.setdefault(shape, shape)
        values = tuple(one.result for one in observation.results)
        self._results[stream, observation.seq] = (shape, values)
        if len(self._results) > _MAX_RESULTS:
            self._results.popitem(last=False)

    def _compare(self, stream: str, observation: _Observation) -> None:
        """Count what came again, and note where it says another thing."""
        before = self._results.get((stream, observation.seq))
        if before is None:
            self._given_up += 1
            return
        said = dict(zip(*before, strict=True))
        for result in observation.results:
            key = (stream, observation.seq, result.observed_property, result.channel)
            self._count_again(key)
            if said.get(key[2:], result.result) != result.result:
                self._differing.add(key)

    def _count_again(self, key: Key) -> None:
        if key in self._again or len(self._again) < _MAX_ENTRIES:
            self._again[key] += 1
        else:
            self._given_up += 1

    def _number(self, observation: _Observation) -> int | None:
        place = self._places.get(observation.device, SerialPlace())
        if place is None:
            return None
        if not place.observed_property:
            return observation.link.frame_counter
        for result in observation.results:
            at = (result.observed_property, result.channel)
            if at == (place.observed_property, place.channel):
                return _in_steps(result.result, place)
        return None

    # ---------------------------------------------------------------------------------- judgement
    @property
    def forgotten(self) -> int:
        """How many verdicts were lost to a bound: if there are any, none is complete."""
        numbers = (*self._settled.values(), *self._keys.values())
        return self._given_up + sum(one.closed for one in numbers)

    def missing(self, *, sent_before_ns: int | None = None) -> list[Sent]:
        """Frames that did not arrive, the oldest first, but for those sent while it was away."""
        late = [
            sent for sent in self._waiting if sent_before_ns is None or sent.at_ns < sent_before_ns
        ]
        return sorted(late, key=lambda sent: sent.at_ns)

    def missing_after_kill(self, killed_at_ns: int) -> list[Sent]:
        """Frames that had been accepted when the agent was killed, and did not arrive."""
        return self.missing(sent_before_ns=killed_at_ns - KILL_MARGIN_NS)

    def duplicates(self) -> Mapping[Key, int]:
        """Results received more than once under one key, and how often: allowed, and counted."""
        return {key: 1 + more for key, more in self._again.items()}

    def repeats(self) -> list[Frame]:
        """Frames that arrived under two different keys: never allowed, no consumer can tell."""
        twice = {frame for frame, times in self._early.items() if times > 1}
        return sorted(twice | {frame for frame in self._early if self._was_sent(frame)})

    def contradictions(self) -> list[Key]:
        """Keys under which two different results arrived: never allowed."""
        return sorted(self._differing)

    def invented(self) -> list[Frame]:
        """Frames that arrived and were never sent: never allowed."""
        return sorted(frame for frame in self._early if not self._was_sent(frame))

    def invented_at_s(self, frame: Frame) -> float:
        """Return when an invented frame arrived the last time, as `received` was told."""
        return self._early_s[frame]

    def _was_sent(self, frame: Frame) -> bool:
        device, number = frame
        return number in self._settled.get(device, Numbers())

    def leaks(self, texts: Iterable[bytes | str]) -> set[str]:
        """Unlisted addresses found in messages, logs or files, as text or as their six bytes."""
        found: set[str] = set()
        for text in texts:
            content = text.encode() if isinstance(text, str) else text
            found |= {one for one in self.strangers.keys() - found if _stands_in(content, one)}
        return found


def _count(book: dict[Frame, int], frame: Frame, more: int) -> None:
    """Count a frame up or down in a book that has no zeros."""
    book[frame] = book.get(frame, 0) + more
    if not book[frame]:
        del book[frame]


def _in_steps(result: object, place: SerialPlace) -> int | None:
    return place.number(result) if isinstance(result, (int, float)) else None


def _stands_in(content: bytes, address: str) -> bool:
    octets = bytes.fromhex(address.replace(":", ""))
    plain = address.lower()
    digits = (octets.hex(), octets[::-1].hex())  # backwards, as in payloads
    written = (plain, *digits, octets.hex("-"), octets.hex("_"), eui64_urn(address))
    lowered = content.lower()
    return (
        any(form.encode() in lowered for form in written)
        or octets in content
        or octets[::-1] in content
    )
