"""What several messages say in the same words: who speaks, when, and of which stream."""

from typing import Final

from tools.schema.forms import (
    SLUG,
    SLUG_TEXT,
    TIMESTAMP,
    Field,
    array,
    constant,
    integer,
    number,
    opaque,
    optional,
    record,
    text,
    where,
    words,
)

ORG: Final = Field("org", SLUG_TEXT, "The organisation, as in the topic.")
GATEWAY: Final = Field(
    "gateway",
    SLUG_TEXT,
    "The gateway, as in the topic. Reject a message whose names are not those of its topic.",
)
SOFTWARE: Final = Field("software", text(), "Name and version of what runs there.")
SENT_TIME: Final = optional(
    "sentTime", TIMESTAMP, "When this was made; only where the clock can be believed."
)

DEVICE_NAME: Final = opaque(f"^(urn:dev:mac:[0-9a-f]{{16}}|ugw:{SLUG}:{SLUG})$")
DEVICE: Final = Field(
    "device",
    DEVICE_NAME,
    "Who measured: `urn:dev:mac:` and an EUI-64 (RFC 9039), or `ugw:{org}:{id}`. Never a random "
    "address.",
)
BOOT_NAME: Final = opaque("^[0-9A-Za-z-]{1,64}$")
STREAM: Final = opaque("^[0-9A-Za-z]{16,64}$")
CLASS: Final = words({"routine": "first to go when room must be made", "event": "last to go"})
MEDIUM: Final = words({"ble": "Bluetooth LE", "lora": "LoRa, and LoRaWAN"})
TRANSPORT: Final = (
    Field(
        "name",
        text(),
        "Its kind and what it hears by: `ble:hci0`, `serial:` and the last part of the port's "
        "path, the address listened on, the server's host.",
    ),
    Field(
        "kind",
        words(
            {
                "ble": "an adapter",
                "serial": "a modem",
                "semtech-udp": "LoRaWAN gateways",
                "chirpstack": "a LoRaWAN network server",
                "the-things-stack": "another",
            }
        ),
        "What it is.",
    ),
)

LOSS_REASON: Final = words(
    {
        "full": "the store had no room for more",
        "store": "the store could not be used, and memory had no room",
        "damaged": "what was stored could not be read any more",
        "aside": "the broker would never take them, and there was no room to set them aside",
        "purged": "somebody deleted them by command",
    }
)
LOSS: Final = (
    Field("stream", STREAM, "The stream the numbers are of: these will never come."),
    Field("from", integer(), "The first of them."),
    Field("to", integer(), "The last of them."),
    Field("reason", LOSS_REASON, "Why they were given up."),
    optional("at", TIMESTAMP, "When they were given up, where that is known."),
)

_MOST_ENDED: Final = 64  # gateway.backlog.MOST_PREVIOUS
ENDED: Final = array(
    record(
        Field("stream", STREAM, "A stream of an earlier run; it has ended."),
        Field("class", CLASS, "Of all its observations."),
        Field(
            "end",
            words({"clean": "an orderly stop", "unclean": "a crash or a power cut"}),
            "How the run ended.",
        ),
        Field(
            "nextSeq",
            integer(),
            "After a clean end the number that would have come next; after an unclean one, one "
            "past the highest number in the backlog, 0 if there was none.",
        ),
    ),
    most=_MOST_ENDED,
)
STORE_STATE: Final = words(
    {
        "ok": "it works",
        "memory-only": "it cannot be used, so nothing unacknowledged is safe",
        "quarantined": "a damaged store was put aside, and a new one is in use",
    }
)
LOCATION: Final = record(
    Field("lat", number(minimum=-90, maximum=90), "Latitude in degrees, north positive."),
    Field("lon", number(minimum=-180, maximum=180), "Longitude in degrees, east positive."),
    optional("altM", number(minimum=-500, maximum=9000), "Altitude above sea level in metres."),
    optional(
        "heightAboveGroundM",
        number(minimum=-500, maximum=1000),
        "Height above ground in metres, for what hangs on a mast.",
    ),
)
TIME_QUALITY: Final = words(
    {
        "exact": "the clock was synchronised",
        "holdover": "it had been synchronised since boot, and was not then",
        "reconstructed": "computed when the clock was synchronised later in the same boot",
        "unknown": "nobody knows when it was",
    }
)
DATED: Final = where("timeQuality", "exact", "holdover", "reconstructed")
UNDATED: Final = where("timeQuality", "unknown")


def schema_name(name: str) -> Field:
    """Begin a message: name and major version."""
    return Field("schema", constant(name), "Name and major version of what this message is.")


def clock_state() -> Field:
    """Tell the state of the gateway's clock."""
    states = {
        "synced": "something synchronises it",
        "holdover": "something did since boot, and does not now",
        "unsynced": "nothing has since boot",
    }
    return Field("state", words(states), "The gateway's clock when the message was made.")


MAX_ERROR: Final = optional(
    "maxErrorMs", integer(), "How far it may be off, where the kernel tells."
)
