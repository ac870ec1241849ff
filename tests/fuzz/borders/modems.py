"""What comes over the serial line of each modem: its words, noise, and halves of both.

    WO PPPP QQQQ DD..   W  how it is set up, and bits below   O  what was asked of it last
                        P, Q  where the stream is cut   D  the stream

Promised: no bytes raise, it does not matter where the stream is cut, what is held is bounded, and
whatever came before, a packet that comes after it whole is heard: at once after a silence, and
without one as soon as more has come than the longest line or frame there is.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Final

from gateway.conformance import examples
from gateway.conformance.examples import Streams
from gateway.conformance.modem import HELD_BYTES, written
from gateway.driver import LoadedModem, Modem, Packet
from tests.fuzz.borders.advertisements import REGISTRY
from tests.fuzz.target import Target

_HEAD: Final = 5
_MORE_THAN_IT_HOLDS: Final = HELD_BYTES + 1024
_SINGLE_BYTES, _NO_SILENCE = 0x40, 0x80  # bits of O
_LONGEST: Final = 1024  # bytes of a line or frame; no modem's has as many

_State = tuple[list[tuple[str, str, int | None, float | None]], str | None, bool, dict[str, int]]


def _uart(loaded: LoadedModem, data: bytes) -> None:
    if len(data) < _HEAD:
        return
    stream = data[_HEAD:]
    cuts = sorted(int.from_bytes(data[at : at + 2], "little") % (len(stream) + 1) for at in (1, 3))
    pieces = [stream[: cuts[0]], stream[cuts[0] : cuts[1]], stream[cuts[1] :]]
    asked = data[0] & ~(_SINGLE_BYTES | _NO_SILENCE)
    whole = _heard(loaded, asked, [stream])
    assert _heard(loaded, asked, pieces) == whole
    if data[0] & _SINGLE_BYTES:
        assert _heard(loaded, asked, [bytes((byte,)) for byte in stream]) == whole
    _next_packet_is_heard(loaded, asked, stream, after_silence=not data[0] & _NO_SILENCE)


def _heard(loaded: LoadedModem, asked: int, pieces: Sequence[bytes]) -> _State:
    """Feed a modem that was asked something; return all that can be seen of it."""
    modem = _asked(loaded, asked)
    packets: list[Packet] = []
    for piece in pieces:
        packets += modem.feed(piece)
        _is_bounded(modem)
    packets += modem.idle()
    _is_bounded(modem)
    _says_what_a_transport_takes(modem, packets)
    return written(packets), modem.answer, modem.restarted, dict(modem.counters)


@cache
def _streams(loaded: LoadedModem) -> Streams:
    return examples.of_modem(loaded)


def _asked(loaded: LoadedModem, asked: int) -> Modem:
    """Return a modem that was asked one of its own commands, or nothing."""
    modem = loaded.connect()
    ways = _ways(loaded)
    commands = [*modem.setup(dict(ways[asked >> 4 & 3])), *filter(None, (modem.probe(),))]
    number = (asked & 0x0F) % (len(commands) + 1)
    if number:
        modem.ask(commands[number - 1])
    return modem


@cache
def _ways(loaded: LoadedModem) -> Sequence[dict[str, int | str]]:
    """Return four ways to set a modem up: those change what it says."""
    if "framing" in loaded.settings:
        return ({}, {"framing": "gap"}, {"rssi_byte": "full"}, {"rssi_byte": "half"})
    return ({}, {}, {}, {})


def _is_bounded(modem: Modem) -> None:
    parts: list[object] = list(vars(modem).values())
    for part in parts:
        parts += vars(part).values() if hasattr(part, "__dict__") else ()
    assert sum(map(sys.getsizeof, parts)) <= HELD_BYTES


def _says_what_a_transport_takes(modem: Modem, packets: Sequence[Packet]) -> None:
    for address, payload, rssi_dbm, snr_db in packets:
        assert isinstance(payload, bytes)
        assert not address or address.startswith("lora:")
        assert rssi_dbm is None or -200 <= rssi_dbm <= 127
        assert snr_db is None or -128 <= snr_db <= 128
    assert modem.answer is None or modem.answer.isprintable()
    assert all(count >= 0 for count in modem.counters.values())
    for line, _ in modem.chores():
        assert line


def _next_packet_is_heard(
    loaded: LoadedModem, asked: int, stream: bytes, *, after_silence: bool
) -> None:
    if _ways(loaded)[asked >> 4 & 3]:  # the example is of a modem set up as usual
        return
    example = _streams(loaded).examples[0]
    modem = _asked(loaded, asked)
    modem.feed(stream)
    if after_silence:
        modem.idle()
    else:
        modem.feed(stream * (_MORE_THAN_IT_HOLDS // (len(stream) + 1)))
        _is_bounded(modem)
    times = 1 if after_silence else _LONGEST // len(example.data) + 2
    heard = [*modem.feed(example.data * times), *modem.idle()]
    assert written(heard)[-len(example.frames) :] == example.frames


def _seeds(loaded: LoadedModem) -> Iterator[bytes]:
    document = _streams(loaded)
    replies = [reply.encode("latin-1") for _, reply in loaded.connect().setup({})]
    if document.probe:
        replies.append(document.probe.encode("latin-1"))
    for example in document.examples:
        cuts = [len(example.data) // part for part in (3, 2)]
        head = b"".join(cut.to_bytes(2, "little") for cut in cuts)
        for how in (0, _SINGLE_BYTES, _NO_SILENCE):
            yield bytes((how,)) + head + example.data
    for number, reply in enumerate(replies, start=1):
        yield bytes((number, 0, 0, 0, 0)) + reply + b"\r\n" + document.examples[0].data


def _target(model: str) -> Target:
    loaded = REGISTRY.modem(model)
    run: Callable[[bytes], None] = partial(_uart, loaded)
    module = "drivers.modem." + model.replace("-", "_")
    return Target(
        f"modem-{model}",
        f"the serial line of {loaded.devices[0] if loaded.devices else model}",
        run,
        partial(_seeds, loaded),
        (module, "gateway.core"),
        most_bytes=700,
    )


TARGETS: Final = tuple(_target(model) for model in REGISTRY.modems())
