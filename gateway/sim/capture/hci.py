"""Advertising reports out of HCI events, as a controller sends them to its host.

    3E LL 02 NN (TT AA address*6 DD data*DD RR)...                      LE Advertising Report
    3E LL 0D NN (TTTT AA address*6 PP SS ii XX RR IIII aa address*6 DD data*DD)...   Extended

    L  length of what follows   N  reports      T  type      A  type of the address   D  length
    R  RSSI, dBm; 7F: none      i  advertising set (SID)     P S X I a  not read

Low byte first; addresses too. Several reports stand one behind the other, as Linux reads them
(net/bluetooth/hci_event.c). A scan response is joined to the advertisement before it, as the
kernel hands it to BlueZ, and the parts of a long advertisement to one. What does not fit is
counted as `malformed`, and nothing of it is returned. Source: Core Specification, Vol 4, Part E,
7.7.65.2 and 7.7.65.13.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.core.advertisement import structures
from gateway.core.refusal import DecodeError
from gateway.sim.capture.format import AddressType, Record

LE_META: Final = 0x3E
_ADVERTISING_REPORT: Final = 0x02
_EXTENDED_REPORT: Final = 0x0D
_LEGACY: Final = struct.Struct("<BB6sB")
_EXTENDED: Final = struct.Struct("<HB6sBBBbbHB6sB")
_SCANNABLE: Final = (0x00, 0x02)  # ADV_IND, ADV_SCAN_IND: a scan response may follow
_SCAN_RESPONSE: Final = 0x04
# Bits of an extended report's type.
_EXTENDED_SCANNABLE: Final = 0x02
_EXTENDED_SCAN_RESPONSE: Final = 0x08
_STATUS: Final = 0x60
_MORE_TO_COME: Final = 0x20
_TRUNCATED: Final = 0x40
_NO_RSSI: Final = 0x7F
_MOST_DATA: Final = 1650  # of extended advertising
_MOST_PARTS: Final = 256  # long advertisements that are waited for at a time
_ADDRESS_TYPES: Final[dict[int, AddressType]] = {
    0: "public",
    1: "random",
    2: "public",
    3: "random",
}


class _Report(msgspec.Struct, frozen=True):
    address: bytes  # low byte first
    address_type: int
    data: bytes
    rssi_dbm: int | None
    is_scannable: bool
    is_response: bool
    more: bool = False
    truncated: bool = False
    advertising_set: int = 0


class Reports:
    """One controller's events in, records out; `flush` gives the last one."""

    def __init__(self, source: str) -> None:
        self.malformed = 0  # events and advertisements that are not what they claim to be
        self.anonymous = 0  # advertisements without an address
        self._source = source
        self._waiting: tuple[int, _Report] | None = None  # for its scan response
        self._parts: dict[tuple[bytes, int], bytes] = {}

    def feed(self, event: bytes, at_us: int) -> Iterator[Record]:
        """Take an event, its code first; yield what is complete now."""
        if len(event) < 4 or event[0] != LE_META:  # noqa: PLR2004 - no report in it
            return
        if event[2] not in (_ADVERTISING_REPORT, _EXTENDED_REPORT):
            return
        reports = _legacy if event[2] == _ADVERTISING_REPORT else _extended
        if len(event) != 2 + event[1]:
            self.malformed += 1
            return
        try:
            found = list(reports(event[4:], event[3]))
        except (struct.error, ValueError):
            self.malformed += 1
            return
        for report in found:
            yield from self._take(report, at_us)

    def flush(self) -> Iterator[Record]:
        """Yield the advertisement that still waits for its scan response."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            yield from self._record(waiting[0], waiting[1])

    def _take(self, report: _Report, at_us: int) -> Iterator[Record]:
        whole = self._whole(report)
        if whole is None:
            return
        before = self._waiting
        if before is not None and whole.is_response and before[1].address == whole.address:
            self._waiting = None
            joined = msgspec.structs.replace(whole, data=before[1].data + whole.data)
            yield from self._record(before[0], joined)
            return
        yield from self.flush()
        if whole.is_scannable and not whole.is_response:
            self._waiting = (at_us, whole)
        else:
            yield from self._record(at_us, whole)

    def _whole(self, report: _Report) -> _Report | None:
        """Join the parts of a long advertisement; None while one is to come."""
        key = (report.address, report.advertising_set)
        data = self._parts.pop(key, b"") + report.data
        if report.more and len(data) <= _MOST_DATA and len(self._parts) < _MOST_PARTS:
            self._parts[key] = data
            return None
        if report.more or report.truncated or len(data) > _MOST_DATA:
            self.malformed += 1
            return None
        return msgspec.structs.replace(report, data=data)

    def _record(self, at_us: int, report: _Report) -> Iterator[Record]:
        kind = _ADDRESS_TYPES.get(report.address_type)
        if kind is None:
            self.anonymous += 1
            return
        try:
            found = structures(report.data)
        except DecodeError:
            self.malformed += 1
            return
        yield Record(
            at_us=at_us,
            medium="ble",
            source=self._source,
            address=report.address[::-1].hex(":").upper(),
            address_type=kind,
            structures=found,
            rssi_dbm=report.rssi_dbm,
        )


def _legacy(body: bytes, count: int) -> Iterator[_Report]:
    """Yield reports. Raises struct.error or ValueError for what does not fit."""
    at = 0
    for _ in range(count):
        kind, address_type, address, size = _LEGACY.unpack_from(body, at)
        data = _part(body, at + _LEGACY.size, size + 1)
        at += _LEGACY.size + len(data)
        yield _Report(
            address=address,
            address_type=address_type,
            data=data[:-1],
            rssi_dbm=_rssi(data[-1]),
            is_scannable=kind in _SCANNABLE,
            is_response=kind == _SCAN_RESPONSE,
        )


def _extended(body: bytes, count: int) -> Iterator[_Report]:
    """Yield reports. Raises struct.error or ValueError for what does not fit."""
    at = 0
    for _ in range(count):
        fields = _EXTENDED.unpack_from(body, at)
        kind, address_type, address, _, _, advertising_set, _, rssi, *_, size = fields
        data = _part(body, at + _EXTENDED.size, size)
        at += _EXTENDED.size + size
        yield _Report(
            address=address,
            address_type=address_type,
            data=data,
            rssi_dbm=None if rssi == _NO_RSSI else rssi,
            is_scannable=bool(kind & _EXTENDED_SCANNABLE),
            is_response=bool(kind & _EXTENDED_SCAN_RESPONSE),
            more=kind & _STATUS == _MORE_TO_COME,
            truncated=kind & _STATUS == _TRUNCATED,
            advertising_set=advertising_set,
        )


def _part(body: bytes, start: int, size: int) -> bytes:
    part = body[start : start + size]
    if len(part) < size:
        message = "it ends within a report"
        raise ValueError(message)
    return part


def _rssi(byte: int) -> int | None:
    return None if byte == _NO_RSSI else byte - 256 if byte > _NO_RSSI else byte
