"""The decisions of delivery, one function each: numbers in, a decision out.

No clock, no socket, no counter: the caller says what time it is and acts on the answer. Times are
integers in nanoseconds, so that both interpreters decide alike.
"""

_SECOND_NS = 1_000_000_000

# Lanes
LIVE = "live"
REPLAY = "replay"

# Verdicts on a PUBACK: what becomes of the bundle.
SETTLE = "settle"  # the broker has it
SETTLE_UNHEARD = "settle_unheard"  # the broker has it, and nobody who wants it
KEEP = "keep"  # still ours: it is sent again, when its lane has waited
SPLIT = "split"  # too large: it is sent again in parts
SET_ASIDE = "set_aside"  # it will never be taken

FAILURE = 0x80  # reason codes from here on are failures (MQTT 5, 2.4)
NO_MATCHING_SUBSCRIBERS = 0x10  # MQTT 5, 3.4.2.1
_TOPIC_NAME_INVALID = 0x90
PACKET_TOO_LARGE = 0x95  # of a DISCONNECT (3.14.2.1), and of brokers that say it in a PUBACK
_PAYLOAD_FORMAT_INVALID = 0x99
_HOPELESS_REFUSALS = 5

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

# How far a slow link narrows what is on its way, and by what it widens again.
LEAST_TARGET_BYTES = 2_000
TARGET_STEP_BYTES = 2_000
SLOW_ACK_NS = 5 * _SECOND_NS
QUICK_ACK_NS = 2 * _SECOND_NS

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


def verdict(reason_code: int, *, require_subscriber: bool) -> str:
    """Return what a PUBACK's reason code decides about the bundle."""
    if reason_code == NO_MATCHING_SUBSCRIBERS:
        return KEEP if require_subscriber else SETTLE_UNHEARD
    if reason_code < FAILURE:
        return SETTLE
    if reason_code == PACKET_TOO_LARGE:
        return SPLIT
    if reason_code in (_TOPIC_NAME_INVALID, _PAYLOAD_FORMAT_INVALID):
        return SET_ASIDE
    return KEEP


def is_hopeless(refusals: int, others_since: int) -> bool:
    """Whether a bundle refused so often is itself the reason.

    `others_since` have been taken on its lane since it was refused first.
    """
    return refusals >= _HOPELESS_REFUSALS and others_since > 0


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
