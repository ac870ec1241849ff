"""`ugw.capture/1`: what radios heard, as lines of JSON; a header, then a line for each frame.

    {"schema":"ugw.capture/1","started":"2026-11-22T10:00:00.000Z","gateway":"gw-1",...}
    {"t":0.214,"m":"ble","src":"ble:hci0","addr":"C0:FF:EE:00:00:01","ad":[[22,64722,"40..."]],...}

A later header begins a new session, so a file can be appended to. Nothing interpreted stands in
it, and no key of any device. config/schema/open/capture-1.json describes every field; unknown
ones are passed over, for a later minor version may add some. What a field may hold is checked
when a line is read: whoever has a Record need not ask again.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from gateway.core import wire
from gateway.core.advertisement import MANUFACTURER
from gateway.model import Frame, Medium, Structure

SCHEMA: Final = "ugw.capture/1"
MOST_LINE_BYTES: Final = 1 << 16  # an extended advertisement takes 4 kB in hexadecimal
_MOST_DATA_BYTES: Final = 2048  # of extended advertising data there are 1650
_UUID_DIGITS: Final = 32
_WIDEST_NUMBER: Final = 1 << 32  # identifiers up to there are numbers, 128-bit UUIDs are texts
_NODE: Final = "lora:"
_HIGHEST_COMPANY: Final = 0xFFFF
_HIGHEST_NODE: Final = 65_535
_US_PER_S: Final = 1_000_000
_LAST_US: Final = 4_102_444_800_000_000  # the year 2100
_MOST_S: Final = _LAST_US / _US_PER_S  # since 1970
# Bluetooth LE, a node's number, a DevEUI, a device address nobody can list; a modem has none.
_ADDRESS: Final = (
    r"^([0-9A-F]{2}(:[0-9A-F]{2}){5}|lora:[0-9]{1,5}|eui:[0-9a-f]{16}|lorawan:[0-9a-f]{8})?\Z"
)
_HEX: Final = r"^([0-9a-f]{2})*\Z"  # not $, which lets a line feed follow
_SOURCE: Final = r"^[^\x00-\x1f\x7f-\x9f]{1,300}\Z"  # the name of a file may be 255 long
_DBM: Final = (-200, 127)
_DB: Final = (-128, 128)

Started = Annotated[str, msgspec.Meta(max_length=40)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]{0,128}\Z")]
Hex = Annotated[str, msgspec.Meta(pattern=_HEX, max_length=2 * _MOST_DATA_BYTES)]
Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
Identifier = (
    Annotated[int, msgspec.Meta(ge=0, lt=_WIDEST_NUMBER)]
    | Annotated[str, msgspec.Meta(pattern=rf"^[0-9a-f]{{{_UUID_DIGITS}}}\Z")]
)
Dbm = Annotated[int, msgspec.Meta(ge=_DBM[0], le=_DBM[1])]
Decibel = Annotated[float, msgspec.Meta(ge=_DB[0], le=_DB[1])]
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,64}\Z")]
AddressType = Literal["", "public", "random"]
CaptureMedium = Literal["ble", "lora", "serial"]
Trust = Literal["synced", "holdover", "unsynced"]


class LineError(ValueError):
    """A line is not one of a capture; the message says why."""


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where, when and how a session of a capture was recorded."""

    schema: Literal["ugw.capture/1"]
    started: Started  # RFC 3339 in UTC with milliseconds; `t` counts from there
    gateway: Text = ""  # empty: not told
    software: Text = ""
    clock: Trust = "synced"  # how far `started` can be believed
    pseudonymised: bool = False
    everybody: bool = False  # strangers too, not only listed devices
    origin: Text = ""  # of an import: what it was made of

    @classmethod
    def at(cls, started_us: int, **fields: object) -> "Header":
        """Make the header of a session that began then (µs since 1970, cut to milliseconds)."""
        started = wire.rfc3339_ms(started_us // 1000)
        return msgspec.convert({"schema": SCHEMA, "started": started, **fields}, Header)

    @property
    def started_us(self) -> int:
        """When it began, in microseconds since 1970."""
        return unix_us(self.started)


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One frame as it was heard, or what a modem said (medium "serial"): nothing interpreted."""

    at_us: int  # since its session began
    medium: CaptureMedium
    source: str  # the transport: "ble:hci0", "serial:usb-lora"
    address: str = ""  # as in gateway.model.Frame; of a modem's words: none
    address_type: AddressType = ""  # Bluetooth LE; empty: not known
    structures: tuple[Structure, ...] = ()
    payload: bytes = b""
    polled: bool = False
    rssi_dbm: int | None = None
    snr_db: float | None = None
    spreading_factor: int | None = None
    frequency_hz: int | None = None
    is_uplink: bool = False
    port: int | None = None
    counter: int | None = None
    flags: tuple[str, ...] = ()
    modem: str = ""  # of a modem's words: which driver reads them

    @classmethod
    def of(cls, frame: Frame, at_us: int, address_type: AddressType = "") -> "Record":
        """Keep a frame; a signal that cannot be, as a modem in trouble tells it, is left out."""
        rssi_dbm, snr_db = frame.rssi_dbm, frame.snr_db
        return cls(
            at_us=at_us,
            medium=frame.medium,
            source=frame.source,
            address=frame.address,
            address_type=address_type,
            structures=frame.structures,
            payload=frame.payload,
            polled=frame.polled,
            rssi_dbm=rssi_dbm if _is_within(rssi_dbm, _DBM) else None,
            snr_db=snr_db if _is_within(snr_db, _DB) else None,
            spreading_factor=frame.spreading_factor,
            frequency_hz=frame.frequency_hz,
            is_uplink=frame.is_uplink,
            port=frame.port,
            counter=frame.counter,
            flags=frame.flags,
        )

    @property
    def content(self) -> object:
        """What a repeat of it has too; None: it is never one (the answer to a poll)."""
        return None if self.polled else self.structures or self.payload

    def frame(self, heard_at_ns: int) -> Frame:
        """Return it as a transport would hand it over. Raises ValueError for a modem's words."""
        if self.medium == "serial":
            message = "a modem's words are no frame: its driver makes some of them"
            raise ValueError(message)
        medium: Medium = self.medium
        return Frame(
            medium=medium,
            source=self.source,
            address=self.address,
            heard_at_ns=heard_at_ns,
            content=self.content,
            structures=self.structures,
            payload=self.payload,
            polled=self.polled,
            rssi_dbm=self.rssi_dbm,
            snr_db=self.snr_db,
            spreading_factor=self.spreading_factor,
            frequency_hz=self.frequency_hz,
            is_uplink=self.is_uplink,
            port=self.port,
            counter=self.counter,
            flags=self.flags,
        )


def _is_within(value: float | None, limits: tuple[int, int]) -> bool:
    return value is not None and limits[0] <= value <= limits[1]


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frame's line: the keys of the file, in its order."""

    t: Annotated[float, msgspec.Meta(ge=0, le=_MOST_S)]
    m: CaptureMedium
    src: Annotated[str, msgspec.Meta(pattern=_SOURCE)]
    addr: Annotated[str, msgspec.Meta(pattern=_ADDRESS)] = ""
    type: AddressType = ""
    ad: tuple[tuple[Byte, Identifier, Hex], ...] = ()
    data: Hex = ""
    polled: bool = False
    rssi: Dbm | None = None
    snr: Decibel | None = None
    sf: Annotated[int, msgspec.Meta(ge=5, le=12)] | None = None
    freq: Annotated[int, msgspec.Meta(ge=0, lt=1 << 40)] | None = None
    uplink: bool = False
    port: Byte | None = None
    count: Count | None = None
    flags: tuple[Word, ...] = ()
    modem: Word | Literal[""] = ""


class _Beginning(msgspec.Struct, frozen=True):
    """What tells a header from a frame."""

    schema: str = ""


_ENCODER: Final = msgspec.json.Encoder()
_BEGINNINGS: Final = msgspec.json.Decoder(_Beginning)
_HEADERS: Final = msgspec.json.Decoder(Header)
_LINES: Final = msgspec.json.Decoder(_Line)


# ------------------------------------------------------------------------------------------- write
def header_line(header: Header) -> bytes:
    """Return a header as it stands in a file."""
    return _ENCODER.encode(header) + b"\n"


def record_line(record: Record) -> bytes:
    """Return a frame as it stands in a file."""
    line = _Line(
        t=record.at_us / _US_PER_S,
        m=record.medium,
        src=record.source,
        addr=record.address,
        type=record.address_type,
        ad=tuple((kind, _written(one), data.hex()) for kind, one, data in record.structures),
        data=record.payload.hex(),
        polled=record.polled,
        rssi=record.rssi_dbm,
        snr=record.snr_db,
        sf=record.spreading_factor,
        freq=record.frequency_hz,
        uplink=record.is_uplink,
        port=record.port,
        count=record.counter,
        flags=record.flags,
        modem=record.modem,
    )
    return _ENCODER.encode(line) + b"\n"


def _written(identifier: int) -> int | str:
    """Return an identifier that every JSON reader holds exactly: a 128-bit UUID as 32 digits."""
    return identifier if identifier < _WIDEST_NUMBER else f"{identifier:0{_UUID_DIGITS}x}"


# -------------------------------------------------------------------------------------------- read
def parse(line: bytes) -> Header | Record:
    """Read a line. Raises LineError."""
    try:
        if b'"schema"' in line and (schema := _BEGINNINGS.decode(line).schema):
            return _header(line, schema)
        return _record(_LINES.decode(line))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise LineError(str(error)) from None
    except UnicodeDecodeError:
        message = "it is not UTF-8"
        raise LineError(message) from None


def _header(line: bytes, schema: str) -> Header:
    if schema != SCHEMA:
        message = f"it is of the schema {schema!r:.60}, and {SCHEMA} is what can be read"
        raise LineError(message)
    header = _HEADERS.decode(line)
    if not 0 <= header.started_us < _LAST_US:
        message = f"{header.started} is no time at which it can have begun: 1970 to 2100 is"
        raise LineError(message)
    return header


def _record(line: _Line) -> Record:
    if (line.m == "serial") != bool(line.modem) or (line.m == "serial") == bool(line.addr):
        message = 'a modem\'s words (m "serial") have a modem and no addr, all else the opposite'
        raise LineError(message)
    if (line.m == "ble") != (line.addr[2:3] == ":"):
        message = f"{line.addr} is no address of {line.m}"
        raise LineError(message)
    if line.addr.startswith(_NODE) and int(line.addr.removeprefix(_NODE)) > _HIGHEST_NODE:
        message = f"{line.addr} is no address: the highest is {_NODE}{_HIGHEST_NODE}"
        raise LineError(message)
    structures = tuple((kind, _read(one), bytes.fromhex(data)) for kind, one, data in line.ad)
    if any(kind == MANUFACTURER and one > _HIGHEST_COMPANY for kind, one, _ in structures):
        message = f"a company id is at most {_HIGHEST_COMPANY}"
        raise LineError(message)
    return Record(
        at_us=round(line.t * _US_PER_S),
        medium=line.m,
        source=line.src,
        address=line.addr,
        address_type=line.type,
        structures=structures,
        payload=bytes.fromhex(line.data),
        polled=line.polled,
        rssi_dbm=line.rssi,
        snr_db=line.snr,
        spreading_factor=line.sf,
        frequency_hz=line.freq,
        is_uplink=line.uplink,
        port=line.port,
        counter=line.count,
        flags=line.flags,
        modem=line.modem,
    )


def _read(identifier: int | str) -> int:
    return identifier if isinstance(identifier, int) else int(identifier, 16)


def unix_us(moment: str) -> int:
    """Return an RFC 3339 time as microseconds since 1970. Raises LineError."""
    try:
        read = datetime.fromisoformat(moment)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        message = f"{moment!r:.60} is no time: 2026-11-22T10:00:00.000Z is one"
        raise LineError(message)
    since = read - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _US_PER_S + since.microseconds
