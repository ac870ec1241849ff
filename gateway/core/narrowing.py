"""How far a slow link narrows what is on its way, and by what it widens again.

Numbers in, numbers out; times are integers in nanoseconds.
"""

_SECOND_NS = 1_000_000_000
LEAST_TARGET_BYTES = 2_000
TARGET_STEP_BYTES = 2_000
SLOW_ACK_NS = 5 * _SECOND_NS
QUICK_ACK_NS = 2 * _SECOND_NS


def is_slow(waited_ns: int) -> bool:
    """Whether an acknowledgement took so long that what is fresh waits too long behind others."""
    return waited_ns > SLOW_ACK_NS


def is_quick(waited_ns: int) -> bool:
    """Whether an acknowledgement came so soon that more may be on the way."""
    return waited_ns <= QUICK_ACK_NS


def narrowed(window: int, target_bytes: int) -> tuple[int, int]:
    """Return window and bundle size after an acknowledgement was slow, or did not come in time."""
    return max(1, window // 2), max(LEAST_TARGET_BYTES, target_bytes // 2)


def widened(
    window: int, target_bytes: int, most_window: int, most_target_bytes: int
) -> tuple[int, int]:
    """Return window and bundle size after a whole window was acknowledged."""
    target_bytes = min(most_target_bytes, target_bytes + TARGET_STEP_BYTES)
    return min(most_window, window + 1), target_bytes


def learned_limit(suspect_bytes: int) -> int:
    """Return how large a packet may be at a broker that found one of that size too large."""
    return max(LEAST_TARGET_BYTES, suspect_bytes // 2)
