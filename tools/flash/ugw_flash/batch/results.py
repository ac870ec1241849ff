"""What became of each row: a file beside the sheet, with a line for each attempt.

A line is on the disk before the next card is asked for. Of secrets there are the digests of
claims, which prove nothing.
"""

import getpass
from typing import Final, NamedTuple, Self

from ugw_flash.batch.ledger import Ledger
from ugw_flash.batch.sheet import Sheet

MADE: Final = "made"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"


class Result(NamedTuple):
    """What became of a row once. The fields are the columns."""

    gateway: str
    result: str  # made, failed, interrupted
    time: str  # UTC, 2026-11-22T17:20:00Z
    kind: str  # pi, esp32
    device: str = ""  # serial of the card or its reader, MAC of the board
    material_sha256: str = ""  # of the image or the firmware, as it was published
    short_code: str = ""
    claim_sha256: str = ""
    claim_expires: str = ""  # UTC
    operator: str = ""
    cause: str = ""  # why not


class Results:
    """The results of a sheet."""

    def __init__(self, ledger: Ledger) -> None:
        self.path = ledger.path
        self._ledger = ledger
        self.lines = [Result(*cells) for cells in ledger.lines]

    @classmethod
    def beside(cls, sheet: Sheet) -> Self:
        """Open those of a sheet: sites.csv has sites.result.csv. Raises RefusedError."""
        path = sheet.path.with_suffix(".result.csv")
        return cls(Ledger(path, Result._fields, sheet.separator))

    def made(self, gateway: str) -> Result | None:
        """Return when a gateway was made last; None: never."""
        found = [each for each in self.lines if (each.gateway, each.result) == (gateway, MADE)]
        return found[-1] if found else None

    def last(self, gateway: str) -> Result | None:
        """Return what became of a gateway last; None: nothing yet."""
        return next((each for each in reversed(self.lines) if each.gateway == gateway), None)

    def gateway_on(self, device: str) -> str:
        """Return which gateway a board, by its MAC, was made last; empty: none."""
        found = [each for each in self.lines if each.device == device and each.result == MADE]
        return found[-1].gateway if found and device else ""

    def has_used(self, claim_sha256: str) -> bool:
        """Whether a gateway was made with this claim."""
        return any(each.claim_sha256 == claim_sha256 for each in self.lines if each.result == MADE)

    def add(self, result: Result) -> None:
        """Append a line; when this returns it is on the disk. Raises UgwError."""
        self._ledger.add(result)
        self.lines.append(result)


def operator() -> str:
    """Return who makes it: the user of this desk, as the system knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
