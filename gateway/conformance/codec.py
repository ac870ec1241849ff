"""The checks on a codec: a driver that makes readings of payloads, heard or polled."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from time import perf_counter
from typing import Final

from gateway.conformance import examples
from gateway.conformance.checks import (
    Check,
    Finding,
    LeftOutError,
    MisbehavedError,
    first_difference,
)
from gateway.conformance.claims import claims
from gateway.conformance.examples import Example, Examples, Sample
from gateway.conformance.frames import damaged, random_frames
from gateway.conformance.polling import polls
from gateway.conformance.portable import compiles, runs
from gateway.conformance.trial import (
    MOST_READINGS,
    Tried,
    attempt,
    attempt_opened,
    faults,
    sender_of,
    written,
)
from gateway.core.refusal import DecodeError
from gateway.decoding import seal_of
from gateway.driver import LoadedDriver, Payload
from gateway.errors import DriverError
from gateway.foreign import bare
from gateway.registry import Registry

DOCUMENTED: Final = "documented"  # the first check, of codecs and modems
SLOW_S: Final = 0.010  # ten times what a frame may take: so much is no busy machine's noise
_TRIES: Final = 3
_PROTECTED_BITS: Final = 64  # of a sealed frame, at the least: its counter and its tag


class Subject:
    """A codec under test, with its examples, among the other drivers."""

    def __init__(self, driver: LoadedDriver, registry: Registry) -> None:
        self.driver = bare(driver)
        self.registry = registry

    @cached_property
    def document(self) -> Examples:
        """What stands beside it. Raises DriverError."""
        return examples.of_codec(self.driver)

    @property
    def samples(self) -> Iterable[Sample]:
        """All frames there are."""
        return chain(self.document.examples, self.document.refused)

    @cached_property
    def fresh(self) -> list[Tried | None]:
        """What each sample says before anything else was decoded: what its file says is told."""
        return [self.tried(sample, _bytes(sample))[0] for sample in self.samples]

    def tried(self, sample: Sample, data: bytes) -> tuple[Tried | None, list[Finding]]:
        """Decode a frame as the gateway would; what it was, or what went wrong."""
        try:
            return attempt(self.driver, data, sample), []
        except MisbehavedError as error:
            return None, [Finding(sample.name, data.hex() or "no bytes", str(error))]


def _documented(subject: Subject) -> Iterator[Finding]:
    try:
        document = subject.document
    except DriverError as error:
        yield Finding("", "", str(error))
        return
    if not document.source.strip():
        yield Finding("", "", "the examples do not say where they are from: source")
    if not document.examples:
        yield Finding("", "", "there is no example of a frame that is decoded")
    if not document.refused:
        yield Finding("", "", "there is no example of a frame that is refused")


def _decodes(subject: Subject) -> Iterator[Finding]:
    _ = subject.fresh
    for example in subject.document.examples:
        tried, wrong = subject.tried(example, _bytes(example))
        yield from wrong
        for what in _differs(tried, example) if tried is not None else ():
            yield Finding(example.name, example.payload, what)


def _differs(tried: Tried, example: Example) -> Iterator[str]:
    if tried.reason:
        yield f"refused: {tried.reason}"
        return
    yield from first_difference(map(written, tried.readings), example.readings, _reading)
    if tried.counter != example.counter:
        yield f"counter: got {tried.counter}, expected {example.counter}"


def _reading(reading: tuple[object, ...]) -> str:
    """Tell a reading as the file has it: name, channel, value; of what is no text, its type."""
    name, value, *channel = reading
    shown = value if isinstance(value, str) else f"{value!r} ({type(value).__name__})"
    return " ".join(map(str, (name, *channel, shown)))


def _refuses(subject: Subject) -> Iterator[Finding]:
    for refused in subject.document.refused:
        try:
            if refused.opened is None:
                tried = attempt(subject.driver, _bytes(refused), refused)
            else:
                clear = bytes.fromhex(refused.opened)
                tried = attempt_opened(subject.driver, _bytes(refused), refused, clear)
        except MisbehavedError as error:
            yield Finding(refused.name, refused.payload, str(error))
            continue
        if tried.reason != refused.reason:
            got = tried.reason or "it was decoded"
            yield Finding(refused.name, refused.payload, f"got {got}, expected {refused.reason}")


def _survives(subject: Subject) -> Iterator[Finding]:
    for sample in subject.samples:
        for frame in damaged(_bytes(sample)):
            yield from subject.tried(sample, frame)[1]


def _survives_noise(subject: Subject) -> Iterator[Finding]:
    known = [_bytes(sample) for sample in subject.samples]
    noise = Example(name="random", payload="", readings=[])
    for frame in random_frames(known, [match.prefix for match in subject.driver.matches]):
        yield from subject.tried(noise, frame)[1]


# ------------------------------------------------------------------------------------- encryption
def _sealed(subject: Subject) -> list[tuple[Example, bytes]]:
    """Return the encrypted examples with their clear text."""
    opened: list[tuple[Example, bytes]] = []
    for example in subject.document.examples:
        if example.key and subject.driver.sealed is not None:
            clear = _opened(subject.driver, _bytes(example), example)
            if clear is not None:
                opened.append((example, clear))
    if not opened:
        message = "there are no encrypted examples that the gateway opens"
        raise LeftOutError(message)
    return opened


def _opened(driver: LoadedDriver, data: bytes, example: Example) -> bytes | None:
    """Return a frame's clear text; None when it is not sealed or does not open."""
    sender = sender_of(driver, example)
    try:
        payload: Payload = examples.payload_of(driver, data)
        sealed = seal_of(driver, payload, sender.context)
        if sealed is not None:
            sender.open(sealed)
    except DecodeError:
        return None
    return sender.context.opened


def _survives_clear_text(subject: Subject) -> Iterator[Finding]:
    for example, whole in _sealed(subject):
        for clear in chain(damaged(whole), random_frames([whole], [])):
            try:
                attempt_opened(subject.driver, _bytes(example), example, clear)
            except MisbehavedError as error:
                yield Finding(example.name, f"{example.payload}, opened {clear.hex()}", str(error))


def _is_authentic(subject: Subject) -> Iterator[Finding]:
    """Damage sealed frames: they open no more, or say the same, for a format may leave bits open.

    One that says now that it is in clear is refused by the gateway, for its device has a key.
    """
    for example, _ in _sealed(subject):
        whole = attempt(subject.driver, _bytes(example), example)
        tried = 0
        for frame in damaged(_bytes(example)):
            if not _is_sealed(subject.driver, frame, example):
                continue
            tried += 1
            says, wrong = subject.tried(example, frame)
            yield from wrong
            if says is not None and not says.reason and says != whole:
                yield Finding(example.name, frame.hex(), "opens, and says something else")
        if tried < _PROTECTED_BITS:
            what = f"only {tried} of its damaged frames were still sealed"
            yield Finding(example.name, example.payload, what)


def _is_sealed(driver: LoadedDriver, frame: bytes, example: Example) -> bool:
    try:
        return seal_of(driver, frame, sender_of(driver, example).context) is not None
    except DecodeError:
        return False


# --------------------------------------------------------------------------------- what it returns
def _speaks_the_vocabulary(subject: Subject) -> Iterator[Finding]:
    for example in subject.document.examples:
        tried, wrong = subject.tried(example, _bytes(example))
        yield from wrong
        if tried is None:
            continue
        for fault in faults(tried.readings):
            yield Finding(example.name, example.payload, fault)
        if len(tried.readings) > MOST_READINGS:
            what = f"{len(tried.readings)} readings, and a message holds {MOST_READINGS}"
            yield Finding(example.name, example.payload, what)


def _forgets(subject: Subject) -> Iterator[Finding]:
    """Decode all examples anew, in the other order and with damaged ones between."""
    fresh = subject.fresh
    for number, sample in reversed(list(enumerate(subject.samples))):
        data = _bytes(sample)
        for frame in (b"", data[:-1], data):
            subject.tried(sample, frame)
        if subject.tried(sample, data)[0] != fresh[number]:
            yield Finding(sample.name, sample.payload, "says something else after other frames")


def _is_quick(subject: Subject) -> Iterator[Finding]:
    known = [_bytes(sample) for sample in subject.samples]
    noise = Example(name="random", payload="", readings=[])
    frames = [(sample, _bytes(sample)) for sample in subject.samples]
    prefixes = [match.prefix for match in subject.driver.matches]
    frames += [(noise, frame) for frame in random_frames(known, prefixes)]
    for sample, frame in frames:
        took_s = _seconds(subject, sample, frame)
        if took_s > SLOW_S:
            what = f"takes {took_s * 1e3:.1f} ms, and may take {SLOW_S * 1e3:.0f}"
            yield Finding(sample.name, frame.hex(), what)


def _seconds(subject: Subject, sample: Sample, frame: bytes) -> float:
    """Return how long a frame takes: the best of a few, for the machine may be busy."""
    best = SLOW_S + 1
    for _ in range(_TRIES):
        began = perf_counter()
        subject.tried(sample, frame)
        best = min(best, perf_counter() - began)
        if best <= SLOW_S:
            break
    return best


def _claims(subject: Subject) -> Iterator[Finding]:
    return claims(subject.driver, subject.document, subject.registry)


def _polls(subject: Subject) -> Iterator[Finding]:
    return polls(subject.driver, subject.document)


def _compiles(subject: Subject) -> Iterator[Finding]:
    return compiles(subject.driver)


def _runs(subject: Subject) -> Iterator[Finding]:
    return runs(subject.driver)


def _bytes(sample: Sample) -> bytes:
    return bytes.fromhex(sample.payload)


CHECKS: Final = (
    Check(DOCUMENTED, "it has examples, decoded and refused, and says where from", _documented),
    Check("examples", "each example decodes to its readings, to the digit", _decodes),
    Check("refusals", "each bad frame is refused with its reason", _refuses),
    Check("damage", "every truncation and flipped bit decodes or is refused", _survives),
    Check("noise", "random frames decode or are refused", _survives_noise),
    Check("clear-text", "damaged clear text of a sealed frame is survived", _survives_clear_text),
    Check("sealed", "a damaged sealed frame does not say anything else", _is_authentic),
    Check("vocabulary", "names, types, units and channels are right", _speaks_the_vocabulary),
    Check("stateless", "what it decodes does not depend on what came before", _forgets),
    Check("quick", "no frame takes longer than its length warrants", _is_quick),
    Check("claims", "its examples are recognised by it, and by no other driver", _claims),
    Check("poll", "it reads a device as its examples say, whatever that answers", _polls),
    Check("compiles", "it compiles for MicroPython", _compiles),
    Check("micropython", "MicroPython reads its examples as CPython does", _runs),
)
