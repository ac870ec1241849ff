"""Judges what a gateway sends: by the strict schema, and by what JSON Schema cannot say.

It knows the topics, the files of config/schema, and nothing of the code that renders messages.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, NamedTuple, cast

from gateway.sim.expectations.published import STRICT, Json, schema, schema_faults

_SLUG: Final = "[a-z0-9-]{1,64}"
_TOPIC: Final = re.compile(
    rf"ugw/v1/({_SLUG})/({_SLUG})/(obs/live|obs/replay|status|event|meta|state)(?:/({_SLUG}))?"
)
_MESSAGES: Final = {  # what is said there, without a device and with one
    "obs/live": ("observations", ""),
    "obs/replay": ("observations", ""),
    "status": ("status", ""),
    "event": ("event", ""),
    "meta": ("gateway", "device"),
    "state": ("", "state"),
}
_REMOVABLE: Final = {"gateway", "device", "state"}
_NEVER_RETAINED: Final = {"observations", "event"}
_MOST_BYTES: Final = 16_384

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_ESCAPE: Final = re.compile(r"\\(u.{4}|.)")
# Between strings: white space, an exponent, a zero at the end of a fraction, a negative zero.
_NOT_CANONICAL: Final = re.compile(r"\s|[0-9][eE]|\.[0-9]*0(?![0-9])|-0(?![.0-9])")
# What must be escaped, as it must be (RFC 8259, 7).
_ESCAPED: Final = {*'"\\bfnrt'} | {
    f"u{code:04x}" for code in range(0x20) if chr(code) not in "\b\f\n\r\t"
}


class _Place(NamedTuple):
    """What a topic says of the message in it."""

    org: str
    gateway: str
    device: str  # empty where the message is not a device's
    message: str


class Validator:
    """Judges messages one by one; it remembers what must not change from one to another."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}  # by stream
        self._known: dict[tuple[str, bytes], list[str]] = {}

    def faults(self, topic: str, payload: bytes, *, retain: bool = False) -> list[str]:
        """Return what is wrong with a message; nothing is what is wrong with a good one."""
        place = _place(topic)
        if place is None:
            return ["not a topic of ours"]
        if retain and place.message in _NEVER_RETAINED:
            return ["never retained"]
        if (topic, payload) not in self._known:  # a message that comes again is judged once
            self._known[topic, payload] = list(self._judged(place, payload))
        return self._known[topic, payload]

    def _judged(self, place: _Place, payload: bytes) -> Iterator[str]:
        if not payload:
            if place.message not in _REMOVABLE:
                yield "an empty payload"
            return
        try:
            text = payload.decode()
            message = read(text)
        except ValueError as error:
            yield repr(error)
            return
        if found := list(schema_faults(STRICT, place.message, message)):
            yield from found  # what follows relies on the message's shape
            return
        yield from _not_canonical(text)
        yield from _out_of_order(schema(STRICT, place.message), message)
        yield from _elsewhere(place, message)
        yield from _BEYOND[place.message](message)
        yield from self._of_another_class(message)
        if len(payload) > _MOST_BYTES and len(message.get("observations", "")) > 1:
            yield f"{len(payload)} bytes"

    def _of_another_class(self, message: Json) -> Iterator[str]:
        for one in (message, *message.get("streams", ()), *message.get("previous", ())):
            if "stream" in one and "class" in one:
                klass = self._classes.setdefault(one["stream"], one["class"])
                if klass != one["class"]:
                    yield f"{one['stream']} was of class {klass}"


def _place(topic: str) -> _Place | None:
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return None
    org, gateway, what, device = found.groups(default="")
    message = _MESSAGES[what][bool(device)]
    return _Place(org, gateway, device, message) if message else None


# ----------------------------------------------------------------------------------------- reading
def read(text: str) -> Json:
    """Return a JSON text's value with its decimals exact; ValueError for what is none."""
    return json.loads(
        text, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_of_different_keys
    )


def _refuse(constant: str) -> Json:
    raise ValueError(constant)


def _of_different_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        message = f"a key twice: {[key for key, _ in pairs]}"
        raise ValueError(message)
    return dict(pairs)


def _not_canonical(text: str) -> Iterator[str]:
    between = _STRING.sub('""', text)
    if found := _NOT_CANONICAL.search(between):
        yield f"not canonical: {between[max(0, found.start() - 20) : found.end() + 5]!r}"
    if "\\" in text:
        wrong = {escape for escape in _ESCAPE.findall(text) if escape not in _ESCAPED}
        yield from (f"not canonical: \\{escape}" for escape in sorted(wrong))


# ------------------------------------------------------------------------------------------- order
def _out_of_order(node: Json, value: Json) -> Iterator[str]:
    """Yield where fields do not stand in the order of the schema."""
    if isinstance(value, list):
        items = cast("tuple[Json, ...]", value)  # whatever holds them
        for item in items:
            yield from _out_of_order(node["items"], item)
    elif isinstance(value, dict) and "properties" in node:
        given = cast("dict[str, Json]", value)
        fields = _fields(node, given)
        expected = _in_order(fields, given)
        if list(given) != expected:
            yield f"not in order: {list(given)}"
        for key, inner in given.items():
            if isinstance(inner, dict | list) and key in fields:
                yield from _out_of_order(fields[key], inner)


def _fields(node: Json, value: Json) -> dict[str, Json]:
    """Return the fields of an object, those that its kind adds at the end."""
    fields: dict[str, Json] = dict(node["properties"])
    for rule in node.get("allOf", ()):
        condition = rule.get("if", {}).get("properties", {}).get("kind", {})
        if value.get("kind") in condition.get("enum", ()):
            fields.update(rule["then"]["properties"])
    return fields


def _in_order(fields: dict[str, Json], value: Json) -> list[str]:
    """Put the fields in order; names that the schema knows only by a pattern are sorted."""
    named = [key for key in fields if key in value]
    others = sorted(key for key in value if key not in fields)
    at = named.index("unknown") + 1 if "unknown" in named else len(named)  # counters: refused.*
    return named[:at] + others + named[at:]


# ------------------------------------------------------------------------------- between the lines
def _elsewhere(place: _Place, message: Json) -> Iterator[str]:
    """Yield what does not agree with the topic."""
    for level in ("org", "gateway"):
        if message.get(level, getattr(place, level)) != getattr(place, level):
            yield f"{level} is not the topic's"
    for one in (message, *message.get("observations", ())):
        scheme, _, name = one.get("device", "").partition(":")
        if scheme == "ugw" and name.partition(":")[0] != place.org:
            yield f"{one['device']} is of another organisation"
    if place.device and _level(message["device"]) != place.device:
        yield f"{message['device']} is not the topic's"


def _level(device: str) -> str:
    """Return a device's level in a topic: `mac-...` of a URN, the id of any other."""
    urn = device.removeprefix("urn:dev:")
    return urn.replace(":", "-") if urn != device else device.rpartition(":")[2]


def _observations(message: Json) -> Iterator[str]:
    numbers = [one["seq"] for one in message["observations"]]
    if any(after != before + 1 for before, after in pairwise(numbers)):
        yield f"not contiguous: {numbers}"
    for one in message["observations"]:
        yield from _twice(_key(result) for result in one["results"])
        for result in one["results"]:
            if result.get("flags", []) != sorted(result.get("flags", [])):
                yield f"not sorted: {result['flags']}"


def _key(result: Json) -> tuple[str, str]:
    return result["observedProperty"], result.get("channel", "")


def _twice(keys: Iterator[Any]) -> Iterator[str]:
    yield from (f"twice: {key}" for key, count in Counter(keys).items() if count > 1)


def _status(message: Json) -> Iterator[str]:
    streams, previous = message.get("streams", []), message.get("previous", [])
    yield from _twice(one["stream"] for one in (*streams, *previous))
    yield from _twice(one["name"] for one in message.get("transports", []))
    for one in streams:
        if one["settledBelow"] > one["nextSeq"]:
            yield f"settled before it was numbered: {one}"
    for loss in message.get("dropped", []):
        yield from _loss(loss)


def _loss(message: Json) -> Iterator[str]:
    if message.get("from", 0) > message.get("to", 0):
        yield "a range that ends before it begins"


def _device(message: Json) -> Iterator[str]:
    yield from _twice(_key(one) for one in message.get("properties", []))


def _nothing(_: Json) -> Iterator[str]:
    yield from ()


_BEYOND: Final = {
    "observations": _observations,
    "status": _status,
    "event": _loss,
    "gateway": _nothing,
    "device": _device,
    "state": _nothing,
}
