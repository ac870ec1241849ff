r"""btsnoop files as captures: what `btmon -w` writes, and the HCI logs of Android.

    "btsnoop\0" VVVV KKKK   then   OOOO LLLL FFFF dddd TTTTTTTT data*L   for each packet

    V  version: 1    K  kind: 1001 HCI, 1002 HCI of a UART (H4), 2001 BlueZ's monitor
    L  length of the data, O that of the packet   d  packets lost before it
    F  1001, 1002: bit 0 received, bit 1 command or event; 2001: adapter << 16 | opcode
    T  microseconds since the year 0

Big-endian. Sources: RFC 1761, of which it is a relative; BlueZ, src/shared/btsnoop.c. A file that
ends within a packet was cut off, which is tolerated and said; a length that cannot be is an error
that names its offset. Nothing but advertising reports is read: no connection and none of its keys.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from gateway.sim.capture.file import CaptureError, Heard
from gateway.sim.capture.format import Header, Record
from gateway.sim.capture.hci import Reports

MAGIC: Final = b"btsnoop\0"
_HEAD: Final = struct.Struct(">8sII")
_PACKET: Final = struct.Struct(">IIIIq")
_VERSION: Final = 1
_HCI, _H4, _MONITOR = 1001, 1002, 2001
# 2000-01-01 in both ways of counting, as BlueZ converts them.
_Y2K_US: Final = 0x00E03AB44A676000
_UNIX_Y2K_US: Final = 946_684_800_000_000
_RECEIVED_EVENT: Final = 0b11
_H4_EVENT: Final = b"\x04"
_MONITOR_EVENT: Final = 3
_OPCODE: Final = 0xFFFF
_MOST_BYTES: Final = 1 << 16  # BlueZ writes 1490 at most, an ACL packet has 64 KiB
_FIRST_US, _LAST_US = 0, 4_102_444_800_000_000  # 1970 to 2100: all else is damage
_MOST_ADAPTERS: Final = 64


class _Packet(NamedTuple):
    offset: int
    flags: int
    unix_us: int
    data: bytes


class BtsnoopFile:
    """A btsnoop file to be iterated over like a capture. Raises CaptureError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._reports: dict[int, Reports] = {}
        self._header: Header | None = None

    def __iter__(self) -> Iterator[Heard]:
        self.notes, self._reports, self._header = [], {}, None
        try:
            with self.path.open("rb") as file:
                kind = self._kind(file.read(_HEAD.size))
                yield from self._heard(file, kind)
        except OSError as error:
            cause = f"{self.path} cannot be read: {error.strerror}"
            raise CaptureError(cause) from None
        self._count()

    def _heard(self, file: BinaryIO, kind: int) -> Iterator[Heard]:
        for packet in self._packets(file):
            event = _event(packet, kind)
            if event is None:
                continue
            if self._header is None:
                self._header = Header.at(packet.unix_us, origin="btsnoop")
            at_us = max(0, packet.unix_us - self._header.started_us)
            reports = self._of_adapter(packet.flags >> 16 if kind == _MONITOR else 0)
            yield from self._with_header(reports.feed(event, at_us))
        for reports in self._reports.values():
            yield from self._with_header(reports.flush())

    def _with_header(self, records: Iterator[Record]) -> Iterator[Heard]:
        for record in records:
            if self._header is not None:
                yield Heard(self._header, record)

    def _of_adapter(self, index: int) -> Reports:
        if index not in self._reports:
            # One for all beyond what any machine has: a hostile file cannot make more.
            index = min(index, _MOST_ADAPTERS)
            self._reports.setdefault(index, Reports(f"ble:hci{index}"))
        return self._reports[index]

    def _kind(self, head: bytes) -> int:
        if len(head) < _HEAD.size or not head.startswith(MAGIC):
            cause = f"{self.path}: byte 0: this is no btsnoop file"
            raise CaptureError(cause)
        _, version, kind = _HEAD.unpack(head)
        if version != _VERSION or kind not in (_HCI, _H4, _MONITOR):
            cause = (
                f"{self.path}: byte 8: version {version}, kind {kind}: not one that can be read"
            )
            raise CaptureError(cause, f"version 1 of kind {_HCI}, {_H4} or {_MONITOR} can")
        return int(kind)

    def _packets(self, file: BinaryIO) -> Iterator[_Packet]:
        offset = _HEAD.size
        while head := file.read(_PACKET.size):
            if len(head) < _PACKET.size:
                self._cut(offset)
                return
            _, size, flags, _, stamp = _PACKET.unpack(head)
            unix_us = stamp - _Y2K_US + _UNIX_Y2K_US
            if size > _MOST_BYTES:
                raise self._damage(offset, f"a packet of {size} bytes")
            if not _FIRST_US <= unix_us < _LAST_US:
                raise self._damage(offset, "a time before 1970 or after 2100")
            data = file.read(size)
            if len(data) < size:
                self._cut(offset)
                return
            yield _Packet(offset, flags, unix_us, data)
            offset += _PACKET.size + size

    def _cut(self, offset: int) -> None:
        self.notes.append(f"the file ends within the packet at byte {offset}, which is left out")

    def _damage(self, offset: int, what: str) -> CaptureError:
        return CaptureError(f"{self.path}: byte {offset}: damaged: {what}")

    def _count(self) -> None:
        malformed = sum(reports.malformed for reports in self._reports.values())
        anonymous = sum(reports.anonymous for reports in self._reports.values())
        if malformed:
            self.notes.append(f"{malformed} malformed advertisements were left out")
        if anonymous:
            self.notes.append(f"{anonymous} advertisements without an address were left out")


def _event(packet: _Packet, kind: int) -> bytes | None:
    """Return an event, its code first; None for all else."""
    if kind == _MONITOR:
        return packet.data if packet.flags & _OPCODE == _MONITOR_EVENT else None
    if kind == _H4:  # as BlueZ does, believe the packet: some phones set no flags
        return packet.data[1:] if packet.data[:1] == _H4_EVENT else None
    return packet.data if packet.flags & _RECEIVED_EVENT == _RECEIVED_EVENT else None
