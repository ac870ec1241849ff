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
KEEP = "keep"  # still ours: it is sent again

_FAILURE = 0x80  # reason codes from here on are failures (MQTT 5, 2.4)
_NO_MATCHING_SUBSCRIBERS = 0x10  # MQTT 5, 3.4.2.1

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


def verdict(reason_code: int) -> str:
    """Return what a PUBACK's reason code decides: SETTLE, SETTLE_UNHEARD or KEEP."""
    if reason_code == _NO_MATCHING_SUBSCRIBERS:
        return SETTLE_UNHEARD
    return KEEP if reason_code >= _FAILURE else SETTLE


def time_quality(sealed_quality: str, *, same_boot: bool, synchronised_now: bool) -> str:
    """Return the time quality of a bundle that is rendered now.

    `sealed_quality` is `exact` or `holdover` if wall time was known when the bundle was sealed,
    else empty: then its times can be reconstructed in the boot that counted them, in no other.
    """
    if sealed_quality:
        return sealed_quality
    return RECONSTRUCTED if same_boot and synchronised_now else UNKNOWN


def next_publish_ns(last_publish_ns: int, pace_ns: int) -> int:
    """Return when the next live bundle that is not full may go out."""
    return last_publish_ns + pace_ns
