"""The lines of a serial modem: bytes in any pieces -> lines, noise counted, memory bounded.

A line ends with LF; white space around it is not part of it, and an empty one is none. Of one that
is longer than `longest` the end is kept: what begins in the middle of noise ends like any other.
"""

_BLANKS = b" \t\r\n"
_SPACE, _DELETE = 0x20, 0x7F  # what is printable begins and ends there
_MOST_DIGITS = 9  # of a number that means anything; int() of many takes long


class Lines:
    """Cuts what the port delivered; holds less than one line. Counts into `counters`."""

    def __init__(self, longest: int, counters: dict[str, int]) -> None:
        self._longest = longest
        self._counters = counters
        self._rest = b""
        self._is_torn = False  # the beginning of the present line was skipped

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines now complete."""
        *complete, rest = (self._rest + data).split(b"\n")
        lines = [line for line in map(self._whole, complete) if line]
        self._rest = self._end_of(rest)
        return lines

    def abandon(self) -> bytes:
        """Give up the line that stopped halfway; return what there was of it."""
        rest, self._rest = self._rest.strip(_BLANKS), b""
        self._is_torn = False
        self._counters["garbage_bytes"] += len(rest)
        return rest

    def _whole(self, line: bytes) -> bytes:
        line = self._end_of(line)
        self._is_torn = False
        return line.strip(_BLANKS)

    def _end_of(self, line: bytes) -> bytes:
        excess = len(line) - self._longest
        if excess <= 0:
            return line
        self._counters["garbage_bytes"] += excess
        self._counters["overlong_lines"] += not self._is_torn
        self._is_torn = True
        return line[excess:]


def integer(text: bytes, limits: tuple[int, int]) -> int | None:
    """Return what decimal digits, perhaps behind a minus, say; None: none, or out of limits."""
    digits = text[1:] if text.startswith(b"-") else text
    if not digits or len(digits) > _MOST_DIGITS or digits.strip(b"0123456789"):
        return None
    value = int(text)
    return value if limits[0] <= value <= limits[1] else None


def octets(text: bytes) -> bytes | None:
    """Return what hexadecimal digits, two for a byte, say; None: anything else."""
    if len(text) % 2 or text.strip(b"0123456789ABCDEFabcdef"):
        return None
    return bytes.fromhex(text.decode())


def printable(line: bytes) -> str:
    """Return a line of ASCII as text, nothing where it is none."""
    return line.decode() if all(_SPACE <= byte < _DELETE for byte in line) else ""
