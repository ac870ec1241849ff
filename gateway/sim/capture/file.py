"""Capture files: read line by line, written so that a power cut costs no more than a second.

What a writer was cut off in is tolerated and counted: a torn line at the end, or before the header
of the session that was appended next. Any other line that cannot be read ends the reading with a
SimulatorError that names line and offset.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

import msgspec

from gateway.core import wire
from gateway.errors import SimulatorError
from gateway.sim.capture.format import (
    MOST_LINE_BYTES,
    Header,
    LineError,
    Record,
    header_line,
    parse,
    record_line,
)

_MOST_DEVICES: Final = 100_000  # that are told apart; after these only their frames are counted
_TOGETHER: Final = 1000  # frames written at a time
_MODE: Final = 0o600  # who was where when is nobody else's business
_NOT_ONE: Final = "a capture begins with a header: ugw record writes one"


class CaptureError(SimulatorError):
    """A capture cannot be read or written; the text names the file and, where known, the place."""


class Heard(NamedTuple):
    """A record and the session it was heard in."""

    header: Header
    record: Record

    @property
    def unix_us(self) -> int:
        """When that was, in microseconds since 1970."""
        return self.header.started_us + self.record.at_us


def read(path: Path) -> Iterator[Record]:
    """Yield the frames of a capture, in its order. Raises CaptureError."""
    for heard in CaptureFile(path):
        yield heard.record


class CaptureFile:
    """A capture to be iterated over, again if need be; its numbers are of the last time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = 0  # lines that a writer did not finish
        self.sessions = 0
        self._header: Header | None = None

    @property
    def notes(self) -> list[str]:
        """What was not as it should be, in words."""
        return [f"{self.torn} torn lines were left out"] if self.torn else []

    def __iter__(self) -> Iterator[Heard]:
        self.torn = self.sessions = 0
        self._header = None
        with _opened(self.path) as file:
            bad: CaptureError | None = None
            for what in self._lines(file):
                if bad is not None and not isinstance(what, Header):
                    raise bad
                self.torn += bad is not None
                bad = what if isinstance(what, CaptureError) else None
                if isinstance(what, Header):
                    self._header = what
                    self.sessions += 1
                elif isinstance(what, Record) and self._header is not None:
                    yield Heard(self._header, what)
            if bad is not None:  # the last line, which is torn: but a whole one would have ended
                self._forgive(bad)

    def _lines(self, file: BinaryIO) -> Iterator[Header | Record | CaptureError]:
        """Yield what stands in each line, or why it cannot be read."""
        offset, number = 0, 0
        while line := file.readline(MOST_LINE_BYTES):
            number += 1
            try:
                found = parse(line)
            except LineError as error:
                if not self.sessions:
                    raise self._error(number, offset, f"{_NOT_ONE}; {error}") from None
                yield self._error(number, offset, str(error))
            else:
                if not self.sessions and isinstance(found, Record):
                    raise self._error(number, offset, _NOT_ONE)
                yield found
            offset += len(line)
        if not number:
            raise self._error(1, 0, f"it is empty; {_NOT_ONE}")

    def _forgive(self, bad: CaptureError) -> None:
        """Count a last line that was not finished. Raises what is wrong with any other."""
        with _opened(self.path) as file:
            file.seek(-1, os.SEEK_END)
            if file.read() == b"\n":
                raise bad
        self.torn += 1

    def _error(self, number: int, offset: int, why: str) -> CaptureError:
        cause = f"{self.path}:{number}: byte {offset}: this is no line of a capture: {why:.400}"
        return CaptureError(cause)


def _opened(path: Path) -> BinaryIO:
    """Open a regular file to be read; a pipe or a device would block or never end."""
    try:
        if not path.is_file():
            cause = f"{path} is no file" if path.exists() else f"there is no {path}"
            raise CaptureError(cause)
        return path.open("rb")
    except OSError as error:
        cause = f"{path} cannot be read: {error.strerror}"
        raise CaptureError(cause) from None


class Writer:
    """A capture that is being written: nobody else may read it, nobody else writes to it.

    A file that is there is only added to if `append` says so, as another session. What is `write`n
    is on the medium when it returns; call it every second or so, with all there is. After
    `max_bytes` nothing more is taken, and `full` says so.
    """

    def __init__(
        self, path: Path, header: Header, *, append: bool = False, max_bytes: int | None = None
    ) -> None:
        self.path = path
        self.full = False
        self.frames = 0
        self.devices: set[str] = set()  # their addresses, as they are written
        self._max_bytes = max_bytes
        torn = self._torn(path, header) if append and path.exists() else False
        try:
            self._file = os.open(path, _flags(append=append), _MODE)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._file, _MODE)  # what is added to may have been for all
        except FileExistsError:
            cause = f"{path} is there already"
            remedy = "name another file; ugw record --append adds to one"
            raise CaptureError(cause, remedy) from None
        except BlockingIOError:
            os.close(self._file)
            cause = f"somebody else is writing to {path}"
            raise CaptureError(cause) from None
        except OSError as error:
            raise self._lost(error) from None
        self.size_bytes = os.fstat(self._file).st_size
        line = (b"\n" if torn else b"") + header_line(header)
        if max_bytes is None or self.size_bytes + len(line) <= max_bytes:
            self._put(line)
        else:
            self.full = True

    @staticmethod
    def _torn(path: Path, header: Header) -> bool:
        """Whether what is added to ends within a line. Raises CaptureError for what may not be."""
        with _opened(path) as file:
            line = file.readline(MOST_LINE_BYTES)
            if not line:
                return False
            first = _header_in(line)
            if first is None:
                cause = f"{path} is no capture, and is left as it is"
                raise CaptureError(cause, "name another file")
            if first.pseudonymised and not header.pseudonymised:
                cause = f"{path} is pseudonymised: true addresses are not added to it"
                raise CaptureError(cause, "say --pseudonymise too, or name another file")
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"

    def begin(self, header: Header) -> None:
        """Begin another session."""
        self._put(header_line(header))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, records: Iterable[Record]) -> int:
        """Write frames and wait until the medium has them; return how many found room.

        Raises CaptureError when the medium takes no more.
        """
        lines: list[bytes] = []
        addresses: set[str] = set()
        size = self.size_bytes
        for record in records:
            line = record_line(record)
            if self.full or (self._max_bytes is not None and size + len(line) > self._max_bytes):
                self.full = True
                break
            size += len(line)
            lines.append(line)
            addresses.add(record.address)
        self._put(b"".join(lines))
        if len(self.devices) < _MOST_DEVICES:
            self.devices |= addresses
        self.frames += len(lines)
        return len(lines)

    def _put(self, data: bytes) -> None:
        if not data:
            return
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError as error:
            raise self._lost(error) from None
        self.size_bytes += len(data)

    def _lost(self, error: OSError) -> CaptureError:
        cause = f"{self.path} cannot be written: {error.strerror}"
        return CaptureError(cause, "make room for it, or name another file")

    def close(self) -> None:
        """End it."""
        os.close(self._file)


def _header_in(line: bytes) -> Header | None:
    """Return the header that a line is, if it is one."""
    with suppress(LineError):
        found = parse(line)
        return found if isinstance(found, Header) else None
    return None


def _flags(*, append: bool) -> int:
    how = os.O_APPEND if append else os.O_EXCL
    return os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | how


def shifted(heards: Iterable[Heard], start_us: int) -> Iterator[Heard]:
    """Yield all as if the first session began then (µs since 1970); times between stay."""
    by_us: int | None = None
    before = after = None
    for heard in heards:
        if by_us is None:
            by_us = start_us - heard.header.started_us
        if after is None or heard.header is not before:
            before = heard.header
            started = wire.rfc3339_ms((before.started_us + by_us) // 1000)
            after = msgspec.structs.replace(before, started=started)
        yield Heard(after, heard.record)


def convert(heards: Iterable[Heard], path: Path) -> int:
    """Write a capture, session by session; return the frames. Raises CaptureError, as `Writer`.

    Where it does not come to its end nothing is left, for it would be taken for the whole.
    """
    left = iter(heards)
    first = next(left, None)
    if first is None:
        cause = "nothing was heard, so there is nothing to be written"
        raise CaptureError(cause)
    with Writer(path, first.header) as writer:
        try:
            _copy(first, left, writer)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return writer.frames


def _copy(first: Heard, others: Iterable[Heard], writer: Writer) -> None:
    header, waiting = first.header, [first.record]
    for heard in others:
        if heard.header is not header or len(waiting) >= _TOGETHER:
            writer.write(waiting)
            waiting = []
        if heard.header is not header:
            header = heard.header
            writer.begin(header)
        waiting.append(heard.record)
    writer.write(waiting)
