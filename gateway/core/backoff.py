"""How long to wait before trying again: exponential with full jitter, so that a fleet spreads out.

Gateways that lost one broker together must not return together (AWS Architecture Blog,
"Exponential Backoff and Jitter", 2015: full jitter needs the fewest calls).
"""

# For a broker that is away, a message it refuses and a store that fails alike.
FIRST_S = 1.0
MOST_S = 60.0

_MOST_DOUBLINGS = 30  # beyond any sensible `most_s`; keeps the product within a float of 32 bits


def delay_s(attempt: int, chance: float, *, first_s: float, most_s: float) -> float:
    """Return the wait before attempt number `attempt` (0 is the first retry).

    `chance` is uniform in [0, 1); the wait is that share of first_s * 2**attempt, at most most_s.
    """
    doublings = min(attempt, _MOST_DOUBLINGS)
    return chance * min(most_s, first_s * (1 << doublings))
