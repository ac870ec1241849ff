"""The last values of one device, flat: for dashboards, Node-RED, Home Assistant."""

from typing import Final

from tools.schema.forms import (
    TIMESTAMP,
    Field,
    Form,
    Schema,
    integer,
    optional,
    present_where,
    record,
)
from tools.schema.origin import DATED, DEVICE, TIME_QUALITY
from tools.schema.vocabulary import state_values

_HEAD: Final = record(
    DEVICE,
    optional("time", TIMESTAMP, "Of the newest observation; absent where nobody knows."),
    Field("timeQuality", TIME_QUALITY, "Of the newest observation."),
    optional("rssi", integer(-200, 100), "Of the newest observation, in dBm."),
    rules=(present_where(DATED, "time"),),
)


def state(form: Form) -> Schema:
    """Describe a state: beside the head, values by `observedProperty` or `...property.channel`.

    A value is null where the newest result was bad or missing.
    """
    return {**_HEAD(form), **state_values(form)}
