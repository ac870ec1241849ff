"""What a PUBACK decides: its reason code in, what becomes of the bundle out (MQTT 5, 3.4.2.1).

MQTT 3.1.1 has no reason codes: there every PUBACK settles.
"""

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
