"""The examples beside a driver, as docs/reference/driver-interface.md lays them down.

`name.json` holds one document; where `name.py` holds several drivers (`DRIVERS`), a list of them.
"""

from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec

from gateway.core.advertisement import structures
from gateway.driver import LoadedDriver, LoadedModem, Payload
from gateway.errors import DriverError

Number = int | float | None
PollStep = list[str | int | None]  # what, service, characteristic, hexadecimal or null, number


class Example(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
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
    poll: list[PollStep] | None = None  # what a polled driver asks for, and the answers


class Refused(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One frame and why it is refused."""

    name: str
    payload: str
    reason: str
    address: str = ""
    key: str = ""
    port: int | None = None
    opened: str | None = None  # clear text of a sealed frame, as somebody with the key may send it


class Examples(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What stands beside a codec."""

    model: str
    source: str
    examples: list[Example]
    refused: list[Refused]


class Stream(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a modem says, and what is in it."""

    name: str
    stream: str  # one character is one byte
    frames: list[tuple[str, str, int | None, float | None]]
    counters: dict[str, int]

    @property
    def data(self) -> bytes:
        """What comes over the line."""
        return self.stream.encode("latin-1")


class Streams(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What stands beside a modem driver."""

    model: str
    source: str
    probe: str | None  # what a modem in order answers to a probe; null: it cannot be asked
    examples: list[Stream]


Sample = Example | Refused
D = TypeVar("D", Examples, Streams)
_NONE: Final = "no examples, no driver: docs/reference/driver-interface.md, Examples"


def of_codec(driver: LoadedDriver) -> Examples:
    """Read a codec's examples. Raises DriverError."""
    return _document(driver, Examples)


def of_modem(modem: LoadedModem) -> Streams:
    """Read a modem driver's examples. Raises DriverError."""
    return _document(modem, Streams)


def payload_of(driver: LoadedDriver, data: bytes) -> Payload:
    """Return bytes as the driver reads them. Raises DecodeError for a broken advertisement."""
    return structures(data) if driver.payload == "advertisement" else data


def _document(loaded: LoadedDriver | LoadedModem, kind: type[D]) -> D:
    path = Path(loaded.file).with_suffix(".json")
    try:
        for document in documents(path.read_bytes()):
            if document.get("model") == loaded.model:
                return msgspec.convert(document, kind)
    except OSError as error:
        cause = f"{path}: {error.strerror or error}"
        raise DriverError(cause, _NONE) from None
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        cause = f"{path}: {error}"
        raise DriverError(cause, _NONE) from None
    cause = f"{path}: there are no examples of {loaded.model!r} in it"
    raise DriverError(cause, _NONE)


def documents(text: bytes) -> list[dict[str, Any]]:
    """Return the documents of a file: one, or a list. Raises msgspec.DecodeError."""
    found: object = msgspec.json.decode(text)
    listed = cast("list[object]", found) if isinstance(found, list) else [found]
    return msgspec.convert(listed, list[dict[str, Any]])
