"""What is asked of `ugw decode`: an advertisement or a payload, as people and captures write it.

Hexadecimal may have 0x before it, and spaces, colons or hyphens in it. Whatever cannot be read is
an InputError that says in one line what is wrong; no message repeats a key.
"""

import re
from binascii import Error as HexError
from binascii import unhexlify
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from gateway.config.findings import quoted
from gateway.core.advertisement import (
    LISTED_SERVICE,
    MANUFACTURER,
    NAME,
    SERVICE_DATA,
    structures,
    uuid_number,
)
from gateway.core.refusal import DecodeError
from gateway.crypto import CcmKey
from gateway.errors import ConfigError
from gateway.model import Structure

_GAPS: Final = re.compile(r"0[xX]|[\s:,\-]")
_COMPANY: Final = re.compile(r"0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5}")
_UUID: Final = re.compile(r"[0-9a-f]{4}|[0-9a-f]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS: Final = re.compile(r"[0-9a-fA-F]{2}([:-]?[0-9a-fA-F]{2}){5}")
_HIGHEST_COMPANY: Final = (1 << 16) - 1
_HIGHEST_PORT: Final = 255
NO_ADDRESS: Final = b""  # of a device whose address was not told
CODEC: Final = ".js"  # how the file of a vendor's codec ends


class InputError(ValueError):
    """What was given cannot be read; the message says why."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One advertisement, or one payload."""

    structures: tuple[Structure, ...] = ()
    payload: bytes | None = None  # what a driver or a codec reads, as it is
    address: bytes = NO_ADDRESS
    key: CcmKey | None = None
    driver: str = ""  # named; empty: whoever recognises it
    codec: Path | None = None
    port: int | None = None


class Line(msgspec.Struct, frozen=True):
    """One line of a capture. What else stands in it is nobody's business."""

    address: str | None = None
    name: str | None = None
    manufacturer_data: dict[str, str] | None = None
    service_data: dict[str, str] | None = None
    service_uuids: list[str] | None = None
    advertisement: str | None = None  # all of it, as on the air
    payload: str | None = None
    port: int | None = None
    codec: str | None = None
    driver: str | None = None
    key: str | None = None

    @property
    def is_advertisement(self) -> bool:
        """Whether there is anything of an advertisement in it."""
        parts = (self.manufacturer_data, self.service_data, self.service_uuids)
        return any(part is not None for part in (*parts, self.name, self.advertisement))


def from_line(text: bytes) -> Asked:
    """Read a line of a capture. Raises InputError."""
    if not text.strip():
        message = "the line is empty"
        raise InputError(message)
    try:
        line = msgspec.json.decode(text.removeprefix(BOM_UTF8), type=Line)
    except (msgspec.DecodeError, RecursionError) as error:  # a validation error is one, too
        raise InputError(str(error)) from None
    except UnicodeDecodeError:
        message = "the line is not UTF-8"
        raise InputError(message) from None
    return asked(line)


def asked(line: Line) -> Asked:
    """Return what a line asks for. Raises InputError."""
    if line.payload is None and not line.is_advertisement:
        message = "neither an advertisement (manufacturer_data, service_data) nor a payload"
        raise InputError(message)
    codec = line.codec or ""
    is_file = codec.endswith(CODEC)
    return Asked(
        structures=() if line.payload is not None else tuple(_structures(line)),
        payload=None if line.payload is None else unhex(line.payload),
        address=_address(line.address),
        key=_key(line.key) if line.key else None,
        driver=line.driver or ("" if is_file else codec),
        codec=Path(codec) if is_file else None,
        port=_port(line.port),
    )


def unhex(text: str) -> bytes:
    """Return what hexadecimal digits say. Raises InputError."""
    digits = _GAPS.sub("", text)
    try:
        return unhexlify(digits)
    except (HexError, ValueError):
        raise InputError(_why_no_hex(digits)) from None


def _why_no_hex(digits: str) -> str:
    wrong = digits.lower().strip("0123456789abcdef")
    if wrong:
        return f"{quoted(wrong[0])} is no hexadecimal digit"
    odd = len(digits) % 2
    return "half a byte at the end" if odd else "something in it is no hexadecimal digit"


def advertised(data: bytes) -> tuple[Structure, ...]:
    """Return the structures of an advertisement as on the air. Raises InputError."""
    try:
        return structures(data)
    except DecodeError:
        message = "this is no whole advertisement: one of its structures ends after the data"
        raise InputError(message) from None


def company(text: str) -> int:
    """Read a company id: 1177, or 0x0499. Raises InputError."""
    if not _COMPANY.fullmatch(text):
        message = f"{quoted(text)} is no company id: 1177 or 0x0499 is one"
        raise InputError(message)
    number = int(text, 16) if text[:2].lower() == "0x" else int(text)
    if number > _HIGHEST_COMPANY:
        message = f"{quoted(text)} is no company id: the highest is {_HIGHEST_COMPANY}"
        raise InputError(message)
    return number


def uuid(text: str) -> int:
    """Read a UUID, short or in full. Raises InputError."""
    digits = text.lower().removeprefix("0x")
    if not _UUID.fullmatch(digits):
        why = "fcd2 or 0000fcd2-0000-1000-8000-00805f9b34fb is one"
        message = f"{quoted(text)} is no UUID: {why}"
        raise InputError(message)
    return uuid_number(digits)


def _structures(line: Line) -> Iterator[Structure]:
    """Yield them in the order in which the agent has them of BlueZ."""
    if line.advertisement is not None:
        yield from advertised(unhex(line.advertisement))
    for identifier, data in (line.manufacturer_data or {}).items():
        yield (MANUFACTURER, company(identifier), unhex(data))
    for identifier, data in (line.service_data or {}).items():
        yield (SERVICE_DATA, uuid(identifier), unhex(data))
    if line.name:
        yield (NAME, 0, line.name.encode(errors="replace"))
    for identifier in line.service_uuids or ():
        yield (LISTED_SERVICE, uuid(identifier), b"")


def _address(text: str | None) -> bytes:
    """Return six bytes, or none: a LoRa node's, or a UUID as macOS gives, is no MAC address."""
    if text is None or not _ADDRESS.fullmatch(text):
        return NO_ADDRESS
    return unhex(text)


def _key(text: str) -> CcmKey:
    try:
        return CcmKey.from_text(text)
    except ConfigError as error:
        raise InputError(str(error)) from None


def _port(port: int | None) -> int | None:
    if port is not None and not 0 <= port <= _HIGHEST_PORT:
        message = f"port {port}: 0 to {_HIGHEST_PORT} is possible"
        raise InputError(message)
    return port
