"""The retained announcements of a gateway and of a device: `ugw.gateway/1`, `ugw.device/1`."""

from typing import Final

from tools.schema.forms import (
    SLUG_TEXT,
    Field,
    Kind,
    array,
    integer,
    number,
    optional,
    record,
    text,
    words,
)
from tools.schema.origin import (
    CLASS,
    DEVICE,
    GATEWAY,
    LOCATION,
    MEDIUM,
    ORG,
    SOFTWARE,
    TRANSPORT,
    schema_name,
)
from tools.schema.vocabulary import STATISTICS, property_name, units

GATEWAY_NAME: Final = "ugw.gateway/1"
DEVICE_SCHEMA: Final = "ugw.device/1"
_MOST_PROPERTIES: Final = 64
_STATISTICS: Final = {
    name: {
        "count": "how many over the period",
        "counter": "only rises, unless it restarts or wraps around",
        "event": "something happened",
        "instant": "at that moment",
        "leq": "equivalent continuous level over the period",
        "max": "highest of the period",
        "mean": "mean of the period",
        "min": "lowest of the period",
        "state": "no quantity",
        "sum": "of the period",
    }[name]
    for name in STATISTICS
}

GATEWAY_ANNOUNCED: Final[Kind] = record(
    schema_name(GATEWAY_NAME),
    ORG,
    GATEWAY,
    optional("name", text(), "What people call it."),
    optional("location", LOCATION, "Where it hangs (WGS 84)."),
    optional("hardware", text(), "What it is made of."),
    SOFTWARE,
    Field("transports", array(record(*TRANSPORT)), "The sources of frames it has."),
    Field("devices", integer(), "How many devices it listens to."),
)

_PROPERTY: Final = record(
    Field("observedProperty", property_name, "A name of the vocabulary, or `x_` and a name."),
    optional("channel", SLUG_TEXT, "Probe, axis or phase; absent for the first."),
    Field("unit", text(), "UCUM, as in the results."),
    optional("statistic", words(_STATISTICS), "What a value is."),
    optional("periodS", number(exclusiveMinimum=0), "The time a value stands for."),
    optional("calibration", text(), "How and when it was calibrated."),
    rules=(units,),
)

DEVICE_ANNOUNCED: Final[Kind] = record(
    schema_name(DEVICE_SCHEMA),
    DEVICE,
    Field("metaRev", integer(1), "Another number with each change of what is announced here."),
    optional("name", text(), "What people call it."),
    optional("driver", text(), "The driver that decodes it."),
    optional("model", text(), "What its maker calls it."),
    optional("manufacturer", text(), "Who made it."),
    optional("firmware", text(), "The version of its firmware."),
    Field("medium", MEDIUM, "How it is heard."),
    Field("class", CLASS, "Of its observations."),
    optional(
        "expectedIntervalS",
        number(exclusiveMinimum=0),
        "How often it should be heard; silent for three times as long, it is reported.",
    ),
    optional("location", LOCATION, "Where it hangs (WGS 84)."),
    optional("site", text(), "The place as people call it."),
    optional(
        "properties",
        array(_PROPERTY, least=1, most=_MOST_PROPERTIES),
        "The quantities it measures, so far as they are known.",
    ),
)
