"""The report of a site, `ugw.site-report/1`: what `ugw doctor` hands over, in a file."""

from typing import Final

from tools.schema.forms import (
    BOOLEAN,
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
    record,
    text,
    where,
    words,
)
from tools.schema.origin import DEVICE, LOCATION, MEDIUM, SOFTWARE, schema_name

NAME: Final = "ugw.site-report/1"

_LIGHT: Final = words(
    {
        "green": "as it should be",
        "yellow": "it works, but somebody should see to it",
        "red": "nothing gets through here, or will be lost",
        "unknown": "not tried, not to be known, or not there and need not be",
    }
)
_LINK: Final = words(
    {
        "power": "the supply",
        "disk": "the medium, the store on it",
        "time": "the clock",
        "network": "link, address, way out",
        "name": "the broker's name",
        "tls": "the connection with the broker, and both certificates",
        "broker": "the broker's word",
        "agent": "the agent and its configuration",
        "acknowledgement": "an observation that the broker has acknowledged, end to end",
        "bluetooth": "an adapter",
        "lora": "a modem, or where LoRaWAN comes from",
        "sensor": "a listed device",
    }
)
_SIGNAL: Final = words(
    {
        "good": "heard with a reserve",
        "weak": "heard without one",
        "bad": "about to be lost",
        "unknown": "no radio told a level",
    }
)


def _values(_: Form) -> Schema:
    """Hold what a sentence was made of, each by its name."""
    return {"type": "object", "additionalProperties": {"type": ["string", "number"]}}


_CHECK: Final = record(
    Field("link", _LINK, "What was looked at."),
    Field("light", _LIGHT, "How it is."),
    Field("id", text("^[a-z_]+\\.[a-z_]+$"), "The sentence, whatever the language."),
    optional("about", text(), "Which radio, which sensor."),
    Field("says", text(), "The sentence, in the report's language."),
    optional("cause", text(), "Why it is so."),
    optional("remedy", text(), "What to do."),
    optional("values", _values, "What the sentence was made of, in units its names tell."),
)
_SENSOR: Final = record(
    DEVICE,
    optional("name", text(), "What people call it."),
    Field("medium", MEDIUM, "How it is heard."),
    Field("light", _LIGHT, "How it is."),
    Field("signal", _SIGNAL, "How well it was heard last."),
    optional("rssi", integer(least=-200, most=100), "The level of its last frame in dBm."),
    optional("snr", number(), "Its signal to noise in dB."),
    optional("spreadingFactor", integer(5, 12), "Its LoRa spreading factor."),
    optional("lastHeardAgoS", number(minimum=0), "Since it was heard; absent: not in this run."),
    optional("expectedIntervalS", number(exclusiveMinimum=0), "How often it should be heard."),
    Field("silent", BOOLEAN, "Whether it was not heard for three times as long."),
    Field("observations", integer(), "How many in this run."),
)
_SYSTEM: Final = record(
    optional("model", text(), "The machine, as it calls itself."),
    optional("os", text(), "The operating system."),
    Field("kernel", text(), "Its kernel, and for which processor."),
    Field("python", text(), "The Python that ugw runs on."),
)
_BACKLOG: Final = record(
    Field("bundles", integer(), "Bundles on disk that are not acknowledged."),
    Field("observations", integer(), "Observations in them."),
    Field("bytes", integer(), "What the store takes on the medium."),
)

_GREEN_IS_ACKNOWLEDGED: Final = fixed(
    {"if": where("light", "green"), "then": {"properties": {"acknowledged": {"const": True}}}}
)
SITE_REPORT: Final[Kind] = record(
    schema_name(NAME),
    optional("org", SLUG_TEXT, "The organisation; absent where no configuration could be read."),
    optional("gateway", SLUG_TEXT, "The gateway, likewise."),
    optional("name", text(), "What people call it."),
    optional("location", LOCATION, "Where it hangs (WGS 84)."),
    optional("hardware", text(), "What it is made of, as configured."),
    optional("reportTime", TIMESTAMP, "When; only where the clock can be believed."),
    Field("language", words({"en": "English", "de": "German"}), "Of its sentences."),
    Field(
        "light",
        _LIGHT,
        "The worst of its checks; never green unless `acknowledged`.",
    ),
    Field(
        "acknowledged",
        BOOLEAN,
        "Whether the broker has acknowledged an observation of this run, from a sensor to the "
        "PUBACK.",
    ),
    SOFTWARE,
    optional("agent", text(), "Name and version of the agent that runs; absent: none answered."),
    Field("system", _SYSTEM, "What it runs on."),
    optional("backlog", _BACKLOG, "What waits; absent where no agent could be asked."),
    Field("checks", array(_CHECK, least=1), "The links of the chain, in their order."),
    Field("sensors", array(_SENSOR), "The listed devices, in the configuration's order."),
    rules=(_GREEN_IS_ACKNOWLEDGED,),
)
