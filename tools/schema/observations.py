"""The bundle of observations, `ugw.observations/1`."""

from typing import Final

from tools.schema.forms import (
    SLUG_TEXT,
    TIMESTAMP,
    Field,
    Form,
    Kind,
    Schema,
    array,
    fixed,
    integer,
    number,
    optional,
    present_where,
    record,
    text,
    words,
)
from tools.schema.origin import (
    BOOT_NAME,
    CLASS,
    DATED,
    DEVICE,
    GATEWAY,
    MAX_ERROR,
    MEDIUM,
    ORG,
    STREAM,
    TIME_QUALITY,
    UNDATED,
    clock_state,
    schema_name,
)
from tools.schema.vocabulary import RANGES, property_name, results

NAME: Final = "ugw.observations/1"
_MOST_OBSERVATIONS: Final = 100
_MOST_RESULTS: Final = 64
_NAMED_IN_CAMEL_CASE: Final = "^[a-z][A-Za-z0-9]{0,63}$"

_QUALITIES: Final = {
    "uncertain": "the flags say why",
    "bad": "not plausible, or the sensor says so",
    "missing": "there is no value",
}
_FLAGS: Final = {
    "battery_low": "the sensor says that its battery is",
    "out_of_range": "outside the property's plausible range; the value is kept",
    "replay_possible": "an encrypted frame that may be a recording",
    "saturated": "at the end of what the sensor can measure",
    "sensor_fault": "the sensor says that it does not work",
    "time_uncertain": "the sensor's own account of time is in doubt",
    "uncalibrated": "the sensor says that it is not calibrated",
    "warmup": "the sensor is not ready yet",
}


def _flags(form: Form) -> Schema:
    listed = array(words(_FLAGS), least=1)(form)
    return {**listed, "uniqueItems": True}


def _quality(form: Form) -> Schema:
    # `good` is a word of the list that is never sent: it is what no word means.
    own = words(_QUALITIES)(form)
    return {**own, "examples": ["good", *own["examples"]]} if form is Form.OPEN else own


def _null_is_explained(form: Form) -> Schema:
    """Null has a quality that is neither good nor uncertain; missing, in turn, has no value."""
    null = {"properties": {"result": {"type": "null"}}, "required": ["result"]}
    bad: Schema = (
        {"enum": ["bad", "missing"]}
        if form is Form.STRICT
        else {"not": {"enum": ["good", "uncertain"]}}
    )
    explained: Schema = {"if": null, "then": {"properties": {"quality": bad}}}
    explained["then"]["required"] = ["quality"]
    if form is Form.STRICT:
        valued = {"properties": {"quality": {"not": {"const": "missing"}}}}
        explained["else"] = valued
    return explained


RESULT: Final = record(
    Field(
        "observedProperty",
        property_name,
        "A name of the vocabulary; or `x_` and a name, for a diagnostic outside it.",
    ),
    optional("channel", SLUG_TEXT, "Second probe, axis or phase; absent for the first."),
    Field(
        "result",
        fixed({"type": ["number", "boolean", "string", "null"]}),
        "The value, of the property's type, an exact decimal. Null: the sensor has none.",
    ),
    Field(
        "unit",
        text(),
        "UCUM, case-sensitive, fixed for the property; `1` for counts, states and texts. Reject "
        "a message with another one.",
    ),
    optional("quality", _quality, "Absent: good."),
    optional("flags", _flags, "Why, in words; sorted."),
    rules=(_null_is_explained, results),
)

LINK: Final = record(
    Field("medium", MEDIUM, "How it came."),
    optional("rssi", integer(-200, 100), "Signal strength in dBm, where the receiver tells."),
    optional("snr", number(), "Signal to noise ratio in dB, where the modem tells."),
    optional(
        "frameCounter",
        integer(),
        "The sensor's own count of its frames; wraps around as the sensor has it.",
    ),
    optional("spreadingFactor", integer(5, 12), "LoRa's, where the modem tells."),
    optional("frequencyHz", integer(1), "LoRa's, where the modem tells."),
    optional(
        "copies",
        integer(2),
        "1, and the frames merged into this device's previous observation since that left. "
        "Absent: 1.",
    ),
)


def _parameters(_: Form) -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": _NAMED_IN_CAMEL_CASE},
        "additionalProperties": {"type": ["number", "boolean", "string"]},
    }


OBSERVATION: Final = record(
    Field(
        "seq", integer(), "Counts the observations of its stream from 0; contiguous in a bundle."
    ),
    DEVICE,
    optional(
        "phenomenonTime",
        TIMESTAMP,
        "When it was heard, or when the sensor says it measured; the end of the period for "
        "aggregates.",
    ),
    Field("timeQuality", TIME_QUALITY, "What the time is worth."),
    optional("boot", BOOT_NAME, "Names the boot of the gateway in which it was heard."),
    optional("uptimeMs", integer(), "From that boot to the moment it was heard."),
    optional(
        "metaRev", integer(1), "Revision of the device's retained announcement that is in force."
    ),
    Field("results", array(RESULT, least=1, most=_MOST_RESULTS), "What the frame carried."),
    Field("link", LINK, "How it was received."),
    optional(
        "parameters",
        _parameters,
        "Conditions of the measurement, the unit in the name: depthM, periodS, vehicleClass.",
    ),
    rules=(
        present_where(DATED, "phenomenonTime"),
        present_where(UNDATED, "boot", "uptimeMs"),
    ),
)

_BUNDLE: Final[Kind] = record(
    schema_name(NAME),
    ORG,
    GATEWAY,
    Field(
        "stream",
        STREAM,
        "Opaque. One per class and run of the agent, never used again: not by a cloned card, not "
        "by a restored backup.",
    ),
    Field("class", CLASS, "Of every observation in the bundle."),
    Field("clock", record(clock_state(), MAX_ERROR), "The gateway's clock."),
    Field(
        "observations",
        array(OBSERVATION, least=1, most=_MOST_OBSERVATIONS),
        "One or more, of one stream.",
    ),
)


def bundle(form: Form) -> Schema:
    """Describe a bundle of observations."""
    ranges = {"$defs": RANGES} if form is Form.STRICT else {}
    return {**_BUNDLE(form), **ranges}
