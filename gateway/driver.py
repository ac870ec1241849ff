"""One driver: the interface it must have, and the record the agent keeps of one that has it.

`codec` and `modem` read a module once. What they return can be relied on; what does not fit raises
InterfaceError, which says where. The interface is described in docs/reference/driver-interface.md.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, Protocol, cast

import msgspec

from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.errors import DriverError
from gateway.model import Frame, Reading, Structure

API: Final = 1

MANUFACTURER_DATA: Final = 0xFF
SERVICE_DATA: Final = 0x16
SERVICE_DATA_32: Final = 0x20
SERVICE_DATA_128: Final = 0x21
LISTED_SERVICE: Final = 0x03
LOCAL_NAME: Final = 0x09

# What of an advertisement a driver reads: the rest of the structure it was found by; the
# manufacturer data with the company id in front, as on the air; all structures.
PayloadForm = Literal["structure", "manufacturer", "advertisement"]
Payload = bytes | tuple[Structure, ...]

Command = tuple[bytes, str]  # what to write, the reply to expect; "": none, it is not awaited
# Address ("" where the modem does not know it), payload, RSSI in dBm, SNR in dB.
Packet = tuple[str, bytes, int | None, float | None]
# gateway.core.gatt: what to do, service, characteristic, data, which of several.
Request = tuple[int, str, str, bytes, int]
Poll = Callable[[Context], Generator[Request, bytes | None, bytes]]
# What came of a payload that was decoded in another process: for `decode`, or why nothing did.
Outcome = object | DecodeError
Done = Callable[[Any], None]  # with the Outcome: once, from the event loop, never within the call
Offload = Callable[[Frame, bytes, Done], None]
SealedFrame = tuple[bytes, bytes, int, bytes, int | None]  # the fields of model.Sealed

_IDENTIFIERS: Final = {  # key in MATCH: AD type in the index, highest value
    "manufacturer_id": (MANUFACTURER_DATA, (1 << 16) - 1),
    "service_uuid": (SERVICE_DATA, (1 << 128) - 1),
    "listed_uuid": (LISTED_SERVICE, (1 << 128) - 1),
}
_PAYLOADS: Final = ("structure", "manufacturer", "advertisement")
_DAY_S: Final = 86_400
_SLUG: Final = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Modem(Protocol):
    """One connection to a serial modem, without the port: bytes in, packets and answers out."""

    answer: str | None  # None: a reply is awaited; "": it was the expected one; else what is wrong
    restarted: bool  # the modem has reported a start: run its setup again
    counters: dict[str, int]

    def setup(self, settings: dict[str, int | str]) -> Sequence[Command]:
        """Return the commands that make the modem what is wanted, and have it receive.

        ValueError: a bad setting.
        """
        ...

    def probe(self) -> Command | None:
        """Return a command that a modem in order always answers and that changes nothing in it.

        One that answers and does not receive has to give another answer, or receive again by it.
        None: this modem cannot be asked.
        """
        ...

    def chores(self) -> Sequence[Command]:
        """Return what the modem has to be told now to go on receiving: after a packet, a sending.

        The same is returned until it has been asked and answered.
        """
        ...

    def send(self, address: str, payload: bytes, /) -> Sequence[Command]:
        """Return the commands that transmit a payload; ValueError when the modem cannot."""
        ...

    def ask(self, command: Command) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply.

        Where none is to come, or the command turns out to be needless (no bytes), it is "".
        """
        ...

    def feed(self, data: bytes) -> Sequence[Packet]:
        """Take what the port delivered; return the packets now complete. It never raises."""
        ...

    def idle(self) -> Sequence[Packet]:
        """Give up what stopped halfway, after a silence of IDLE_S; return packets behind it."""
        ...


class Match(msgspec.Struct, frozen=True):
    """The structure of an advertisement that a driver reads."""

    ad_type: int  # MANUFACTURER_DATA, LOCAL_NAME; SERVICE_DATA, LISTED_SERVICE: any length of UUID
    identifier: int  # company id, service UUID; 0 for a name
    prefix: bytes  # of what comes after it

    @property
    def key(self) -> tuple[int, int]:
        """Where it stands in the index."""
        return (self.ad_type, self.identifier)

    @property
    def pattern(self) -> tuple[int, int, bytes] | None:
        """Return (AD type, start, content): on the air an identifier is little-endian.

        None where a passive scan cannot tell: names come in scan responses, lists in any order.
        """
        ad_type, size = self.ad_type, 2
        if ad_type in (LISTED_SERVICE, LOCAL_NAME):
            return None
        if self.identifier >= 1 << 32:
            ad_type, size = SERVICE_DATA_128, 16
        elif self.identifier >= 1 << 16:
            ad_type, size = SERVICE_DATA_32, 4
        return (ad_type, 0, self.identifier.to_bytes(size, "little") + self.prefix)

    def fits(self, structure: Structure) -> bool:
        """Whether it is such a structure."""
        return self.key == structure[:2] and structure[2].startswith(self.prefix)


class LoadedDriver(msgspec.Struct, frozen=True, kw_only=True):
    """A driver whose interface has been checked."""

    model: str
    decode: Callable[
        [Any, Context], list[Reading] | tuple[Reading, ...]
    ]  # Any: Payload, as `payload` has it
    sealed: Callable[[Any, Context], SealedFrame | None] | None = None
    packet_counter: Callable[[Any], int | None] | None = None
    offload: Offload | None = None  # who makes of a payload what `decode` is given, elsewhere
    poll: Poll | None = None
    interval_s: int = 0  # of a poll, where the configuration gives none
    strength: int
    matches: tuple[Match, ...] = ()  # none: chosen by configuration only
    payload: PayloadForm = "structure"
    needs_key: bool = False  # it opens its frames itself, with Context.key
    devices: tuple[str, ...] = ()  # what people buy
    unmapped: tuple[str, ...] = ()  # what the format has and no reading carries
    file: str
    foreign: bool = False

    @property
    def places(self) -> tuple[Match, ...]:
        """By what it is found; a weak driver by nothing."""
        return self.matches if self.strength else ()

    @property
    def is_ble(self) -> bool:
        """Whether it reads advertisements or connects; else it is for LoRa packets."""
        return bool(self.matches) or self.poll is not None or self.payload != "structure"

    def claims(self, structure: Structure) -> bool:
        """Whether a structure of an advertisement is one this driver is found by."""
        return any(match.fits(structure) for match in self.matches)

    def reads(self, structure: Structure) -> bool:
        """Whether a device that names this driver is read by it in such a structure.

        More than it claims: what tells such a device, its name, may not have come along.
        """
        if self.payload == "structure":
            return self.claims(structure)
        return self.payload == "advertisement" or structure[0] == MANUFACTURER_DATA


class LoadedModem(msgspec.Struct, frozen=True, kw_only=True):
    """A modem driver whose interface has been checked; `connect` makes one per connection."""

    model: str
    connect: Callable[[], Modem]
    baud: int
    bauds: tuple[int, ...]  # it may be set to, the usual one first
    idle_s: float  # silence after which what stopped halfway is over
    answer_s: float  # within that it answers a command
    settings: tuple[str, ...]  # names that `Modem.setup` knows
    addresses: bool  # whether a packet says who sent it
    devices: tuple[str, ...] = ()  # what people buy
    file: str
    foreign: bool = False

    def check(self, settings: Mapping[str, int | str], sender: str | None) -> None:
        """Raise ValueError, naming the setting and the remedy, for what this modem cannot do."""
        for name in settings:
            if name not in self.settings:
                known = ", ".join(self.settings) or "nothing"
                message = f"{name}: it has no such setting, remove it; it knows {known}"
                raise ValueError(message)
        if self.addresses and sender is not None:
            message = "sender: it says itself who sends, remove it"
            raise ValueError(message)
        if not self.addresses and sender is None:
            message = (
                "sender: it does not say who sends; byte or word if the nodes put their number in"
                " front, lorawan for LoRaWAN uplinks"
            )
            raise ValueError(message)
        self.connect().setup(dict(settings))


class InterfaceError(DriverError):
    """A module that is not what docs/reference/driver-interface.md asks for, and where."""

    def __init__(self, module: ModuleType, attribute: str, reason: str) -> None:
        super().__init__(f"{attribute}: {reason}")
        self.file = getattr(module, "__file__", None) or repr(module)
        self.line = _line_of(Path(self.file), attribute)


def parts(module: ModuleType) -> tuple[object, ...]:
    """Return the drivers of a module: those in its DRIVERS, or itself. Raises InterfaceError."""
    drivers: object = getattr(module, "DRIVERS", None)
    if drivers is None:
        return (module,)
    if not isinstance(drivers, tuple):
        raise InterfaceError(module, "DRIVERS", "a tuple of drivers is needed")
    return cast("tuple[object, ...]", drivers)


def codec(module: Any, *, foreign: bool) -> LoadedDriver:  # noqa: ANN401 - a module or alike
    """Read a module that decodes payloads. Raises InterfaceError."""
    poll = _optional(module, "poll")
    return LoadedDriver(
        model=_model(module),
        decode=_function(module, "decode"),
        sealed=_optional(module, "sealed"),
        packet_counter=_optional(module, "packet_counter"),
        poll=poll,
        interval_s=_whole(module, "INTERVAL_S", _DAY_S) if poll is not None else 0,
        strength=_whole(module, "STRENGTH", 3),
        matches=_matches(module),
        payload=_payload(module),
        needs_key=getattr(module, "NEEDS_KEY", False) is True,
        devices=_names(module, "DEVICES", ()),
        unmapped=_names(module, "UNMAPPED", ()),
        file=str(module.__file__),
        foreign=foreign,
    )


def modem(module: ModuleType, *, foreign: bool) -> LoadedModem:
    """Read a module that speaks with a serial modem. Raises InterfaceError."""
    baud = _whole(module, "BAUD", 4_000_000)
    return LoadedModem(
        model=_model(module),
        connect=_function(module, "Modem"),
        baud=baud,
        bauds=_bauds(module, baud),
        idle_s=_seconds(module, "IDLE_S", 1.0),
        answer_s=_seconds(module, "ANSWER_S", 10.0),
        settings=_names(module, "SETTINGS"),
        addresses=getattr(module, "ADDRESSES", True) is True,
        devices=_names(module, "DEVICES", ()),
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


def _names(
    module: ModuleType, name: str, default: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    names: object = getattr(module, name, default)
    try:
        return msgspec.convert(names, tuple[str, ...])
    except msgspec.ValidationError as error:
        raise InterfaceError(module, name, "a tuple of names is needed") from error


def _bauds(module: ModuleType, usual: int) -> tuple[int, ...]:
    bauds: object = getattr(module, "BAUDS", (usual,))
    try:
        found = msgspec.convert(bauds, tuple[int, ...])
    except msgspec.ValidationError as error:
        raise InterfaceError(module, "BAUDS", "a tuple of baud rates is needed") from error
    if usual not in found:
        raise InterfaceError(module, "BAUDS", f"BAUD, {usual}, has to stand in it")
    return (usual, *(baud for baud in found if baud != usual))


def _seconds(module: ModuleType, name: str, most: float) -> float:
    """Return a duration, a second where the module says nothing."""
    value: object = getattr(module, name, 1.0)
    if not isinstance(value, int | float) or not 0 < value <= most:
        cause = f"{value!r}, but more than 0 and at most {most:g} is needed"
        raise InterfaceError(module, name, cause)
    return float(value)


def _payload(module: ModuleType) -> PayloadForm:
    form: object = getattr(module, "PAYLOAD", "structure")
    if form not in _PAYLOADS:
        raise InterfaceError(module, "PAYLOAD", f"{form!r} is none of {', '.join(_PAYLOADS)}")
    return form


def _matches(module: ModuleType) -> tuple[Match, ...]:
    """Read MATCH: {}, an identifier with or without a prefix, a name; or a tuple of such."""
    declared: object = getattr(module, "MATCH", None)
    if declared == {}:
        return ()
    alternatives: tuple[object, ...] = (
        cast("tuple[object, ...]", declared) if isinstance(declared, tuple) else (declared,)
    )
    return tuple(_match(module, alternative) for alternative in alternatives)


def _match(module: ModuleType, declared: object) -> Match:
    if isinstance(declared, dict):
        fields = cast("dict[str, object]", declared)
        prefix, name = fields.get("prefix", b""), fields.get("local_name")
        if fields.keys() == {"local_name"} and isinstance(name, bytes) and name:
            return Match(LOCAL_NAME, 0, name)
        for key, (ad_type, highest) in _IDENTIFIERS.items():
            number = fields.get(key)
            whole = isinstance(number, int) and 0 <= number <= highest
            if whole and isinstance(prefix, bytes) and fields.keys() <= {key, "prefix"}:
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
