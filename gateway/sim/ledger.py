"""Who sent what, and what of it arrived: the judge of a run, from outside the agent.

It knows only what went on the air and what a subscriber received. A frame is named by its device
and the serial that its sensor put into it; serials may not wrap within a run. What was sent is
kept up to a bound, then the oldest is given up and counted in `forgotten`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from gateway.core.identity import eui64_urn
from gateway.sim.sensors import SerialPlace

# An observation is accepted within 1 s of being heard; with some room for a busy machine, a frame
# sent less than this before a kill may be lost.
KILL_MARGIN_NS = 1_500_000_000

_MAX_ENTRIES = 1_000_000  # per book: some 200 MB at most, days of a district, minutes of a flood

_Entry = TypeVar("_Entry")
_Line = TypeVar("_Line")
Key = tuple[str, int, str, str]  # stream, seq, observed property, channel: the schema's own


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One frame that the agent's hardware was given."""

    device: str  # as messages name it
    serial: int
    at_ns: int  # CLOCK_BOOTTIME


class _Result(msgspec.Struct, rename="camel"):
    observed_property: str
    result: int | float | bool | str | None
    channel: str = ""


class _Link(msgspec.Struct, rename="camel"):
    frame_counter: int | None = None


class _Observation(msgspec.Struct, rename="camel"):
    seq: int
    device: str
    results: list[_Result]
    link: _Link


class _Bundle(msgspec.Struct):
    stream: str
    observations: list[_Observation]


class Ledger:
    """The books of one run."""

    def __init__(self) -> None:
        self._places: dict[str, SerialPlace] = {}
        self._names: dict[str, str] = {}  # address -> device
        self._sent: dict[tuple[str, int], Sent] = {}
        self._arrived: dict[tuple[str, int], set[tuple[str, int]]] = {}  # -> (stream, seq)
        self._values: dict[Key, object] = {}
        self._times: Counter[Key] = Counter()
        self._differing: set[Key] = set()
        self._away: list[tuple[int, int]] = []
        self.strangers: dict[str, None] = {}  # in the order they came
        self.forgotten = 0  # entries lost to the bound: then no verdict is complete

    # -------------------------------------------------------------------------------------- books
    def expect(self, address: str, *, device: str, place: SerialPlace) -> None:
        """Announce a listed sensor: what messages call it, and where its serial stands."""
        self._names[address] = device
        self._places[device] = place

    def sent(self, address: str, serial: int, at_ns: int) -> None:
        """Note a frame that reached the agent: bluetoothd signalled it, or the port took it."""
        device = self._names.get(address, address)
        self._sent[device, serial] = Sent(device, serial, at_ns)
        self._forget_oldest(self._sent)

    def strange(self, address: str) -> None:
        """Note a device that nobody listed."""
        self.strangers[address] = None
        self._forget_oldest(self.strangers)

    def _forget_oldest(self, book: dict[_Entry, _Line]) -> None:
        if len(book) > _MAX_ENTRIES:
            del book[next(iter(book))]
            self.forgotten += 1

    def away(self, from_ns: int, to_ns: int) -> None:
        """Note that nobody listened: frames sent in between are not missed."""
        self._away.append((from_ns, to_ns))

    def received(self, payload: bytes | str) -> None:
        """Note a bundle as a subscriber got it. Raises msgspec.DecodeError for anything else."""
        bundle = msgspec.json.decode(payload, type=_Bundle)
        for observation in bundle.observations:
            self._note(bundle.stream, observation)

    def _note(self, stream: str, observation: _Observation) -> None:
        serial = self._serial(observation)
        if serial is not None:
            keys = self._arrived.setdefault((observation.device, serial), set())
            keys.add((stream, observation.seq))
        for result in observation.results:
            key = (stream, observation.seq, result.observed_property, result.channel)
            self._times[key] += 1
            if self._values.setdefault(key, result.result) != result.result:
                self._differing.add(key)

    def _serial(self, observation: _Observation) -> int | None:
        place = self._places.get(observation.device)
        if place is None or not place.observed_property:
            return observation.link.frame_counter
        for result in observation.results:
            at = SerialPlace(result.observed_property, result.channel)
            if at == place and isinstance(result.result, int):
                return result.result
        return None

    # ---------------------------------------------------------------------------------- judgement
    @property
    def sent_count(self) -> int:
        """How many frames the agent's hardware was given."""
        return len(self._sent)

    @property
    def arrived_count(self) -> int:
        """How many different frames a subscriber has of them."""
        return len(self._arrived)

    def missing(self, *, sent_before_ns: int | None = None) -> list[Sent]:
        """Frames that did not arrive, the oldest first, but for those sent while it was away."""
        late = [
            sent
            for frame, sent in self._sent.items()
            if frame not in self._arrived
            and (sent_before_ns is None or sent.at_ns < sent_before_ns)
            and not any(start <= sent.at_ns < end for start, end in self._away)
        ]
        return sorted(late, key=lambda sent: sent.at_ns)

    def missing_after_kill(self, killed_at_ns: int) -> list[Sent]:
        """Frames that had been accepted when the agent was killed, and did not arrive."""
        return self.missing(sent_before_ns=killed_at_ns - KILL_MARGIN_NS)

    def duplicates(self) -> Mapping[Key, int]:
        """Results received more than once under one key, and how often: allowed, and counted."""
        return {key: times for key, times in self._times.items() if times > 1}

    def repeats(self) -> list[tuple[str, int]]:
        """Frames that arrived under two different keys: never allowed, no consumer can tell."""
        return sorted(frame for frame, keys in self._arrived.items() if len(keys) > 1)

    def contradictions(self) -> list[Key]:
        """Keys under which two different results arrived: never allowed."""
        return sorted(self._differing)

    def invented(self) -> list[tuple[str, int]]:
        """Frames that arrived and were never sent: never allowed."""
        return sorted(frame for frame in self._arrived if frame not in self._sent)

    def leaks(self, texts: Iterable[bytes | str]) -> set[str]:
        """Unlisted addresses found in messages, logs or files, as text or as their six bytes."""
        found: set[str] = set()
        for text in texts:
            content = text.encode() if isinstance(text, str) else text
            found |= {one for one in self.strangers.keys() - found if _stands_in(content, one)}
        return found


def _stands_in(content: bytes, address: str) -> bool:
    octets = bytes.fromhex(address.replace(":", ""))
    plain = address.lower()
    written = (plain, octets.hex(), octets.hex("-"), octets.hex("_"), eui64_urn(address))
    lowered = content.lower()
    return (
        any(form.encode() in lowered for form in written)
        or octets in content
        or octets[::-1] in content
    )
