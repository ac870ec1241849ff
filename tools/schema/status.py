"""The status of a gateway, `ugw.status/1`: birth, heartbeat, farewell and will."""

from typing import Final

from tools.schema.forms import (
    BOOLEAN,
    Field,
    Form,
    Kind,
    Schema,
    array,
    integer,
    optional,
    present_where,
    record,
    required_where,
    text,
    where,
    without,
    words,
)
from tools.schema.origin import (
    BOOT_NAME,
    CLASS,
    ENDED,
    GATEWAY,
    LOSS,
    MAX_ERROR,
    ORG,
    SENT_TIME,
    SOFTWARE,
    STORE_STATE,
    STREAM,
    TRANSPORT,
    clock_state,
    schema_name,
)

NAME: Final = "ugw.status/1"
_MOST_LOSSES: Final = 32

_COUNTERS: Final = {
    "heard": "every advertisement and every LoRa packet",
    "unlisted": "of a device that is not in the configuration",
    "duplicate": "the one before it again",
    "limited": "above the rate of its device",
    "coalesced": "gave way to a newer one of its device",
    "thinned": "left out because the backlog fills",
    "unknown": "in a format no driver knows",
    "empty": "in order, with nothing in it",
    "waiting": "admitted and not decoded yet: how many now",
    "decoded": "became an observation",
    "recovered": "found in the store at start",
    "observed": "made in this run",
    "delivered": "acknowledged by the broker",
    "setAside": "refused by the broker for good",
    "dropped": "given up, and declared as loss ranges",
    "inMemory": "neither acknowledged nor on disk: how many now",
    "inBacklog": "on disk and not acknowledged: how many now",
    "unheard": "delivered, and the broker had nobody who wants them",
}
_CLOCK: Final = record(
    clock_state(),
    Field(
        "source",
        words(
            {
                "kernel": "it says what it knows",
                "system": "unasked, as configured",
                "sntp": "a time server, asked by the gateway itself",
            }
        ),
        "Who is believed.",
    ),
    MAX_ERROR,
    optional(
        "bootTimeMs",
        integer(),
        "Unix time of this boot: it dates any `unknown` observation of this `boot` by bootTimeMs "
        "+ uptimeMs.",
    ),
    rules=(present_where(where("state", "synced", "holdover"), "bootTimeMs"),),
)
_STREAM: Final = record(
    Field("stream", STREAM, "A stream of this run; one per class."),
    Field("class", CLASS, "Of all its observations."),
    Field("nextSeq", integer(), "The number its next observation will have."),
    Field(
        "settledBelow",
        integer(),
        "Below it every number is delivered, set aside or in a published loss range.",
    ),
)
_TRANSPORT: Final = record(
    *TRANSPORT,
    Field(
        "state",
        words(
            {
                "up": "frames come, or silence is known to be right",
                "down": "it does not run",
                "deaf": "it runs, and nothing comes that should",
            }
        ),
        "Whether it hears.",
    ),
    Field("sinceS", integer(), "For how long."),
    optional("cause", text(), "Why, with what to do about it, in words for people."),
    rules=(required_where(where("state", "down", "deaf"), "cause"),),
)
_BACKLOG: Final = record(
    Field("bundles", integer(), "Bundles on disk that are not acknowledged."),
    Field("observations", integer(), "Observations in them."),
    Field("bytes", integer(), "What the store takes on the medium."),
    optional("oldestAgeS", integer(), "Since the oldest was heard, where that can be known."),
)
_ASIDE: Final = record(
    Field("bundles", integer(), "Bundles the broker refused for good, kept for inspection."),
    Field("bytes", integer(), "What they take."),
)
_LEVEL: Final = words(
    {
        "normal": "nothing is thinned",
        "elevated": "routine devices are thinned to one observation per minute",
        "critical": "per ten minutes",
        "full": "and the oldest routine bundles are dropped, events last",
    }
)
_GUARANTEE: Final = words(
    {
        "full": "what is acknowledged is with the broker",
        "reduced": "MQTT 3.1.1: a broker acknowledges what it then discards for lack of rights",
    }
)


def _streams(form: Form) -> Schema:
    if form is Form.OPEN:
        return array(_STREAM)(form)
    per_class = [
        {"contains": {"properties": {"class": {"const": name}}}, "minContains": 1}
        for name in ("routine", "event")
    ]
    return {**array(_STREAM, least=2, most=2)(form), "allOf": per_class}


def _counters(form: Form) -> Schema:
    count = {"type": "integer", "minimum": 0}
    if form is Form.OPEN:
        return {"type": "object", "additionalProperties": count}
    named = {name: {"description": meaning, **count} for name, meaning in _COUNTERS.items()}
    return {
        "type": "object",
        "properties": named,
        "patternProperties": {"^refused\\.[a-z][a-z0-9_]*$": count},
        "required": list(named),
        "additionalProperties": False,
    }


_HEAD: Final = (
    schema_name(NAME),
    ORG,
    GATEWAY,
    Field(
        "session",
        integer(),
        "Higher with each attempt to connect, for the life of the installation. Ignore a status "
        "whose session is lower than one you have seen: it is late.",
    ),
    SENT_TIME,
    SOFTWARE,
)
_STATE: Final = (
    Field("state", words({"online": "it runs", "offline": "it does not"}), "The gateway's."),
    optional("clean", BOOLEAN, "True: an orderly stop. False: the connection was lost."),
)
_BODY: Final = (
    optional("boot", BOOT_NAME, "Names this boot of the gateway."),
    optional("uptimeMs", integer(), "Since then."),
    optional("clock", _CLOCK, "The gateway's clock."),
    optional("streams", _streams, "The streams of this run."),
    optional("previous", ENDED, "How earlier runs ended, until the broker acknowledged it."),
    optional(
        "dropped", array(record(*LOSS), most=_MOST_LOSSES), "The last loss ranges, newest last."
    ),
    optional("level", _LEVEL, "How full the backlog is, and what that does."),
    optional("storeState", STORE_STATE, "The store of the backlog."),
    optional("guarantee", _GUARANTEE, "What an acknowledgement is worth."),
    optional("backlog", _BACKLOG, "What waits on disk."),
    optional("setAside", _ASIDE, "What the broker refused for good."),
    optional("transports", array(_TRANSPORT), "The sources of frames."),
    optional("counters", _counters, "What was counted in this run: the terms of both laws."),
)


def _is_whole_unless_a_will(form: Form) -> Schema:
    body = [field.name for field in _BODY]
    rule: Schema = {"if": where("clean", False), "else": {"required": body}}  # noqa: FBT003
    if form is Form.STRICT:
        rule["then"] = without("sentTime", *body)
    return rule


def _is_dated_where_the_clock_is(form: Form) -> Schema:
    believed = {"clock": where("state", "synced", "holdover")}
    return present_where({"properties": believed, "required": ["clock"]}, "sentTime")(form)


STATUS: Final[Kind] = record(
    *_HEAD,
    *_STATE,
    *_BODY,
    rules=(
        present_where(where("state", "offline"), "clean"),
        _is_whole_unless_a_will,
        _is_dated_where_the_clock_is,
    ),
)
