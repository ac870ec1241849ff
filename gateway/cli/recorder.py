"""Frames of one listed device, as examples of its driver: nothing of any other is looked at.

A frame that says the same as one before is not recorded again, and no more than MOST are. Of an
encrypted device nothing is recorded: an example of it would have to hold its key.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.cli.decode_answer import found_by
from gateway.clock import Clock
from gateway.conformance.examples import Example, Refused
from gateway.conformance.trial import Tried, attempt, written
from gateway.core.refusal import DecodeError
from gateway.decoding import Once, seal_of, unhex
from gateway.driver import LOCAL_NAME, LoadedDriver
from gateway.model import Frame
from gateway.registry import Registry

MOST: Final = 50

Sample = Example | Refused
Document = dict[str, Any]


class Recorder:
    """An Intake (gateway.model) for one device."""

    def __init__(self, address: str, clock: Clock) -> None:
        self.frames: list[Frame] = []
        self.heard = 0
        self._address = address
        self._clock = clock
        self._contents: list[object] = []

    @property
    def is_full(self) -> bool:
        """Whether no more frames are recorded."""
        return len(self.frames) >= MOST

    def lists(self, address: str) -> bool:
        """Whether it is the device."""
        return address == self._address

    def admits(self, address: str, content: object, rssi_dbm: int | None = None) -> int | None:
        """Let in what the device has not said before."""
        del rssi_dbm
        if address != self._address:
            return None
        self.heard += 1
        if self.is_full or content in self._contents:
            return None
        self._contents.append(content)
        return self._clock.boot_ns()

    def wants(self, address: str) -> bool:
        """Poll the device, if it is one that is polled."""
        return address == self._address and not self.is_full

    def sender(self, uplink: bytes) -> str:
        """Leave LoRaWAN uplinks alone: they are encrypted, and whose they are only keys tell."""
        del uplink
        return ""

    def hear(self, frame: Frame) -> None:
        """Keep a frame."""
        self.frames.append(frame)


class Recorded(msgspec.Struct, kw_only=True):
    """What became of the frames."""

    driver: LoadedDriver | None = None
    samples: list[Sample] = []
    unknown: int = 0  # frames that no driver reads
    encrypted: int = 0

    def add(self, sample: Sample) -> None:
        """Add a sample, unless its payload is there."""
        if sample.payload not in {known.payload for known in self.samples}:
            self.samples.append(sample)


def recorded(
    frames: list[Frame], registry: Registry, named: LoadedDriver | None, *, as_hex: bool
) -> Recorded:
    """Return frames as examples of the driver that reads them."""
    result = Recorded(driver=named)
    for frame in frames:
        driver, payload = named, frame.payload
        if frame.structures:
            driver, read = registry.recognise(frame.structures, named)
            payload = read if isinstance(read, bytes) else b""
        if driver is None or (frame.structures and not payload):
            result.unknown += 1
            continue
        try:
            payload = unhex(payload) if as_hex else payload
            example = _example(driver, frame, payload, len(result.samples) + 1)
        except DecodeError:
            result.unknown += 1
            continue
        result.driver = driver
        if example is None:
            result.encrypted += 1
        else:
            result.add(example)
    return result


def _example(driver: LoadedDriver, frame: Frame, payload: bytes, number: int) -> Sample | None:
    """Return a frame as an example; None when it is encrypted. Raises DecodeError."""
    address = "" if frame.medium == "lora" else frame.address.replace(":", "").lower()
    if driver.sealed is not None:
        sender = Once(bytes.fromhex(address), port=frame.port)
        if seal_of(driver, payload, sender.context) is not None:
            return None
    found = found_by(driver, frame.structures)
    example = Example(
        name=f"recorded {number}",
        payload=payload.hex(),
        readings=[],
        address=address,
        port=frame.port,
        local_name=found[2].decode(errors="replace") if found and found[0] == LOCAL_NAME else "",
        identifier=found[1] if found and len(driver.matches) > 1 and found[1] else None,
    )
    tried = attempt(driver, payload, example)
    # Whose it is stands in an example only where the readings depend on it.
    anonymous = msgspec.structs.replace(example, address="")
    if attempt(driver, payload, anonymous) == tried:
        example = anonymous
    return _judged(example, tried)


def _judged(example: Example, tried: Tried) -> Sample:
    if tried.reason:
        return Refused(name=example.name, payload=example.payload, reason=tried.reason)
    readings = [written(reading) for reading in tried.readings]
    return msgspec.structs.replace(example, readings=readings, counter=tried.counter)


# --------------------------------------------------------------------------------------- the file
def merged(document: Document, samples: list[Sample]) -> tuple[Document, int]:
    """Add samples to a document of examples; how many were not in it before."""
    known = {one["payload"] for kind in ("examples", "refused") for one in document[kind]}
    fresh = [sample for sample in samples if sample.payload not in known]
    added = {
        "examples": [as_told(one) for one in fresh if isinstance(one, Example)],
        "refused": [as_told(one) for one in fresh if isinstance(one, Refused)],
    }
    more = {kind: [*document[kind], *added[kind]] for kind in added}
    return {**document, **more}, len(fresh)


def as_told(sample: Sample) -> Document:
    """Return a sample as the file has it: what says nothing is left out."""
    fields = msgspec.to_builtins(sample)
    empty = ("", None)
    return {name: value for name, value in fields.items() if value not in empty}


def text_of(documents: list[Document]) -> str:
    """Lay a file out as people write it: a line for each key, a reading in one piece."""
    texts = ["\n".join(_lines(document)) for document in documents]
    return texts[0] + "\n" if len(texts) == 1 else "[\n" + ",\n".join(texts) + "\n]\n"


def _lines(document: Document) -> Iterator[str]:
    yield "{"
    for last, (key, value) in _with_last(list(document.items())):
        comma = "" if last else ","
        if key in ("examples", "refused") and value:
            yield f"  {json.dumps(key)}: ["
            for end, sample in _with_last(value):
                yield from _of_sample(sample, "" if end else ",")
            yield f"  ]{comma}"
        else:
            yield f"  {json.dumps(key)}: {_compact(value)}{comma}"
    yield "}"


def _of_sample(sample: Document, comma: str) -> Iterator[str]:
    yield "    {"
    for last, (key, value) in _with_last(list(sample.items())):
        yield f"      {json.dumps(key)}: {_compact(value)}{'' if last else ','}"
    yield "    }" + comma


def _with_last(items: list[Any]) -> Iterator[tuple[bool, Any]]:
    for number, item in enumerate(items, 1):
        yield number == len(items), item


def _compact(value: Any) -> str:  # noqa: ANN401 - whatever stands in the file
    return json.dumps(value, ensure_ascii=False)
