"""The checks on a modem driver: bytes of a serial line in, packets out."""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Final

from gateway.conformance import examples
from gateway.conformance.checks import Check, Finding, MisbehavedError, called, first_difference
from gateway.conformance.codec import DOCUMENTED
from gateway.conformance.examples import Stream, Streams
from gateway.conformance.frames import SEED, damaged
from gateway.conformance.portable import compiles, runs
from gateway.driver import LoadedModem, Modem, Packet
from gateway.errors import DriverError

HELD_BYTES: Final = 4096  # by everything a connection consists of
_JUNK_BYTES: Final = 1 << 18
_PIECE_BYTES: Final = 1 << 14
_NOISE: Final = (b"\x00\xff\x80\r\n", b"\n\n\n", b"~" * 5000 + b"\r\n")
_JUNK: Final = (b"x", b"\n", b"\x00", b"\xff", b"+", b"+OK\r\n", b"+RCV=1,240,", b"\xc0")
_ROUNDS: Final = 200
_PIECES: Final = 8

Written = list[tuple[str, str, int | None, float | None]]


class Subject:
    """A modem driver under test, with its examples."""

    def __init__(self, loaded: LoadedModem) -> None:
        self.loaded = loaded

    @cached_property
    def document(self) -> Streams:
        """What stands beside it. Raises DriverError."""
        return examples.of_modem(self.loaded)

    def feed(self, modem: Modem, *pieces: bytes) -> Sequence[Packet]:
        """Feed a modem piece by piece. Raises MisbehavedError."""
        return [packet for piece in pieces for packet in self.called(partial(modem.feed, piece))]

    def hear(self, modem: Modem, *pieces: bytes) -> Sequence[Packet]:
        """Feed a modem piece by piece, then let it be silent. Raises MisbehavedError."""
        return [*self.feed(modem, *pieces), *self.called(modem.idle)]

    def called(self, what: Callable[[], Sequence[Packet]]) -> Sequence[Packet]:
        """Have the driver do something. Raises MisbehavedError when it raises."""
        return called(what, self.loaded.file)


def _documented(subject: Subject) -> Iterator[Finding]:
    try:
        document = subject.document
    except DriverError as error:
        yield Finding("", "", str(error))
        return
    if not document.source.strip():
        yield Finding("", "", "the examples do not say where they are from: source")
    if not document.examples or not document.examples[0].frames:
        yield Finding("", "", "the first example has to be one of a real device, with packets")


def _hears(subject: Subject) -> Iterator[Finding]:
    for example in subject.document.examples:
        yield from _as_written(subject, example, example.data)


def _hears_in_pieces(subject: Subject) -> Iterator[Finding]:
    for example in subject.document.examples:
        data = example.data
        for cut in range(len(data) + 1):
            yield from _as_written(subject, example, data[:cut], data[cut:])
        yield from _as_written(subject, example, *(bytes([byte]) for byte in data))


def _as_written(subject: Subject, example: Stream, *pieces: bytes) -> Iterator[Finding]:
    modem = subject.loaded.connect()
    shown = " | ".join(piece.hex() for piece in pieces)
    try:
        got = written(subject.hear(modem, *pieces))
    except MisbehavedError as error:
        yield Finding(example.name, shown, str(error))
        return
    for what in first_difference(got, example.frames):
        yield Finding(example.name, shown, what)
    counted = {name: count for name, count in modem.counters.items() if count}
    if counted != example.counters:
        yield Finding(example.name, shown, f"counted {counted}, expected {example.counters}")


def _bears_noise(subject: Subject) -> Iterator[Finding]:
    for example in subject.document.examples:
        for noise in _NOISE:
            modem = subject.loaded.connect()
            heard = written(subject.hear(modem, noise + example.data + noise))
            for what in first_difference(heard, example.frames):
                yield Finding(example.name, noise[:8].hex(), f"noise around it: {what}")


def _recovers(subject: Subject) -> Iterator[Finding]:
    whole = subject.document.examples[0]
    for example in subject.document.examples:
        for stream in damaged(example.data):
            modem = subject.loaded.connect()
            try:
                subject.hear(modem, stream)
                heard = written(subject.hear(modem, whole.data))
            except MisbehavedError as error:
                yield Finding(example.name, stream.hex(), str(error))
                continue
            for what in first_difference(heard, whole.frames):
                yield Finding(example.name, stream.hex(), f"the packet after it: {what}")


def _is_bounded(subject: Subject) -> Iterator[Finding]:
    """Feed it beginnings without end: of a packet, and what no modem says."""
    first = subject.document.examples[0]
    beginnings = [first.data[:length] for length in range(1, len(first.data))]
    for junk in (*_JUNK, *beginnings):
        modem = subject.loaded.connect()
        endless = (junk * (_JUNK_BYTES // len(junk) + 1))[:_JUNK_BYTES]
        try:
            for start in range(0, _JUNK_BYTES, _PIECE_BYTES):
                subject.feed(modem, endless[start : start + _PIECE_BYTES])
                yield from _held_too_much(modem, junk)
            subject.called(modem.idle)
            yield from _held_too_much(modem, junk)
            heard = written(subject.hear(modem, first.data))
        except MisbehavedError as error:
            yield Finding("", junk.hex(), f"without end: {error}")
            continue
        for what in first_difference(heard, first.frames):
            yield Finding(first.name, junk.hex(), f"after this without end: {what}")


def _held_too_much(modem: Modem, junk: bytes) -> Iterator[Finding]:
    """Count all that a connection consists of, and of what that consists of."""
    parts: list[object] = list(vars(modem).values())
    for part in parts:
        parts += vars(part).values() if hasattr(part, "__dict__") else ()
    held = sum(map(sys.getsizeof, parts))
    if held > HELD_BYTES:
        yield Finding("", junk.hex(), f"without end: it holds {held} bytes")


def _takes_any_bytes(subject: Subject) -> Iterator[Finding]:
    chance = random.Random(SEED)  # noqa: S311 - the same noise each time, nothing secret
    known = [example.data for example in subject.document.examples]
    for _ in range(_ROUNDS):
        pieces = [_piece(chance, known) for _ in range(chance.randrange(_PIECES))]
        shown = " | ".join(piece.hex() for piece in pieces)
        cut, whole = subject.loaded.connect(), subject.loaded.connect()
        try:
            apart, together = subject.hear(cut, *pieces), subject.hear(whole, b"".join(pieces))
        except MisbehavedError as error:
            yield Finding("random", shown, str(error))
            continue
        for what in first_difference(written(apart), written(together)):
            yield Finding("random", shown, f"in pieces {what} in one")
        if cut.counters != whole.counters:
            yield Finding("random", shown, f"counts {cut.counters}, in one {whole.counters}")


def _piece(chance: random.Random, known: Sequence[bytes]) -> bytes:
    if chance.random() < 0.5:  # noqa: PLR2004 - half of them
        return chance.randbytes(chance.randrange(300))
    data = chance.choice(known)
    return data[chance.randrange(len(data) + 1) :] + data[: chance.randrange(len(data) + 1)]


def _can_be_asked(subject: Subject) -> Iterator[Finding]:
    modem, reply = subject.loaded.connect(), subject.document.probe
    probe = modem.probe()
    if probe is None or reply is None:
        if (probe is None) != (reply is None):
            yield Finding("probe", "", f"it is {probe}, and its answer in the examples {reply}")
        return
    if modem.ask(probe) != probe[0]:
        yield Finding("probe", probe[0].hex(), "ask() returns something else to write")
    if modem.answer is not None:
        yield Finding("probe", probe[0].hex(), "no answer is awaited after ask()")
    modem.feed(reply.encode("latin-1"))
    if modem.answer:
        yield Finding("probe", probe[0].hex(), f"{reply!r} is taken for {modem.answer!r}")
    elif modem.answer is None:
        yield Finding("probe", probe[0].hex(), f"{reply!r} is not taken for its answer")


def _wants_until_answered(subject: Subject) -> Iterator[Finding]:
    """Look at what it wants to be told: nothing at first; then the same until it was answered."""
    modem = subject.loaded.connect()
    if (modem.answer, modem.restarted, list(modem.chores())) != ("", False, []):
        yield Finding("", "", "it has just been connected, and already wants something")
    for example in subject.document.examples:
        modem = subject.loaded.connect()
        subject.feed(modem, example.data)
        chores = list(modem.chores())
        for chore in chores:
            modem.ask(chore)
        if list(modem.chores()) != chores:
            yield Finding(example.name, example.data.hex(), f"forgets its unanswered {chores}")


def _changes_nothing_unasked(subject: Subject) -> Iterator[Finding]:
    """Refuse to guess at what a setup without settings does: it has to be possible."""
    commands = called(lambda: list(subject.loaded.connect().setup({})), subject.loaded.file)
    for number, (line, _) in enumerate(commands):
        if not line:
            yield Finding("setup", "", f"command {number} has nothing to write")


def written(packets: Sequence[Packet]) -> Written:
    """Return packets in the form of the file."""
    return [(address, data.hex(), rssi, snr) for address, data, rssi, snr in packets]


def _compiles(subject: Subject) -> Iterator[Finding]:
    return compiles(subject.loaded)


def _runs(subject: Subject) -> Iterator[Finding]:
    return runs(subject.loaded)


CHECKS: Final = (
    Check(DOCUMENTED, "it has examples, and says where they are from", _documented),
    Check("examples", "each example gives its packets and counters", _hears),
    Check("cuts", "it does not matter where the stream is cut", _hears_in_pieces),
    Check("noise", "noise around an example costs no packet", _bears_noise),
    Check("damage", "after any damage the next packet is heard", _recovers),
    Check("bounded", "junk without end is not kept", _is_bounded),
    Check("any-bytes", "any bytes are taken, in pieces as in one", _takes_any_bytes),
    Check("probe", "it can be asked whether it is there", _can_be_asked),
    Check(
        "chores", "what it wants to be told it wants until it was answered", _wants_until_answered
    ),
    Check("setup", "it can be set up without settings", _changes_nothing_unasked),
    Check("compiles", "it compiles for MicroPython", _compiles),
    Check("micropython", "MicroPython reads its examples as CPython does", _runs),
)
