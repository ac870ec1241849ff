"""What may stand in each column of a sheet, and what it means there.

Each check returns the value or raises ValueError with a sentence for who wrote it. A password that
was written where its reference belongs is not repeated.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.config.findings import quoted
from gateway.core.identity import is_slug
from ugw_flash.batch.cells import is_formula

Value = str | float | tuple[str, ...] | None
Check = Callable[[str], Value]

COLUMNS: Final = (
    *("gateway", "profile", "name", "site", "lat", "lon", "network", "ssid", "wifi_password"),
    *("address", "gateway_ip", "dns", "mac", "label"),
)
EMPTY: Final[Mapping[str, Value]] = MappingProxyType({"lat": None, "lon": None, "dns": ()})

_MOST_CHARS: Final = 100
_SSID_BYTES: Final = 32
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,3}([.,][0-9]{1,15})?")
_MAC: Final = re.compile(r"[0-9a-f]{12}")
_REFERENCE: Final = re.compile(r"file:(.+)|env:[A-Za-z_][A-Za-z0-9_]*")
# What Excel makes of texts that look like numbers or dates, unless their column is one of text.
_MANGLED: Final = (
    (re.compile(r"[0-9]+([.,][0-9]+)?E[-+]?[0-9]+", re.IGNORECASE), "a number"),
    (re.compile(r"[0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{2}|[0-9]{4})"), "a date"),
    (re.compile(r"[0-9]{1,2}[. -]+[A-Za-zäÄ]{3,4}\.?([ -][0-9]{2,4})?"), "a date"),
    (re.compile(r"[A-Za-zäÄ]{3,4}[. -]+[0-9]{2,4}"), "a date"),
    (re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?"), "a time"),
    (re.compile(r"#[A-Z0-9/]+[!?]?"), "an error"),
)


def value_of(column: str, text: str, folder: Path) -> Value:
    """Return what a cell says; paths in it count from `folder`. Raises ValueError."""
    if not text and column != "gateway":
        return EMPTY.get(column, "")
    if is_formula(text):
        message = "a cell may not begin with = + - @: spreadsheets run it"
        raise ValueError(message)
    if column == "profile":
        return str(folder / Path(_text(text)).expanduser())
    if column == "wifi_password":
        return _reference(text, folder)
    try:
        return _CHECKS.get(column, _text)(text)
    except ValueError as error:
        raise ValueError(_explained(text, str(error))) from None


def _gateway(text: str) -> str:
    if not text:
        message = "required: the gateway's id"
        raise ValueError(message)
    if not is_slug(text):
        message = f"1 to 64 of the characters a-z, 0-9 and - are needed, not {quoted(text)}"
        raise ValueError(message)
    if text.endswith("-") or text.startswith("-"):
        message = "it is a host's name too, and may not begin or end with -"
        raise ValueError(message)
    return text


def _text(text: str) -> str:
    if len(text) > _MOST_CHARS or not text.isprintable():
        message = f"a text of 1 to {_MOST_CHARS} printable characters is needed"
        raise ValueError(message)
    return text


def _degrees(text: str, most: int) -> float:
    found = _NUMBER.fullmatch(text)
    degrees = float(text.replace(",", ".")) if found else 0.0
    if found is None or abs(degrees) > most:
        message = f"degrees from -{most} to {most} are needed, as 54.3233, not {quoted(text)}"
        raise ValueError(message)
    return degrees


def _latitude(text: str) -> float:
    return _degrees(text, 90)


def _longitude(text: str) -> float:
    return _degrees(text, 180)


def _network(text: str) -> str:
    if text.lower() not in ("ethernet", "wifi"):
        message = f"ethernet or wifi, not {quoted(text)}"
        raise ValueError(message)
    return text.lower()


def _ssid(text: str) -> str:
    if len(text.encode()) > _SSID_BYTES:
        message = f"the name of a network has up to {_SSID_BYTES} bytes"
        raise ValueError(message)
    return _text(text)


def _reference(text: str, folder: Path) -> str:
    found = _REFERENCE.fullmatch(text)
    if found is None:
        message = "write a reference, file:path/from/this/file or env:NAME, never the password"
        raise ValueError(message)
    if found[1] is None:
        return text
    return f"file:{folder.absolute() / Path(found[1]).expanduser()}"


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_interface(text)
    except ValueError:
        address = None
    if address is None or "/" not in text:
        message = f"an address and its network are needed, as 192.0.2.17/24, not {quoted(text)}"
        raise ValueError(message)
    network = address.network
    small = network.prefixlen >= network.max_prefixlen - 1  # RFC 3021: both are hosts
    if not small and address.ip in (network.network_address, network.broadcast_address):
        message = f"{address.ip} is no host's address in {network}"
        raise ValueError(message)
    return text


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        message = f"an address is needed, as 192.0.2.1, not {quoted(text)}"
        raise ValueError(message) from None


def _ips(text: str) -> tuple[str, ...]:
    return tuple(_ip(each) for each in re.split(r"[\s,;]+", text))


def _mac(text: str) -> str:
    digits = re.sub(r"[:. -]", "", text.lower())
    if not _MAC.fullmatch(digits):
        message = f"a MAC address is needed, as 3c:71:bf:00:00:01, not {quoted(text)}"
        raise ValueError(message)
    return ":".join(re.findall("..", digits))


_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "gateway": _gateway,
        "lat": _latitude,
        "lon": _longitude,
        "network": _network,
        "ssid": _ssid,
        "address": _address,
        "gateway_ip": _ip,
        "dns": _ips,
        "mac": _mac,
    }
)


def _explained(text: str, message: str) -> str:
    """Add what Excel may have done, where the text looks like it."""
    for pattern, kind in _MANGLED:
        if pattern.fullmatch(text):
            return f"{message}; Excel seems to have made {kind} of it: format the column as text"
    return message
