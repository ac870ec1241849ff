"""At which of its baud rates a modem is spoken to: the one it answers at is kept.

The rate it was last known to answer at has every second turn: a modem that hangs is found again as
soon as it is back, and one that somebody has set to another rate a little later.
"""

from collections.abc import Sequence


class Speeds:
    """The rates of one modem, the wanted one first; `now` is that of the present opening."""

    def __init__(self, wanted: int, others: Sequence[int]) -> None:
        self._wanted = wanted
        self._known = wanted
        self.all = (wanted, *(baud for baud in others if baud != wanted))
        self._failed = 0  # turns since it answered
        self._is_mute = False  # in this turn
        self.now = wanted

    def turn(self) -> int:
        """Begin another opening of the port; return its rate."""
        self._failed += self._is_mute
        self._is_mute = False
        others = [baud for baud in self.all if baud != self._known]
        if others and self._failed % 2:
            self.now = others[self._failed // 2 % len(others)]
        else:
            self.now = self._known
        return self.now

    def answered(self) -> None:
        """Keep the present rate."""
        self._known = self.now
        self._failed = 0
        self._is_mute = False

    def mute(self) -> None:
        """Let the next opening be at another rate."""
        self._is_mute = True

    @property
    def tried(self) -> str:
        """All of them, in words."""
        *most, last = [str(baud) for baud in self.all]
        return f"{', '.join(most)} or {last}" if most else last

    @property
    def note(self) -> str:
        """What is to be said of the rate the modem answers at; nothing when it is the wanted."""
        if self._known == self._wanted:
            return ""
        found, wanted = self._known, self._wanted
        return f"the modem answers at {found} baud, not at {wanted}: set baud to {found}"
