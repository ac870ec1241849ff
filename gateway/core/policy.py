"""The decisions of delivery, one function each: numbers in, a decision out.

No clock, no socket, no counter: the caller says what time it is and acts on the answer. Times are
integers in nanoseconds, so that both interpreters decide alike.
"""

_SECOND_NS = 1_000_000_000

# Lanes
LIVE = "live"
REPLAY = "replay"

# Levels of a backlog (gateway.model.Level)
NORMAL = "normal"
ELEVATED = "elevated"
CRITICAL = "critical"
FULL = "full"
_LEVELS = ((FULL, 100, 95), (CRITICAL, 90, 85), (ELEVATED, 50, 45))  # entered at, left below, in %
_THINNING_NS = {  # between two observations of a routine device
    NORMAL: 0,
    ELEVATED: 60 * _SECOND_NS,
    CRITICAL: 600 * _SECOND_NS,
    FULL: 600 * _SECOND_NS,
}

# Time qualities of docs/reference/schema.md
RECONSTRUCTED = "reconstructed"
UNKNOWN = "unknown"


def acknowledgement_deadline_ns(
    sent_ns: int, ack_timeout_ns: int, bytes_outstanding: int, min_rate_bytes_per_s: int
) -> int:
    """Return when the connection counts as dead if this PUBLISH was not acknowledged.

    `bytes_outstanding` are those sent and not acknowledged, its own included: a slow link gets the
    time it needs for them at the slowest rate we call a link.
    """
    transfer_ns = bytes_outstanding * _SECOND_NS // min_rate_bytes_per_s
    return sent_ns + ack_timeout_ns + transfer_ns


def replay_slots(
    window: int, in_flight_live: int, in_flight_replay: int, live_waiting: int
) -> int:
    """Return how many replay bundles may be sent now; the caller sends live ones first.

    Replay takes free slots only. While live has traffic, waiting or in flight, it holds at most
    half of the window, but one slot at least, so that neither lane starves the other.
    """
    free = window - in_flight_live - in_flight_replay
    share = window
    if live_waiting or in_flight_live:
        share = max(1, window // 2)
    return max(0, min(free, share - in_flight_replay))


def lane(age_ns: int, live_max_age_ns: int) -> str:
    """Return the lane of a bundle whose oldest observation is this old when it is sent."""
    return REPLAY if age_ns > live_max_age_ns else LIVE


def time_quality(sealed_quality: str, *, same_boot: bool, synchronised_since: bool) -> str:
    """Return the time quality of a bundle that is rendered now.

    `sealed_quality` is `exact` or `holdover` if wall time was known when its observations were
    heard, else empty: then they can be dated once the clock has been synchronised, in the boot
    that counted their times and in no other.
    """
    if sealed_quality:
        return sealed_quality
    return RECONSTRUCTED if same_boot and synchronised_since else UNKNOWN


def next_publish_ns(last_publish_ns: int, pace_ns: int) -> int:
    """Return when the next live bundle that is not full may go out."""
    return last_publish_ns + pace_ns


def level(used: int, cap: int, before: str, *, refused: bool) -> str:
    """Return how full a backlog is that was at level `before`, with hysteresis.

    `refused`: what was to be kept was refused for want of room, whatever the numbers say.
    """
    if refused:
        return FULL
    is_below = False  # the level before is the one at hand or a higher one
    for name, enter, leave in _LEVELS:
        is_below = is_below or name == before
        if 100 * used >= (leave if is_below else enter) * cap:
            return name
    return NORMAL


def thinning_ns(level: str) -> int:
    """Return how long a routine device has to wait for its next observation at a level."""
    return _THINNING_NS[level]
