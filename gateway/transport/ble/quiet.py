"""How long an adapter is usually silent: one whose sensors speak each hour is so most of the time.

Pure. Silence is unusual once it has lasted several times as long as any of today and yesterday
that has ended; none is before so many have ended that this is known. One that may have ended for
what was done against it may have been a fault: from then on it makes little usual that was not.
"""

from typing import Final

_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _NS
_TIMES: Final = 3
_A_LITTLE: Final = 10  # a tenth of it more
_HELPS_NS: Final = 30 * _NS  # beyond the usual silence: when what has helped is heard to have


class Quiet:
    """The silences of one adapter; times are nanoseconds since boot."""

    def __init__(self, least: int) -> None:
        self._missing = least  # of those that have to end before any is unusual
        self._since_ns: int | None = None
        self._done_ns: int | None = None
        self._day: int = 0
        self._longest_ns = (0, 0)  # of this day, of the one before

    def listening(self, now_ns: int) -> None:
        """Note that somebody listens, from now on or as before."""
        if self._since_ns is None:
            self._since_ns = now_ns

    def deaf(self) -> None:
        """Note that nobody listens: however long that lasts, it says nothing."""
        self._since_ns = self._done_ns = None

    def done(self, now_ns: int) -> None:
        """Note that something was done against it."""
        self._done_ns = now_ns

    def heard(self, now_ns: int) -> None:
        """Note that something was heard: it has ended, and the next one begins."""
        since_ns, done_ns = self._since_ns, self._done_ns
        self._since_ns, self._done_ns = now_ns, None
        if since_ns is None:
            return
        usual_ns, silent_ns = self._usual_ns(now_ns), now_ns - since_ns
        has_helped = done_ns is not None and now_ns - done_ns <= usual_ns + _HELPS_NS
        if has_helped and not self._missing:
            silent_ns = min(silent_ns, usual_ns + usual_ns // _A_LITTLE)
        self._missing = max(0, self._missing - 1)
        today_ns, yesterday_ns = self._longest_ns
        self._longest_ns = (max(today_ns, silent_ns), yesterday_ns)

    def unusual_since_ns(self, now_ns: int) -> int | None:
        """Return since when it lasts longer than the sensors explain, None while it does not."""
        if self._missing or self._since_ns is None:
            return None
        end_ns = self._since_ns + _TIMES * self._usual_ns(now_ns)
        return end_ns if end_ns <= now_ns else None

    def _usual_ns(self, now_ns: int) -> int:
        """Return the longest of today and yesterday; a day without any makes none forgotten."""
        day = now_ns // _DAY_NS
        if day != self._day:
            today_ns, yesterday_ns = self._longest_ns
            self._day, self._longest_ns = day, (0, today_ns or yesterday_ns)
        return max(self._longest_ns)
