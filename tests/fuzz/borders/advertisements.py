"""Advertisements, as anybody near a gateway may send them, through the real pipeline.

    MMMM FF DD..   M  mark of a driver (little-endian)   F  bits, below   D  advertising data

Promised: no bytes raise, each frame ends in exactly one counter, what is refused has a reason a
driver may give, and what is taken speaks the vocabulary, once per property and channel, in JSON
that others read; the same bytes say the same again.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Final, NamedTuple
from zlib import crc32

from gateway.admission import Device, Limits
from gateway.conformance import examples
from gateway.conformance.claims import structure_of
from gateway.conformance.examples import Example, Sample, payload_of
from gateway.conformance.polling import MOST_REQUESTS
from gateway.conformance.trial import faults
from gateway.core import gatt, refusal, terms, wire
from gateway.core.advertisement import LISTED_SERVICE, MANUFACTURER, NAME, SERVICE_DATA, structures
from gateway.core.context import Context
from gateway.core.judgement import judge
from gateway.core.refusal import DecodeError
from gateway.crypto import CcmKey
from gateway.driver import LoadedDriver
from gateway.health import Health
from gateway.model import Frame, Observation, Structure
from gateway.pipeline import Pipeline
from gateway.registry import discover
from tests.fakes import FakeClock, streams
from tests.fuzz.target import Target

REGISTRY: Final = discover()
LIMITS: Final = Limits(burst=1_000)
HEAD_BYTES: Final = 3
_NAMED, _KEYED, _OPENED, _TWICE = 1, 2, 4, 8  # bits of F
_REASONS: Final = frozenset(
    value for name, value in vars(refusal).items() if name.isupper() and isinstance(value, str)
) - {refusal.UNKNOWN_PROPERTY, refusal.DRIVER_FAULT}
_MOST_RESULTS: Final = 64  # of an observation (docs/reference/schema.md)
_ADDRESS: Final = "C0:FF:EE:00:00:01"


class Shelf:
    """A sink that always has room."""

    def __init__(self) -> None:
        self.taken: list[Observation] = []
        self.has_room = True

    async def room(self) -> None:
        """Nobody has to wait."""

    def flush(self) -> float:
        """Hold nothing back."""
        return 0.0

    def offer(self, observation: Observation) -> None:
        """Take it."""
        self.taken.append(observation)


class Air:
    """A pipeline of one device."""

    def __init__(self, device: Device) -> None:
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.shelf = Shelf()
        self.address = device.address
        self.pipeline = Pipeline(
            [device],
            registry=REGISTRY,
            streams={stream.klass: stream for stream in streams()},
            sink=self.shelf,
            health=self.health,
        )

    def advertise(self, heard: tuple[Structure, ...]) -> None:
        """Let the device be heard by Bluetooth LE."""
        self.hear("ble", heard, structures=heard)

    def hear(self, medium: str, content: object, **fields: object) -> None:
        """Hand a frame over as a transport does, and have it decoded."""
        self.clock.pass_s(61)  # the same again is no repeat
        at_ns = self.pipeline.admits(self.address, content, -71)
        if at_ns is not None:
            known: dict[str, object] = {"heard_at_ns": at_ns, "content": content, "rssi_dbm": -71}
            frame = {"medium": medium, "source": "fuzz", "address": self.address}
            self.pipeline.hear(Frame(**(frame | known | fields)))  # type: ignore[arg-type]
            self.pipeline.work(self.pipeline.waiting())

    def said(self) -> tuple[str, ...]:
        """Assert that all is in order; return what was made of it, rendered."""
        frames = self.health.frames
        assert self.health.frames_law() == 0
        assert not self.pipeline.waiting()
        assert frames.refused.keys() <= _REASONS, frames.refused
        assert len(self.shelf.taken) == frames.decoded == self.health.observations.observed
        return (*map(rendered, self.shelf.taken), repr(sorted(frames.refused.items())))


def rendered(observation: Observation) -> str:
    """Assert that an observation keeps to the schema; return its JSON."""
    assert 0 < len(observation.results) <= _MOST_RESULTS
    for name, value, scale, _, _, _ in observation.results:
        assert terms.known(name), name
        assert terms.fits(name, value, scale), (name, value, scale)
        assert -18 <= scale <= 18, (name, scale)
    keys = [(name, channel) for name, _, _, channel, _, _ in observation.results]
    assert len(set(keys)) == len(keys), keys
    link = observation.link
    text = (
        wire.observation_head(observation.seq, observation.device)
        + wire.time_exact(0, "exact")
        + wire.observation_tail(
            observation.results, wire.link(link.medium, link.rssi_dbm, None, link.frame_counter, 1)
        )
    )
    text.encode()
    json.loads(text, parse_constant=_no_number)
    return text


def _no_number(text: str) -> object:
    message = f"{text} is no number of JSON"
    raise AssertionError(message)


# ---------------------------------------------------------------------------------------- drivers
class Subject(NamedTuple):
    """A driver and what one of its devices is configured with."""

    driver: LoadedDriver
    address: str
    key: CcmKey | None
    samples: Sequence[Sample]


@cache
def subjects() -> Mapping[int, Subject]:
    """Return the drivers that read advertisements, by marks that another driver does not move."""
    drivers = [REGISTRY.by_model(model) for model in REGISTRY.models()]
    return {mark(one.model): _subject(one) for one in drivers if one.is_ble and not one.foreign}


def mark(model: str) -> int:
    """Return two bytes that stand for a driver in an input."""
    return crc32(model.encode()) & 0xFFFF


def _subject(driver: LoadedDriver) -> Subject:
    document = examples.of_codec(driver)
    samples: list[Sample] = [*document.examples, *document.refused]
    keyed = next((one for one in samples if one.key), None)
    key = CcmKey.from_text(keyed.key) if keyed else None
    digits = next((one.address for one in (keyed, *samples) if one and one.address), "")
    pairs = [digits[at : at + 2].upper() for at in range(0, len(digits), 2)]
    return Subject(driver, ":".join(pairs) or _ADDRESS, key, samples)


def chosen(data: bytes) -> Subject:
    """Return the driver whose mark is the nearest to what an input begins with."""
    wanted = int.from_bytes(data[:2], "little")
    return subjects()[min(subjects(), key=lambda known: (known ^ wanted, known))]


def advertisement(data: bytes) -> None:
    """Hear any advertising data of a listed device."""
    subject, flags, body = chosen(data), int.from_bytes(data[2:3]), data[HEAD_BYTES:]
    if flags & _OPENED:
        _whose_clear_text_is_this(subject, body)
        return
    whole = _structures(body)
    parts = [whole, _structures(body[len(body) // 2 :])] if flags & _TWICE else [whole]
    device = Device(
        address=subject.address,
        urn="ugw:kiel:one",
        driver=subject.driver if flags & _NAMED else None,
        key=subject.key if flags & _KEYED else None,
        limits=LIMITS,
    )
    first, again = Air(device), Air(device)
    for air in (first, again):
        for part in parts:
            air.advertise(part)
    assert first.said() == again.said()


def _structures(data: bytes) -> tuple[Structure, ...]:
    """Read advertising data; what BlueZ and an ESP32 would drop says nothing."""
    try:
        found = structures(data)
    except DecodeError as error:
        assert error.reason == refusal.TRUNCATED
        return ()
    assert len(found) <= len(data)
    assert sum(len(content) for _, _, content in found) <= len(data)
    return found


def _whose_clear_text_is_this(subject: Subject, clear: bytes) -> None:
    """Have a sealed frame of the driver opened to these bytes: who has the key can seal any."""
    sealed = next((sample for sample in subject.samples if sample.key), None)
    if sealed is None:
        return
    context = Context(bytes.fromhex(subject.address.replace(":", "")), clear)
    try:
        payload = payload_of(subject.driver, bytes.fromhex(sealed.payload))
        results = judge(subject.driver.decode(payload, context), ())
    except DecodeError as error:
        assert error.reason in _REASONS
    else:
        assert not list(faults([result[:4] for result in results]))


# ------------------------------------------------------------------------------------------ seeds
def _seeds() -> Iterator[bytes]:
    for number, subject in subjects().items():
        for sample in subject.samples:
            air = on_air(subject.driver, sample)
            if air is None:
                continue
            flags = (_KEYED if sample.key else 0) | (0 if subject.driver.strength else _NAMED)
            yield number.to_bytes(2, "little") + bytes((flags,)) + air
            yield number.to_bytes(2, "little") + bytes((flags | _NAMED,)) + air
            opened = getattr(sample, "opened", None)
            if opened is not None:
                yield number.to_bytes(2, "little") + bytes((_OPENED,)) + bytes.fromhex(opened)


def on_air(driver: LoadedDriver, sample: Sample) -> bytes | None:
    """Return an example as advertising data; None for one that is not on the air."""
    data = bytes.fromhex(sample.payload)
    if driver.poll is not None and not driver.matches:
        return None
    if driver.payload == "advertisement":
        return data
    if isinstance(sample, Example):
        found = structure_of(driver, sample)
    else:
        match = driver.matches[0] if driver.matches else None
        found = (match.ad_type, match.identifier, data) if match else None
    if found is None:
        return None
    parts = [found]
    if found[0] == NAME:  # found by its name, it says its values beside it
        parts.append((MANUFACTURER, int.from_bytes(data[:2], "little"), data[2:]))
    return b"".join(_structure(*part) for part in parts)


def _structure(ad_type: int, identifier: int, content: bytes) -> bytes:
    sizes = {MANUFACTURER: (2, MANUFACTURER), NAME: (0, NAME), LISTED_SERVICE: (2, LISTED_SERVICE)}
    if ad_type == SERVICE_DATA or identifier >= 1 << 16:
        size = 16 if identifier >= 1 << 32 else 4 if identifier >= 1 << 16 else 2
        kind = {2: SERVICE_DATA, 4: 0x20, 16: 0x21}[size]
    else:
        size, kind = sizes[ad_type]
    body = bytes((kind,)) + identifier.to_bytes(size, "little") + content
    return bytes((len(body) & 0xFF,)) + body[:255]


def keep_lengths(data: bytes, chance: random.Random) -> bytes:
    """Change one structure's content, and say its length as it is then."""
    head, parts, at = data[:HEAD_BYTES], list[bytearray](), HEAD_BYTES
    while at < len(data):
        size = max(1, data[at])
        parts.append(bytearray(data[at + 1 : at + 1 + size]))
        at += 1 + size
    if not parts:
        return head + bytes((2, 9, 65))
    part = chance.choice(parts)
    for _ in range(chance.randint(1, 4)):
        at, what = chance.randrange(len(part) + 1), chance.randrange(4)
        if what == 0:
            part[at:at] = chance.randbytes(chance.randint(1, 4))
        elif what == 1 and part:
            del part[at : at + chance.randint(1, 4)]
        elif at < len(part):
            part[at] = chance.choice((0, 0x7F, 0x80, 0xFF, part[at] ^ 1 << chance.randrange(8)))
    if chance.random() < 0.1:
        chance.shuffle(parts)
    return head + b"".join(bytes((len(one),)) + one for one in parts if 0 < len(one) <= 0xFF)


# ------------------------------------------------------------------------------------------- polls
@cache
def _polled() -> Sequence[Subject]:
    return [one for _, one in sorted(subjects().items()) if one.driver.poll is not None]


def connection(data: bytes) -> None:
    """Poll a device that answers any bytes: `N` of the driver, then length and value each."""
    polled = _polled()
    subject, answers = polled[int.from_bytes(data[:1]) % len(polled)], _Answers(data[1:])
    poll = subject.driver.poll
    assert poll is not None
    context = Context(bytes.fromhex(subject.address.replace(":", "")))
    generator, given = poll(context), None
    for number in range(MOST_REQUESTS):
        try:
            request = generator.send(given) if number else next(generator)
        except StopIteration as end:
            _is_read(subject.driver, end.value, context)
            return
        except DecodeError as error:
            assert error.reason in _REASONS
            return
        given = answers.to(request[0])
    message = f"asks {MOST_REQUESTS} times and does not end"
    raise AssertionError(message)


class _Answers:
    """What a device answers, one after the other; in the end nothing."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def to(self, kind: int) -> bytes | None:
        """Return the answer to a request."""
        size = int.from_bytes(self._data[:1])
        value, self._data = self._data[1 : 1 + size], self._data[1 + size :]
        if kind == gatt.LISTEN or size == 0xFF:
            return None
        return b"" if kind == gatt.WRITE else value


def _is_read(driver: LoadedDriver, payload: object, context: Context) -> None:
    assert isinstance(payload, bytes)
    try:
        readings = driver.decode(payload, context)
    except DecodeError as error:
        assert error.reason in _REASONS
    else:
        assert not list(faults(readings))


def _poll_seeds() -> Iterator[bytes]:
    for number, subject in enumerate(_polled()):
        for sample in subject.samples:
            yield bytes((number,)) + _conversation(subject, bytes.fromhex(sample.payload))


def _conversation(subject: Subject, payload: bytes) -> bytes:
    """Return the answers of a device whose values an example's payload lists."""
    values, at = dict[str, bytes](), 0
    while at + 4 <= len(payload):  # 02 UUID (2) length, value
        size = payload[at + 3]
        values[payload[at + 1 : at + 3].hex()] = payload[at + 4 : at + 4 + size]
        at += 4 + size
    assert subject.driver.poll is not None
    generator, given, said = subject.driver.poll(Context(bytes(6))), None, b""
    with suppress(StopIteration, DecodeError):
        request = next(generator)
        while True:
            given = b"" if request[0] == gatt.WRITE else values.get(request[2][4:8])
            said += b"\xff" if given is None else bytes((len(given),)) + given
            request = generator.send(given)
    return said


TARGETS: Final = (
    Target(
        "advertisements",
        "Bluetooth LE advertisements, of each format, in clear and sealed",
        advertisement,
        _seeds,
        (
            "gateway.core",
            "gateway.decoding",
            "gateway.registry",
            "gateway.pipeline",
            "drivers.ble",
        ),
        most_bytes=270,
        mutate=keep_lengths,
        share=4,
    ),
    Target(
        "gatt-values",
        "what a polled Bluetooth sensor answers over a connection",
        connection,
        _poll_seeds,
        ("gateway.core", "drivers.ble"),
        most_bytes=512,
    ),
)
