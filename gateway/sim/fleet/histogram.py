"""How long things took, in memory that does not grow with the run.

Durations are kept to three digits and rounded up: what is told is never better than what was.
"""

import msgspec

_DIGITS = 3


class Histogram(msgspec.Struct):
    """How often each duration was seen, by microseconds."""

    counts: dict[int, int] = msgspec.field(default_factory=dict[int, int])

    def add(self, seconds: float) -> None:
        """Note one; a negative one, which a clock that was set can make, counts as none."""
        micros = _rounded(max(0, round(seconds * 1e6)))
        self.counts[micros] = self.counts.get(micros, 0) + 1

    def merge(self, other: "Histogram") -> None:
        """Take over what another has seen."""
        for micros, count in other.counts.items():
            self.counts[micros] = self.counts.get(micros, 0) + count

    def since(self, before: "Histogram") -> "Histogram":
        """Return what was seen since this one was copied."""
        passed = {each: n - before.counts.get(each, 0) for each, n in self.counts.items()}
        return Histogram({each: n for each, n in passed.items() if n})

    def copy(self) -> "Histogram":
        """Return what was seen up to now."""
        return Histogram(dict(self.counts))

    def percentile_ms(self, percent: float) -> float | None:
        """Return what `percent` of them did not exceed, in milliseconds; None: there are none."""
        total = sum(self.counts.values())
        seen = 0
        for micros in sorted(self.counts):
            seen += self.counts[micros]
            if seen * 100 >= total * percent:
                return micros / 1000
        return None


def _rounded(micros: int) -> int:
    step: int = 10 ** max(0, len(str(micros)) - _DIGITS)
    return -(-micros // step) * step
