"""What every modem driver promises, checked over every example of every modem driver."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.driver import LoadedModem, Modem, Packet
from gateway.registry import discover

REGISTRY = discover()
MODEMS = [REGISTRY.modem(model) for model in REGISTRY.modems()]
HELD_BYTES = 4096  # by everything a connection consists of
MEGABYTE = 1 << 20


class Example(msgspec.Struct, forbid_unknown_fields=True):
    """What a modem says, and what is in it."""

    name: str
    stream: str  # one character is one byte
    frames: list[tuple[str, str, int | None, float | None]]
    counters: dict[str, int]

    @property
    def data(self) -> bytes:
        return self.stream.encode("latin-1")


class Examples(msgspec.Struct, forbid_unknown_fields=True):
    """The file beside a modem driver."""

    model: str
    source: str
    examples: list[Example]


def read(loaded: LoadedModem) -> Examples:
    """Read the examples beside a driver."""
    return msgspec.json.decode(Path(loaded.file).with_suffix(".json").read_bytes(), type=Examples)


EXAMPLES = [(loaded, example) for loaded in MODEMS for example in read(loaded).examples]

each_modem = pytest.mark.parametrize("loaded", MODEMS, ids=lambda loaded: loaded.model)
each_example = pytest.mark.parametrize(
    ("loaded", "example"), EXAMPLES, ids=[f"{m.model}: {e.name}" for m, e in EXAMPLES]
)


def written(frames: Sequence[Packet]) -> list[tuple[str, str, int | None, float | None]]:
    """Return packets in the form of the file."""
    return [(address, data.hex(), rssi, snr) for address, data, rssi, snr in frames]


def heard(modem: Modem, *pieces: bytes) -> Sequence[Packet]:
    """Feed a modem piece by piece."""
    return [packet for piece in pieces for packet in modem.feed(piece)]


def counted(modem: Modem) -> dict[str, int]:
    """Return the counters that are not 0."""
    return {name: count for name, count in modem.counters.items() if count}


@each_modem
def test_a_modem_has_examples_and_says_where_they_are_from(loaded: LoadedModem) -> None:
    document = read(loaded)
    assert document.model == loaded.model
    assert document.source
    assert document.examples[0].frames, "the first is one of a real device"


@each_example
def test_an_example_gives_its_packets_and_counters(loaded: LoadedModem, example: Example) -> None:
    modem = loaded.connect()
    assert written(modem.feed(example.data)) == example.frames
    assert counted(modem) == example.counters


@each_example
def test_it_does_not_matter_where_the_stream_is_cut(loaded: LoadedModem, example: Example) -> None:
    data = example.data
    for cut in range(len(data) + 1):
        modem = loaded.connect()
        assert written(heard(modem, data[:cut], data[cut:])) == example.frames
        assert counted(modem) == example.counters
    modem = loaded.connect()
    assert written(heard(modem, *(bytes([byte]) for byte in data))) == example.frames
    assert counted(modem) == example.counters


@each_example
@pytest.mark.parametrize("noise", [b"\x00\xff\x80\r\n", b"\n\n\n", b"~" * 5000 + b"\r\n"])
def test_noise_around_an_example_costs_no_packet(
    loaded: LoadedModem, example: Example, noise: bytes
) -> None:
    modem = loaded.connect()
    assert written(heard(modem, noise + example.data + noise)) == example.frames


@each_example
def test_after_any_damage_the_next_packet_is_heard(loaded: LoadedModem, example: Example) -> None:
    whole = read(loaded).examples[0]
    data = example.data
    streams = [data[:length] for length in range(len(data))]
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        streams.append(bytes(flipped))
    for stream in streams:
        modem = loaded.connect()
        heard(modem, stream)
        modem.idle()
        assert written(modem.feed(whole.data)) == whole.frames


@each_modem
@pytest.mark.parametrize(
    "junk", [b"x", b"\n", b"+", b"+RCV=", b"+RCV=1,240,", b"+RCV=1,1,\n", b"+OK\r\n", b"\x00"]
)
def test_junk_without_end_is_counted_and_not_kept(loaded: LoadedModem, junk: bytes) -> None:
    modem = loaded.connect()
    size = 10 * MEGABYTE if junk == b"x" else MEGABYTE // 4
    data = (junk * (size // len(junk) + 1))[:size]
    for start in range(0, size, MEGABYTE):
        heard(modem, data[start : start + MEGABYTE])
        assert sum(map(sys.getsizeof, vars(modem).values())) < HELD_BYTES
    assert modem.idle() == []
    assert written(modem.feed(read(loaded).examples[0].data)) == read(loaded).examples[0].frames


@each_modem
@given(pieces=st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_are_taken_in_pieces_as_in_one(loaded: LoadedModem, pieces: list[bytes]) -> None:
    cut, whole = loaded.connect(), loaded.connect()
    assert heard(cut, *pieces) == whole.feed(b"".join(pieces))
    assert cut.idle() == whole.idle()
    assert cut.counters == whole.counters


@each_modem
def test_a_probe_is_answered_by_what_it_expects(loaded: LoadedModem) -> None:
    modem = loaded.connect()
    line, expected = modem.probe()
    assert modem.ask((line, expected)) == line
    assert modem.answer is None
    modem.feed(expected.encode() + b"\r\n")
    assert modem.answer == ""


@each_modem
def test_without_settings_nothing_is_changed(loaded: LoadedModem) -> None:
    modem = loaded.connect()
    assert modem.setup({}) == [modem.probe()]
