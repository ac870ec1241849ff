"""Logs of a serial port with times in them, as captures: what a modem said, line by line.

    2026-11-22T10:00:00.123Z +RCV=17,8,DEADBEEF,-71,9      RFC 3339, or with a space for the T
    [2026-11-22 10:00:00,123] +RCV=...                     in brackets; without a zone it is UTC
    1795341600.123 +RCV=...                                seconds since 1970
    [  123.456] +RCV=...                                   seconds since something else

The rest of a line is what the modem said, its line ending put back; of a modem whose words are
no text (HEXADECIMAL) it is hexadecimal digits. A line without a time, or with one that counts from
elsewhere than the first, is counted and left out. Where no line has one, this is no such log, and
an error.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gateway.sim.capture.file import CaptureError, Heard
from gateway.sim.capture.format import Header, LineError, Record, unix_us

_MOST_LINE_BYTES: Final = 2048  # as much as a record holds; of longer ones the rest is left out
_MOST_LOOKED_AT: Final = 1000  # lines; a log has a time within so many
_DATE: Final = re.compile(
    rb"\[?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?"
    rb"(Z|[+-]\d\d:?\d\d)?\]?[ \t:]\s*(.*)",
    re.DOTALL,
)
_SECONDS: Final = re.compile(rb"\[?\s*(\d{1,10})(?:[.,](\d{1,9}))\]?[ \t:]\s*(.*)", re.DOTALL)
_EPOCH_S: Final = 1_000_000_000  # more seconds than any machine has been up: since 1970
_US_PER_S: Final = 1_000_000
_MOST_US: Final = 4_102_444_800_000_000  # the year 2100
HEXADECIMAL: Final = ("ebyte-e22", "ebyte-e220", "ebyte-e32", "rnode")  # modems that send bytes
_HEX: Final = re.compile(rb"[0-9a-fA-F\s:]*")


class _Line(NamedTuple):
    at_us: int
    said: bytes
    is_unix: bool


class SerialLog:
    """A log to be iterated over like a capture. Raises CaptureError."""

    def __init__(self, path: Path, modem: str) -> None:
        self.path = path
        self.notes: list[str] = []
        self._modem = modem
        self._timeless = 0

    def __iter__(self) -> Iterator[Heard]:
        self.notes, self._timeless = [], 0
        header: Header | None = None
        start_us, latest, is_unix = 0, 0, False
        for line in self._lines():
            if header is None:
                header, start_us = _beginning(line)
                is_unix = line.is_unix
            if line.is_unix != is_unix:  # how long it was between the two nobody knows
                self._timeless += 1
                continue
            latest = max(latest, line.at_us - start_us)
            record = Record(
                at_us=latest,
                medium="serial",
                source="serial:log",
                payload=line.said,
                modem=self._modem,
            )
            yield Heard(header, record)
        if self._timeless:
            self.notes.append(f"{self._timeless} lines without a time were left out")

    def _lines(self) -> Iterator[_Line]:
        offset, seen = 0, False
        try:
            with self.path.open("rb") as file:
                while raw := file.readline(_MOST_LINE_BYTES):
                    line = self._line(raw, offset)
                    offset += len(raw)
                    if line is not None:
                        seen = True
                        yield line
                    elif not seen and self._timeless > _MOST_LOOKED_AT:
                        break
        except OSError as error:
            cause = f"{self.path} cannot be read: {error.strerror}"
            raise CaptureError(cause) from None
        if not seen:
            cause = f"{self.path}: no line begins with a time: this is no log of a serial port"
            raise CaptureError(
                cause, "lines such as 2026-11-22T10:00:00.123Z +RCV=... can be read"
            )

    def _line(self, raw: bytes, offset: int) -> _Line | None:
        """Read a line; None, and counted, without a time or words."""
        text = raw.rstrip(b"\r\n")
        found = _dated(text) or _counted(text)
        if found is None:
            self._timeless += bool(text.strip())
            return None
        if not found.said.strip():
            return None
        return found._replace(said=self._said(found.said, offset))

    def _said(self, text: bytes, offset: int) -> bytes:
        if self._modem not in HEXADECIMAL:
            return text + b"\r\n"
        digits = b"".join(text.replace(b":", b"").split())
        if not _HEX.fullmatch(text) or len(digits) % 2:
            cause = f"{self.path}: byte {offset}: {self._modem} sends bytes: hexadecimal is needed"
            raise CaptureError(cause)
        return bytes.fromhex(digits.decode())


def _beginning(first: _Line) -> tuple[Header, int]:
    """Return the header of a log that begins with a line, and from when on its times count."""
    if first.is_unix:
        header = Header.at(first.at_us, origin="serial log")
        return header, header.started_us
    return Header.at(0, clock="unsynced", origin="serial log"), first.at_us


def _dated(text: bytes) -> _Line | None:
    found = _DATE.match(text)
    if found is None:
        return None
    day, time, fraction, zone, said = found.groups()
    whole = f"{day.decode()}T{time.decode()}{(zone or b'Z').decode()}"
    try:
        at_us = unix_us(whole)
    except LineError:
        return None
    return _at(at_us, fraction, said, is_unix=True)


def _counted(text: bytes) -> _Line | None:
    found = _SECONDS.match(text)
    if found is None:
        return None
    seconds, fraction, said = found.groups()
    return _at(int(seconds) * _US_PER_S, fraction, said, is_unix=int(seconds) >= _EPOCH_S)


def _at(whole_us: int, fraction: bytes | None, said: bytes, *, is_unix: bool) -> _Line | None:
    at_us = whole_us + int((fraction or b"0").ljust(6, b"0")[:6])
    return _Line(at_us, said, is_unix) if 0 <= at_us < _MOST_US else None
