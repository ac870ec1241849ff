"""What the world and an ESP32 in the simulator say to each other: the world's side of board.py.

A message is its length, a letter and what goes with it; gateway/sim/board/board.py lists them.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from gateway.sim.bluez_air import (
    AD_FLAGS,
    AD_LOCAL_NAME,
    AD_MANUFACTURER,
    AD_SERVICE_DATA_16,
    AD_UUIDS_16,
    Advertisement,
)

LEGACY_BYTES: Final = 31  # all that one advertisement holds, or its scan response
CONNECTABLE: Final = 0  # kinds of reports, Bluetooth Core, Vol 4, Part E, 7.7.65.2
NOT_CONNECTABLE: Final = 3
SCAN_RESPONSE: Final = 4

AWAY: Final = 0  # what Wi-Fi is; Ethernet has the first two
THERE: Final = 1
REFUSING: Final = 2  # the password

_SHORT: Final = "-0000-1000-8000-00805f9b34fb"
_LIMITED_FLAGS: Final = b"\x06"  # LE General Discoverable, no BR/EDR
_RANDOM: Final = "random"
_VITALS: Final = struct.Struct("<7I")


class Report(NamedTuple):
    """One advertising report as a controller gives it."""

    address: str
    data: bytes
    kind: int = NOT_CONNECTABLE
    rssi_dbm: int = -60
    address_type: int = 0  # 1: random


class Vitals(msgspec.Struct, frozen=True):
    """How a board is doing. Bytes; blocks of flash erased since its start."""

    used: int
    free: int
    stall_ms: int  # the longest its loop kept a task waiting since it was last asked
    pins: int  # a bit for each that is high
    erases: int
    worst_erases: int  # of one block
    programs: int
    largest_free: int = 0  # in one piece


def message(letter: str, data: bytes = b"") -> bytes:
    """Return one message."""
    return bytes((len(data) + 1, ord(letter))) + data


def report_message(report: Report) -> bytes:
    """Return the message that lets a report arrive."""
    address = bytes.fromhex(report.address.replace(":", ""))
    head = bytes((report.address_type,)) + address
    tail = bytes((report.kind, report.rssi_dbm & 0xFF)) + report.data
    return message("A", head + tail)


def messages(buffer: bytearray) -> Iterator[tuple[str, bytes]]:
    """Take every whole message off the front of a buffer, and yield them."""
    while buffer and len(buffer) > buffer[0]:
        size = buffer[0] + 1
        letter, data = chr(buffer[1]), bytes(buffer[2:size])
        del buffer[:size]
        yield letter, data


def vitals(data: bytes) -> Vitals:
    """Read the answer to Q."""
    return Vitals(*_VITALS.unpack(data))


def reports(advertisement: Advertisement) -> Iterator[Report]:
    """Yield the reports of an advertisement: it, and its scan response if it has a name."""
    named = advertisement.name is not None
    content = b"".join(_structure(kind, data) for kind, data in _contents(advertisement))
    flags = _structure(AD_FLAGS, _LIMITED_FLAGS)
    if len(flags + content) <= LEGACY_BYTES:
        content = flags + content
    kind = CONNECTABLE if named else NOT_CONNECTABLE
    yield _report(advertisement, content, kind)
    if named:
        name = _structure(AD_LOCAL_NAME, (advertisement.name or "").encode()[: LEGACY_BYTES - 2])
        yield _report(advertisement, name, SCAN_RESPONSE)


def _report(advertisement: Advertisement, data: bytes, kind: int) -> Report:
    is_random = advertisement.address_type == _RANDOM
    return Report(
        advertisement.address, data, kind, advertisement.rssi_dbm, address_type=int(is_random)
    )


def _contents(advertisement: Advertisement) -> Iterator[tuple[int, bytes]]:
    short = [uuid[4:8] for uuid in advertisement.uuids if uuid.endswith(_SHORT)]
    if short:
        yield AD_UUIDS_16, b"".join(bytes.fromhex(uuid)[::-1] for uuid in short)
    for uuid, data in advertisement.services.items():
        if uuid.startswith("0000") and uuid.endswith(_SHORT):
            yield AD_SERVICE_DATA_16, bytes.fromhex(uuid[4:8])[::-1] + data
    for company, data in advertisement.manufacturer.items():
        yield AD_MANUFACTURER, company.to_bytes(2, "little") + data


def _structure(kind: int, data: bytes) -> bytes:
    return bytes((len(data) + 1, kind)) + data
