"""One driver: the interface it must have, and the record the agent keeps of one that has it.

`codec` and `modem` read a module once. What they return can be relied on; what does not fit raises
InterfaceError, which says where. The interface is described in docs/reference/driver-interface.md.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol, cast

import msgspec

from gateway.core.context import Context
from gateway.errors import DriverError
from gateway.model import Reading

API: Final = 1

MANUFACTURER_DATA: Final = 0xFF
SERVICE_DATA: Final = 0x16
SERVICE_DATA_32: Final = 0x20
SERVICE_DATA_128: Final = 0x21

Command = tuple[bytes, str]  # what to write, the reply to expect
Packet = tuple[str, bytes, int | None, float | None]  # address, payload, RSSI in dBm, SNR in dB
SealedFrame = tuple[bytes, bytes, int, bytes, int]  # the fields of model.Sealed

_IDENTIFIERS: Final = {  # key in MATCH: AD type in the index, highest value
    "manufacturer_id": (MANUFACTURER_DATA, (1 << 16) - 1),
    "service_uuid": (SERVICE_DATA, (1 << 128) - 1),
}
_SLUG: Final = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Modem(Protocol):
    """One connection to a serial modem, without the port: bytes in, packets and answers out."""

    answer: str | None  # None: a reply is awaited; "": it was the expected one; else what is wrong
    restarted: bool  # the modem has reported a start: run its setup again
    counters: dict[str, int]

    def setup(self, settings: dict[str, int | str]) -> Sequence[Command]:
        """Return the commands that make the modem what is wanted; ValueError: a bad setting."""
        ...

    def probe(self) -> Command:
        """Return a command that changes nothing and that a modem in order always answers."""
        ...

    def send(self, address: str, payload: bytes) -> Command:
        """Return the command that transmits a payload; ValueError when the modem cannot."""
        ...

    def ask(self, command: Command) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply."""
        ...

    def feed(self, data: bytes) -> Sequence[Packet]:
        """Take what the port delivered; return the packets now complete. It never raises."""
        ...

    def idle(self) -> Sequence[Packet]:
        """Give up what stopped halfway, after a second of silence; return packets behind it."""
        ...


class Match(msgspec.Struct, frozen=True):
    """The structure of an advertisement that a driver reads."""

    ad_type: int  # MANUFACTURER_DATA, or SERVICE_DATA whatever the length of the UUID
    identifier: int  # company id, service UUID
    prefix: bytes  # of what comes after it

    @property
    def pattern(self) -> tuple[int, int, bytes]:
        """Return (AD type, start, content): on the air an identifier is little-endian."""
        ad_type, size = self.ad_type, 2
        if self.identifier >= 1 << 32:
            ad_type, size = SERVICE_DATA_128, 16
        elif self.identifier >= 1 << 16:
            ad_type, size = SERVICE_DATA_32, 4
        return (ad_type, 0, self.identifier.to_bytes(size, "little") + self.prefix)


class LoadedDriver(msgspec.Struct, frozen=True, kw_only=True):
    """A driver whose interface has been checked."""

    model: str
    decode: Callable[[bytes, Context], Sequence[Reading]]
    sealed: Callable[[bytes, Context], SealedFrame | None] | None
    packet_counter: Callable[[bytes], int | None] | None
    strength: int
    match: Match | None  # None: chosen by configuration only
    file: str
    foreign: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """Where it stands in the index; (0, 0), which no advertisement has, for nowhere."""
        match = self.match if self.strength else None
        return (0, 0) if match is None else (match.ad_type, match.identifier)

    @property
    def prefix(self) -> bytes:
        """What distinguishes it from others of that key."""
        return b"" if self.match is None else self.match.prefix

    def claims(self, ad_type: int, identifier: int, data: bytes) -> bool:
        """Whether a structure of an advertisement is one this driver reads."""
        match = self.match
        return (
            match is not None
            and (match.ad_type, match.identifier) == (ad_type, identifier)
            and data.startswith(match.prefix)
        )


class LoadedModem(msgspec.Struct, frozen=True, kw_only=True):
    """A modem driver whose interface has been checked; `connect` makes one per connection."""

    model: str
    connect: Callable[[], Modem]
    baud: int
    settings: tuple[str, ...]  # names that `Modem.setup` knows
    file: str
    foreign: bool = False


class InterfaceError(DriverError):
    """A module that is not what docs/reference/driver-interface.md asks for, and where."""

    def __init__(self, module: ModuleType, attribute: str, reason: str) -> None:
        super().__init__(f"{attribute}: {reason}")
        self.file = getattr(module, "__file__", None) or repr(module)
        self.line = _line_of(Path(self.file), attribute)


def codec(module: ModuleType, *, foreign: bool) -> LoadedDriver:
    """Read a module that decodes payloads. Raises InterfaceError."""
    return LoadedDriver(
        model=_model(module),
        decode=_function(module, "decode"),
        sealed=_optional(module, "sealed"),
        packet_counter=_optional(module, "packet_counter"),
        strength=_whole(module, "STRENGTH", 3),
        match=_match(module),
        file=str(module.__file__),
        foreign=foreign,
    )


def modem(module: ModuleType, *, foreign: bool) -> LoadedModem:
    """Read a module that speaks with a serial modem. Raises InterfaceError."""
    return LoadedModem(
        model=_model(module),
        connect=_function(module, "Modem"),
        baud=_whole(module, "BAUD", 4_000_000),
        settings=_names(module, "SETTINGS"),
        file=str(module.__file__),
        foreign=foreign,
    )


def _model(module: ModuleType) -> str:
    """Check API and MODEL, return the latter."""
    api = getattr(module, "API", None)
    if api != API:
        raise InterfaceError(module, "API", f"{api!r}, but this version knows {API}")
    model = getattr(module, "MODEL", None)
    if not isinstance(model, str) or not model or model.strip(_SLUG):
        raise InterfaceError(module, "MODEL", f"{model!r}, but a-z, 0-9 and - are needed")
    return model


def _function(module: ModuleType, name: str) -> Any:  # noqa: ANN401 - no type survives getattr
    function = getattr(module, name, None)
    if not callable(function):
        raise InterfaceError(module, name, "a function is needed")
    return function


def _optional(module: ModuleType, name: str) -> Any:  # noqa: ANN401 - no type survives getattr
    return _function(module, name) if hasattr(module, name) else None


def _whole(module: ModuleType, name: str, highest: int) -> int:
    value = getattr(module, name, None)
    if type(value) is not int or not 0 <= value <= highest:
        raise InterfaceError(module, name, f"{value!r}, but 0 to {highest} is needed")
    return value


def _names(module: ModuleType, name: str) -> tuple[str, ...]:
    names: object = getattr(module, name, None)
    try:
        return msgspec.convert(names, tuple[str, ...])
    except msgspec.ValidationError as error:
        raise InterfaceError(module, name, "a tuple of names is needed") from error


def _match(module: ModuleType) -> Match | None:
    """Read MATCH: {}, or an identifier with or without a prefix."""
    declared: object = getattr(module, "MATCH", None)
    if isinstance(declared, dict):
        fields = cast("dict[str, object]", declared)
        prefix = fields.get("prefix", b"")
        if not fields:
            return None
        for name, (ad_type, highest) in _IDENTIFIERS.items():
            number = fields.get(name)
            whole = isinstance(number, int) and 0 <= number <= highest
            if whole and isinstance(prefix, bytes) and fields.keys() <= {name, "prefix"}:
                return Match(ad_type, cast("int", number), prefix)
    raise InterfaceError(module, "MATCH", f"{declared!r} is none of the forms there are")


def _line_of(file: Path, attribute: str) -> int:
    """Return the line on which a module sets an attribute, 1 when it does not."""
    if not file.is_file():
        return 1
    starts = (f"{attribute} ", f"{attribute}:", f"{attribute}=", f"def {attribute}(")
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith(starts):
            return number
    return 1
