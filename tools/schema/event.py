"""What city IT must hear about, `ugw.event/1`: a head, and fields for each kind."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tools.schema.forms import (
    MOST,
    Field,
    Form,
    Kind,
    Schema,
    fixed,
    integer,
    optional,
    record,
    required_where,
    text,
    where,
    words,
)
from tools.schema.origin import (
    BOOT_NAME,
    DEVICE,
    ENDED,
    GATEWAY,
    LOSS,
    ORG,
    SENT_TIME,
    STORE_STATE,
    schema_name,
)

NAME: Final = "ugw.event/1"
_WHY: Final = "Why, with what to do about it, in words for people."
_TRANSPORT: Final = Field("name", text(), "The transport, as in the status.")
_NO_SUBSCRIBERS: Final = 0x10  # MQTT 5, 3.4.2.1: the one success that deserves an event
_FIRST_FAILURE, _LAST_CODE = 0x80, 0xFF


class Event(NamedTuple):
    """A kind of event: what it means, and what it has beside the head."""

    meaning: str
    fields: tuple[Field, ...]
    rules: tuple[Kind, ...] = ()


_STEP: Final = fixed(
    {"type": "integer", "minimum": -MOST, "maximum": MOST, "not": {"const": 0}},
)
_REASON_CODE: Final = fixed(
    {
        "type": "integer",
        "anyOf": [
            {"const": _NO_SUBSCRIBERS},
            {"minimum": _FIRST_FAILURE, "maximum": _LAST_CODE},
        ],
    }
)

EVENTS: Final[Mapping[str, Event]] = {
    "loss": Event("numbers of a stream were given up", LOSS),
    "sensor.silent": Event(
        "nothing heard of a device for three expected intervals, at least ten minutes; never "
        "while the gateway itself was deaf or down",
        (DEVICE, Field("gapS", integer(), "Since it was heard last.")),
    ),
    "sensor.back": Event(
        "a silent device was heard again",
        (DEVICE, Field("gapS", integer(), "How long it was silent.")),
    ),
    "transport.down": Event(
        "a source of frames hears nothing any more",
        (_TRANSPORT, Field("cause", text(), _WHY)),
    ),
    "transport.up": Event(
        "a source of frames hears again",
        (_TRANSPORT, optional("cause", text(), _WHY)),
    ),
    "clock.step": Event(
        "the gateway's clock was set",
        (Field("byMs", _STEP, "By how much; forward is positive."),),
    ),
    "store": Event(
        "the state of the store changed, or it began to give up old observations for new ones, or "
        "ended that",
        (Field("state", STORE_STATE, "What it is now."), optional("cause", text(), _WHY)),
        (required_where(where("state", "memory-only", "quarantined"), "cause"),),
    ),
    "refused": Event(
        "frames of a listed device were refused; told now and then, not for each",
        (
            DEVICE,
            Field(
                "reason",
                text("^[a-z][a-z0-9_]{0,63}$"),
                "A reason as in the counters, without `refused.`.",
            ),
            Field("count", integer(1), "How many since the event before this one."),
        ),
    ),
    "uplink.refused": Event(
        "the broker refused a publish, or had nobody who wants it",
        (
            Field("reasonCode", _REASON_CODE, "The PUBACK's reason code (MQTT 5, 3.4.2.1)."),
            Field("lane", words({"live": "obs/live", "replay": "obs/replay"}), "Which topic."),
        ),
    ),
    "agent.start": Event(
        "the agent has started",
        (Field("previous", ENDED, "How earlier runs ended, as in the status."),),
    ),
    "agent.check": Event("somebody tried, with `ugw check`, whether the gateway may publish", ()),
}

_HEAD: Final = record(
    schema_name(NAME),
    ORG,
    GATEWAY,
    SENT_TIME,
    Field("boot", BOOT_NAME, "Names the boot of the gateway in which it happened."),
    Field(
        "uptimeMs",
        integer(),
        "From that boot to the moment it happened; bootTimeMs of the status dates it.",
    ),
    Field("kind", words({kind: event.meaning for kind, event in EVENTS.items()}), "What."),
)


def _of_kind(kind: str, form: Form) -> Schema:
    own = record(*EVENTS[kind].fields, rules=EVENTS[kind].rules)(form)
    added = {key: own[key] for key in ("properties", "required", "allOf") if key in own}
    return {"if": where("kind", kind), "then": added}


def event(form: Form) -> Schema:
    """Describe an event; of a kind that is not known, a consumer can rely on the head."""
    whole = {**_HEAD(form), "allOf": [_of_kind(kind, form) for kind in EVENTS]}
    if form is Form.STRICT:
        # The fields of a kind stand beside the head's, which knows nothing of them.
        del whole["additionalProperties"]
        whole["unevaluatedProperties"] = False
    return whole
