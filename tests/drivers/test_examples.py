"""What every driver promises, checked over every example of every driver.

A new driver is tested by its two files alone: `name.py` and `name.json` beside it.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import refusal, vocabulary, wire
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.crypto import CcmKey
from gateway.driver import LOCAL_NAME, LoadedDriver
from gateway.model import Reading, Sealed, Structure
from gateway.registry import discover

REGISTRY = discover()
DRIVERS = [REGISTRY.by_model(model) for model in REGISTRY.models()]
REASONS = {value for name, value in vars(refusal).items() if name.isupper()}
CHANNEL = set("abcdefghijklmnopqrstuvwxyz0123456789-")


class Example(msgspec.Struct, forbid_unknown_fields=True):
    """One frame and what it says."""

    name: str
    payload: str
    readings: list[tuple[Any, ...]]
    counter: int | None = None
    address: str = ""
    key: str = ""
    port: int | None = None
    local_name: str = ""  # where the driver is found by it
    identifier: int | None = None  # of the structure, where the driver matches several

    @property
    def frame(self) -> bytes:
        return bytes.fromhex(self.payload)


class Refused(msgspec.Struct, forbid_unknown_fields=True):
    """One frame and why it is refused."""

    name: str
    payload: str
    reason: str


class Examples(msgspec.Struct, forbid_unknown_fields=True):
    """The file beside a driver."""

    model: str
    source: str
    examples: list[Example]
    refused: list[Refused]


def read(driver: LoadedDriver) -> Examples:
    """Read the examples beside a driver."""
    return msgspec.json.decode(Path(driver.file).with_suffix(".json").read_bytes(), type=Examples)


EXAMPLES = [(driver, example) for driver in DRIVERS for example in read(driver).examples]
REFUSED = [(driver, refused) for driver in DRIVERS for refused in read(driver).refused]

each_driver = pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.model)
each_example = pytest.mark.parametrize(
    ("driver", "example"), EXAMPLES, ids=[f"{d.model}: {e.name}" for d, e in EXAMPLES]
)

each_sealed = pytest.mark.parametrize(
    ("driver", "example"),
    [(d, e) for d, e in EXAMPLES if e.key],
    ids=[f"{d.model}: {e.name}" for d, e in EXAMPLES if e.key],
)


def opened(driver: LoadedDriver, payload: bytes, example: Example) -> tuple[Context, int | None]:
    """Return the context to decode a payload in, and its counter, as the gateway does."""
    context = Context(bytes.fromhex(example.address), port=example.port)
    counter = driver.packet_counter(payload) if driver.packet_counter else None
    fields = driver.sealed(payload, context) if driver.sealed else None
    if fields is not None and example.key:
        sealed = Sealed(*fields)
        counter = sealed.counter
        context.opened = CcmKey.from_text(example.key).open(sealed)
    return context, counter


def written(reading: Reading) -> tuple[Any, ...]:
    """Return a reading in the form of the file."""
    name, value, scale, channel = reading
    if isinstance(value, int) and not isinstance(value, bool):
        value = wire.decimal(value, scale)
    return (name, value, channel) if channel else (name, value)


def damaged(frame: bytes) -> Iterator[bytes]:
    """Yield every truncation of a frame and every frame that differs from it in one bit."""
    for length in range(len(frame)):
        yield frame[:length]
    for bit in range(8 * len(frame)):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def check(readings: Sequence[Reading]) -> None:
    """Check that readings are what the interface says, whatever the frame was."""
    for name, value, scale, channel in readings:
        assert vocabulary.known(name), name
        assert vocabulary.fits(name, value, scale), (name, value, scale)
        assert type(value) in {int, bool, str, type(None)}
        assert type(scale) is int
        assert set(channel) <= CHANNEL
    keys = [(name, channel) for name, _, _, channel in readings]
    assert len(keys) == len(set(keys)), "a property with its channel stands in a frame once"


def decode_or_refuse(driver: LoadedDriver, payload: bytes, example: Example) -> None:
    """Decode as the gateway does; nothing but a refusal with a known reason may come out."""
    try:
        context, _ = opened(driver, payload, example)
        check(driver.decode(payload, context))
    except DecodeError as refused:
        assert refused.reason in REASONS


@each_driver
def test_a_driver_has_examples_and_says_where_they_are_from(driver: LoadedDriver) -> None:
    document = read(driver)
    assert document.model == driver.model
    assert document.source
    assert document.examples
    assert document.refused


@each_example
def test_an_example_decodes_to_its_readings(driver: LoadedDriver, example: Example) -> None:
    context, counter = opened(driver, example.frame, example)
    readings = driver.decode(example.frame, context)
    assert [written(reading) for reading in readings] == example.readings
    assert counter == example.counter
    check(readings)


@pytest.mark.parametrize(
    ("driver", "refused"), REFUSED, ids=[f"{d.model}: {r.name}" for d, r in REFUSED]
)
def test_a_bad_frame_is_refused_with_its_reason(driver: LoadedDriver, refused: Refused) -> None:
    with pytest.raises(DecodeError) as caught:
        driver.decode(bytes.fromhex(refused.payload), Context())
    assert caught.value.reason == refused.reason


@each_example
def test_a_damaged_example_decodes_or_is_refused(driver: LoadedDriver, example: Example) -> None:
    for payload in damaged(example.frame):
        decode_or_refuse(driver, payload, example)


@each_sealed
def test_damaged_clear_text_decodes_or_is_refused(driver: LoadedDriver, example: Example) -> None:
    """Who has the key can seal anything."""
    context, _ = opened(driver, example.frame, example)
    assert context.opened is not None
    for clear in damaged(context.opened):
        try:
            check(driver.decode(example.frame, Context(context.address, clear)))
        except DecodeError as refused:
            assert refused.reason in REASONS


@each_sealed
def test_a_damaged_sealed_frame_is_not_opened(driver: LoadedDriver, example: Example) -> None:
    """Every bit of it is authenticated; some say instead that it is not sealed at all."""
    assert driver.sealed is not None
    key = CcmKey.from_text(example.key)
    tried = 0
    for payload in damaged(example.frame):
        try:
            fields = driver.sealed(payload, Context(bytes.fromhex(example.address)))
        except DecodeError:
            continue
        if fields is not None:
            tried += 1
            with pytest.raises(DecodeError):
                key.open(Sealed(*fields))
    assert tried > 8 * 8  # at the least the counter and the tag


@each_example
def test_decoding_leaves_no_trace(driver: LoadedDriver, example: Example) -> None:
    first = driver.decode(example.frame, opened(driver, example.frame, example)[0])
    for payload in (b"", example.frame[:-1], example.frame):
        decode_or_refuse(driver, payload, example)
    assert driver.decode(example.frame, opened(driver, example.frame, example)[0]) == first


@each_example
def test_an_example_is_claimed_by_its_driver_alone(driver: LoadedDriver, example: Example) -> None:
    if not driver.matches:
        return
    structure = structure_of(driver, example)
    assert [other.model for other in DRIVERS if other.claims(structure)] == [driver.model]
    assert REGISTRY.for_structure(*structure) is (driver if driver.strength else None)


def structure_of(driver: LoadedDriver, example: Example) -> Structure:
    """Return the structure by which an example is found."""
    if example.local_name:
        return (LOCAL_NAME, 0, example.local_name.encode())
    frame, identifier = example.frame, example.identifier
    if driver.payload == "manufacturer" and identifier is None:
        identifier, frame = int.from_bytes(frame[:2], "little"), frame[2:]
    for match in driver.matches:
        structure = (match.ad_type, match.identifier, frame)
        if identifier in (None, match.identifier) and match.fits(structure):
            return structure
    pytest.fail("no MATCH of the driver fits its own example")


@each_driver
@given(data=st.binary(max_size=260), opened=st.none() | st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(
    driver: LoadedDriver, data: bytes, opened: bytes | None
) -> None:
    payload = (driver.matches[0].prefix if driver.matches else b"") + data
    context = Context(bytes(6), opened)
    if driver.packet_counter:
        driver.packet_counter(payload)
    for read_frame in filter(None, (driver.sealed, driver.decode)):
        try:
            read_frame(payload, context)
        except DecodeError as refused:
            assert refused.reason in REASONS


def test_every_driver_file_is_loaded() -> None:
    assert REGISTRY.quarantined == []
    folder = Path(DRIVERS[0].file).parents[1]
    files = {str(path) for path in folder.glob("*/[!_]*.py")}
    modems = {REGISTRY.modem(model).file for model in REGISTRY.modems()}
    assert {driver.file for driver in DRIVERS} | modems == files


def test_no_examples_stand_without_a_driver() -> None:
    folder = Path(DRIVERS[0].file).parents[1]
    for path in folder.glob("*/*.json"):
        model = json.loads(path.read_bytes())["model"]
        assert model in REGISTRY.models() + REGISTRY.modems()
