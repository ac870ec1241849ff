"""A cable that ends in a pty. It knows the speed that the host has set, but no DTR and no RTS."""

import asyncio
import os
import pty
import termios
import tty
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.sim.uart import BAUDS

_READ_BYTES: Final = 65536
_UNSENT_BYTES: Final = 1 << 20  # beyond, the host has gone away: what is said then is lost
_MOST_GONE: Final = 32
_GONE: Final[deque[int]] = deque()  # ends of ptys whose names are not given out again yet
_OUTPUT_SPEED: Final = 5  # its place in what tcgetattr returns


class PtyWire:
    """A pty whose other end is a chip; `take` gets what the host writes."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._ours, self._theirs = pty.openpty()  # theirs stays open: no hang-up between two hosts
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.name = os.ttyname(self._theirs)
        self._unsent = bytearray()
        self._is_there = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ours, self._read)

    @property
    def baud(self) -> int | None:
        """The speed that the host has set; None for one that has no name."""
        return (
            BAUDS.get(termios.tcgetattr(self._theirs)[_OUTPUT_SPEED]) if self._is_there else None
        )

    def send(self, data: bytes, *, waits: bool) -> None:
        """Send bytes; what does not wait and finds no room is lost."""
        if not self._is_there or len(self._unsent) > _UNSENT_BYTES:
            return
        if not waits and not self._unsent:
            self._write(data)
        elif waits:
            self._unsent += data
            self._flush()

    def unplug(self) -> None:
        """Be gone: whoever has it open reads its end, and whoever tries to again finds nothing."""
        if self._is_there:
            self._is_there = False
            self._loop.remove_reader(self._ours)
            self._loop.remove_writer(self._ours)
            os.close(self._ours)
            # Linux gives its number out again once this end is closed too, and a program that
            # tries the old name again would take another chip for this one.
            _GONE.append(self._theirs)
            if len(_GONE) > _MOST_GONE:
                os.close(_GONE.popleft())

    def _read(self) -> None:
        self._take(os.read(self._ours, _READ_BYTES))

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._ours, data)
        except BlockingIOError:
            return 0

    def _flush(self) -> None:
        del self._unsent[: self._write(self._unsent)]
        if self._unsent:
            self._loop.add_writer(self._ours, self._flush)
        else:
            self._loop.remove_writer(self._ours)
