"""SLIP, as the ROM and the flasher stub speak it: frames between two 0xC0, 0xC0 and 0xDB escaped.

    C0  payload  C0        DB DC for C0, DB DD for DB

What stands between frames is noise and is passed over; a frame that grows beyond all measure, or
escapes what needs no escape, is dropped.
"""

from typing import Final

END: Final = 0xC0
_ESCAPE: Final = 0xDB
_ESCAPED: Final = {0xDC: END, 0xDD: _ESCAPE}
_LONGEST: Final = 0x10000  # the stub's largest block is 0x4000, and its header


def frame(payload: bytes) -> bytes:
    """Return a payload as it goes over the line."""
    return b"\xc0" + payload.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


class Frames:
    """Finds the frames in what comes in."""

    def __init__(self) -> None:
        self._payload: bytearray | None = None  # None: between frames
        self._escaping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, as many as have come; return the payloads that are whole with them."""
        found: list[bytes] = []
        for byte in data:
            if byte == END:
                found += self._end()
            elif self._payload is not None:
                self._take(self._payload, byte)
        return found

    def _end(self) -> list[bytes]:
        """Take an 0xC0: the end of a frame, or the beginning of one."""
        payload, self._payload = self._payload, None
        if not payload:
            self._payload, self._escaping = bytearray(), False
        return [bytes(payload)] if payload else []

    def _take(self, payload: bytearray, byte: int) -> None:
        if self._escaping:
            self._escaping = False
            if byte not in _ESCAPED:
                self._payload = None
                return
            payload.append(_ESCAPED[byte])
        elif byte == _ESCAPE:
            self._escaping = True
        else:
            payload.append(byte)
        if len(payload) > _LONGEST:
            self._payload = None
