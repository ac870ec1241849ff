"""A line of a capture, `ugw.capture/1`: what `ugw record` writes and `ugw replay` reads.

A file, not a message. Each line of it is a header, which begins a session, or a frame.
"""

from typing import Any, Final

from tools.schema.forms import (
    BOOLEAN,
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
from tools.schema.origin import schema_name

NAME: Final = "ugw.capture/1"

_HEX: Final = fixed({"type": "string", "pattern": "^([0-9a-f]{2})*$", "maxLength": 4096})
_UUID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_BYTE: Final = integer(0, 255)
_NUMBER: Final = 2**32 - 1

_HEADER: Final = record(
    schema_name(NAME),
    Field("started", TIMESTAMP, "When the session began; `t` counts from there."),
    optional("gateway", text(), "The id of the gateway; left out where pseudonymised."),
    optional("software", text(), "Name and version of what recorded it."),
    optional(
        "clock",
        words(
            {
                "synced": "to be believed",
                "holdover": "was synchronised since the machine started, is not now",
                "unsynced": "not to be believed; only times between frames are right",
            }
        ),
        "How far `started` can be believed; absent: synced.",
    ),
    optional("pseudonymised", BOOLEAN, "Whether other addresses stand for the true ones."),
    optional(
        "everybody", BOOLEAN, "Whether strangers were recorded too, not only listed devices."
    ),
    optional("origin", text(), "Of an import: what it was made of."),
)


def _structure(_: Form) -> Schema:
    """Hold AD type, identifier, data."""
    identifier: Schema = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": _NUMBER}, _UUID]}
    parts: list[Any] = [_BYTE(_), identifier, _HEX(_)]
    return {"type": "array", "prefixItems": parts, "minItems": 3, "maxItems": 3, "items": False}


_FRAME: Final = record(
    Field(
        "t",
        number(minimum=0, maximum=4_102_444_800.0),
        "Seconds since `started`, to the microsecond.",
    ),
    Field(
        "m",
        words(
            {
                "ble": "an advertisement, or the answer to a poll",
                "lora": "a LoRa packet, or a LoRaWAN uplink",
                "serial": "what a modem said, not read yet",
            }
        ),
        "The medium.",
    ),
    Field("src", text(), "The transport that heard it: `ble:hci0`, `serial:` and its port."),
    optional(
        "addr",
        text(
            "^([0-9A-F]{2}(:[0-9A-F]{2}){5}|lora:[0-9]{1,5}|eui:[0-9a-f]{16}|lorawan:[0-9a-f]{8})$"
        ),
        "Who sent it: a Bluetooth LE address, a node's number, a DevEUI, or the device address of "
        "an uplink whose node is not listed. Absent where a modem spoke.",
    ),
    optional(
        "type",
        words({"public": "its maker's", "random": "made up, and perhaps another soon"}),
        "Bluetooth LE: what kind of address it is; absent where nobody said.",
    ),
    optional(
        "ad",
        array(_structure),
        "Bluetooth LE: the structures of the advertisement as AD type, identifier, data: `[255, "
        'company, hex]`, `[22, UUID, hex]`, `[9, 0, name in hex]`, `[3, UUID, ""]` for a listed '
        "service. A 128-bit UUID is 32 hexadecimal digits.",
    ),
    optional("data", _HEX, "The payload: of LoRa, of the answer to a poll, of a modem's words."),
    optional("polled", BOOLEAN, "Bluetooth LE: whether it answers a poll."),
    optional("rssi", integer(-200, 127), "Signal strength in dBm."),
    optional("snr", number(minimum=-128, maximum=128), "LoRa: signal-to-noise ratio in dB."),
    optional("sf", integer(5, 12), "LoRa: spreading factor."),
    optional("freq", integer(), "LoRa: frequency in Hz."),
    optional("uplink", BOOLEAN, "Whether the payload is a LoRaWAN PHYPayload, not opened."),
    optional("port", _BYTE, "LoRaWAN: of a payload that a network server has opened."),
    optional("count", integer(0, _NUMBER), "LoRaWAN: its frame counter."),
    optional("flags", array(text()), "What the network server said of it."),
    optional("modem", text(), "Of a modem's words: the driver that reads them."),
    rules=(
        fixed({"if": where("m", "serial"), "then": {"required": ["modem"]}}),
        fixed({"if": where("m", "ble", "lora"), "then": {"required": ["addr"]}}),
    ),
)


def line(form: Form) -> Schema:
    """Be a header or a frame."""
    parts: tuple[Kind, ...] = (_HEADER, _FRAME)
    return {"oneOf": [part(form) for part in parts]}
