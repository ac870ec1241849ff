"""The page of the schema says what the gateway sends.

Each of its examples is read back and rendered anew by the code that renders
messages: it must come out byte for byte. What its tables list is what can be sent, and nothing
else.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.bundle import Identity, Packer, Renderer, pack
from gateway.clock import ClockReading, ClockState
from gateway.core import vocabulary, wire
from gateway.model import Link, Observation, PreviousStream, TransportState
from gateway.uplink import status
from gateway.uplink.status import (
    BacklogStatus,
    LossRange,
    Standing,
    StatusReport,
    StreamStatus,
    TransportStatus,
)
from tests.fakes import FakeClock

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/schema.md"
SCHEMA = PAGE.read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
NS_PER_MS = 1_000_000
OBSERVATIONS, STATUS = "ugw.observations/1", "ugw.status/1"
# Heading of a field table: the message it belongs to, and where in it.
TABLES = {
    "The bundle": (OBSERVATIONS, ""),
    "The observation": (OBSERVATIONS, "observations[]."),
    "The result": (OBSERVATIONS, "observations[].results[]."),
    "The link": (OBSERVATIONS, "observations[].link."),
    "The status": (STATUS, ""),
}
OPEN = {"counters"}  # their keys stand on a page of their own


# --------------------------------------------------------------------------------------- examples
def examples(page: str) -> list[str]:
    """Return the messages shown, without the breaks that are there for reading."""
    return ["".join(map(str.strip, block.splitlines())) for block in EXAMPLE.findall(page)]


def findings(page: str) -> Iterator[str]:
    """Yield what is wrong with the examples of a page."""
    for text in examples(page):
        message = json.loads(text, parse_float=Decimal)
        rendered, wrong = RENDERED[message["schema"]](message)
        if rendered != text:
            yield f"not what is rendered:\n{text}\n{rendered}"
        yield from wrong


def _bundle(message: dict[str, Any]) -> tuple[str, Iterator[str]]:
    clock = message["clock"]
    head = wire.bundle_head(
        message["org"],
        message["gateway"],
        message["stream"],
        message["class"],
        clock["state"],
        clock.get("maxErrorMs"),
    )
    parts = [_observation(each) for each in message["observations"]]
    return wire.bundle(head, parts), _wrong_in_bundle(message["observations"])


def _observation(each: dict[str, Any]) -> str:
    if each["timeQuality"] == "unknown":
        time = wire.time_unknown(each["boot"], each["uptimeMs"])
    else:
        time = wire.time_exact(_unix_ms(each["phenomenonTime"]), each["timeQuality"])
    link = each["link"]
    snr = None if "snr" not in link else float(link["snr"])
    text = wire.link(
        link["medium"], link.get("rssi"), snr, link.get("frameCounter"), link.get("copies", 1)
    )
    results = tuple(_judged(result) for result in each["results"])
    tail = wire.observation_tail(results, text)
    return wire.observation_head(each["seq"], each["device"]) + time + tail


def _judged(result: dict[str, Any]) -> tuple[str, Any, int, str, str, tuple[str, ...]]:
    value, scale = _scaled(result["result"])
    flags = tuple(result.get("flags", ()))
    channel, quality = result.get("channel", ""), result.get("quality", "")
    return (result["observedProperty"], value, scale, channel, quality, flags)


def _scaled(value: object) -> tuple[Any, int]:
    if not isinstance(value, Decimal):
        return value, 0
    scale = -int(value.as_tuple().exponent)
    return int(value.scaleb(scale)), scale


def _unix_ms(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def _wrong_in_bundle(observations: list[dict[str, Any]]) -> Iterator[str]:
    numbers = [each["seq"] for each in observations]
    if not 1 <= len(numbers) <= 100 or numbers != list(range(numbers[0], numbers[-1] + 1)):
        yield f"not contiguous: {numbers}"
    for each in observations:
        if not re.fullmatch(r"urn:dev:mac:[0-9a-f]{16}|ugw:[a-z0-9-]+:[a-z0-9-]+", each["device"]):
            yield f"not a device: {each['device']}"
        for result in each["results"]:
            yield from _wrong_in_result(result)


def _wrong_in_result(result: dict[str, Any]) -> Iterator[str]:
    name, quality, flags = (
        result["observedProperty"],
        result.get("quality"),
        result.get("flags", []),
    )
    value, scale = _scaled(result["result"])
    plausible = vocabulary.in_range(name, value, scale)
    if not vocabulary.fits(name, value, scale):
        yield f"{name} is of another type"
    if (quality == "missing") is not (value is None):
        yield f"{name} is missing, or not"
    if not (plausible or (quality == "bad" and "out_of_range" in flags)):
        yield f"{name} is not plausible"
    if quality == "bad" and plausible:
        yield f"{name} is plausible"


def _status(message: dict[str, Any]) -> tuple[str, Iterator[str]]:
    identity = status.Identity(
        org=message["org"], gateway=message["gateway"], software=message["software"]
    )
    if "boot" not in message:
        return status.will(identity, message["session"]).decode(), iter(())
    render = status.offline if message["state"] == "offline" else status.online
    standing = Standing(message["session"], message["guarantee"])
    return render(identity, standing, _report(message)).decode(), _wrong_in_status(message)


def _report(message: dict[str, Any]) -> StatusReport:
    clock = message["clock"]
    return StatusReport(
        boot=message["boot"],
        boot_ns=message["uptimeMs"] * NS_PER_MS,
        wall_ns=_unix_ms(message["sentTime"]) * NS_PER_MS,
        clock=ClockReading(ClockState(clock["state"]), clock.get("maxErrorMs")),
        clock_source=clock["source"],
        streams=tuple(
            StreamStatus(
                id=s["stream"],
                klass=s["class"],
                next_seq=s["nextSeq"],
                settled_below=s["settledBelow"],
            )
            for s in message["streams"]
        ),
        previous=tuple(
            PreviousStream(s["stream"], s["class"], s["end"] == "clean", s["nextSeq"])
            for s in message["previous"]
        ),
        dropped=tuple(
            LossRange(
                stream=loss["stream"],
                first=loss["from"],
                last=loss["to"],
                reason=loss["reason"],
                at_ms=_unix_ms(loss["at"]),
            )
            for loss in message["dropped"]
        ),
        store_state=message["storeState"],
        backlog=_backlog(message["backlog"]),
        transports=tuple(_transport(each) for each in message["transports"]),
        counters=message["counters"],
    )


def _backlog(given: dict[str, Any]) -> BacklogStatus:
    return BacklogStatus(
        bundles=given["bundles"],
        observations=given["observations"],
        bytes_used=given["bytes"],
        oldest_age_s=given.get("oldestAgeS"),
    )


def _transport(given: dict[str, Any]) -> TransportStatus:
    return TransportStatus(
        name=given["name"],
        kind=given["kind"],
        state=TransportState(given["state"]),
        since_s=given["sinceS"],
        cause=given.get("cause", ""),
    )


def _wrong_in_status(message: dict[str, Any]) -> Iterator[str]:
    c = message["counters"]
    refused = sum(count for name, count in c.items() if name.startswith("refused."))
    early = c["unlisted"] + c["duplicate"] + c["limited"] + c["coalesced"] + c["thinned"]
    if c["heard"] != early + c["unknown"] + refused + c["empty"] + c["waiting"] + c["decoded"]:
        yield "the law of frames does not hold"
    ended = c["delivered"] + c["setAside"] + c["dropped"]
    if c["recovered"] + c["observed"] != ended + c["inMemory"] + c["inBacklog"]:
        yield "the law of observations does not hold"
    if c["observed"] != sum(stream["nextSeq"] for stream in message["streams"]):
        yield "streams and counters do not agree"
    if c["dropped"] != sum(loss["to"] - loss["from"] + 1 for loss in message["dropped"]):
        yield "loss ranges and counters do not agree"
    if c["inBacklog"] != message["backlog"]["observations"]:
        yield "backlog and counters do not agree"
    if any(stream["settledBelow"] > stream["nextSeq"] for stream in message["streams"]):
        yield "settled before it was numbered"


RENDERED = {OBSERVATIONS: _bundle, STATUS: _status}


def test_the_page_shows_every_kind_of_message() -> None:
    shown = [json.loads(text) for text in examples(SCHEMA)]
    assert {message["schema"] for message in shown} == RENDERED.keys()
    assert {message.get("clean") for message in shown} == {None, False}


def test_the_examples_are_what_the_gateway_would_send() -> None:
    assert not list(findings(SCHEMA))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"unit":"Cel"', '"unit":"C"'),
        ('"result":21.34', '"result":21.340'),
        ('"result":21.34', '"result":61'),
        ('"result":1900', '"result":19'),
        ('"result":0.034', '"result":true'),
        ('"result":null', '"result":3'),
        ('"seq":48212', '"seq":48213'),
        ('"medium":"ble","rssi":-71', '"rssi":-71,"medium":"ble"'),
        ('"class":"event"', '"class":"event","extra":1'),
        ("urn:dev:mac:c0ffeefffe000002", "C0:FF:EE:00:00:02"),
        ("02:40:00.123Z", "02:40:00.1230Z"),
        ('"bootTimeMs":1795228800000', '"bootTimeMs":1795228800001'),
        ('"heard":1840', '"heard":1841'),
        ('"delivered":396', '"delivered":397'),
        ('"nextSeq":120', '"nextSeq":121'),
        ('"settledBelow":2}', '"settledBelow":3}'),
        ('"to":43', '"to":44'),
        ('"backlog":{"bundles":1,"observations":20', '"backlog":{"bundles":1,"observations":21'),
        ('"clean":false', '"clean":false,"extra":1'),
    ],
)
def test_a_wrong_example_is_found(right: str, wrong: str) -> None:
    assert right in SCHEMA
    assert list(findings(SCHEMA.replace(right, wrong)))


# ----------------------------------------------------------------------------------------- tables
def documented(page: str) -> dict[str, dict[str, str]]:
    """Return for each message path -> "present", in the order of the tables."""
    found: dict[str, dict[str, str]] = {OBSERVATIONS: {}, STATUS: {}}
    parts = re.split(r"^#+ (.+)$", page, flags=re.MULTILINE)[1:]
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        if heading in TABLES:
            message, prefix = TABLES[heading]
            for name, present in re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", text, re.MULTILINE):
                found[message][prefix + name] = present
    return found


def leaves(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths of a message, as the tables write them."""
    if isinstance(value, dict) and path not in OPEN:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path


def _without_containers(paths: Iterable[str]) -> list[str]:
    known = list(paths)
    return [p for p in known if not any(o.startswith((f"{p}.", f"{p}[]")) for o in known)]


@cache
def sent() -> dict[str, list[dict[str, Any]]]:
    """Return messages, by schema, in which everything stands that can."""
    bundles = [_sent_bundle(state) for state in ClockState]
    identity = status.Identity(org="kiel", gateway="gw", software="ugw 0")
    full = status.online(identity, Standing(1, "full"), _full_report())
    bye = status.offline(identity, Standing(1, "full"), _full_report())
    texts = [*bundles, full, bye, status.will(identity, 1)]
    messages = [json.loads(text) for text in texts]
    return {s: [m for m in messages if m["schema"] == s] for s in RENDERED}


def _sent_bundle(state: ClockState) -> bytes:
    clock = FakeClock(state)
    clock.max_error_ms = 18 if state is ClockState.SYNCED else None
    packer = Packer("event", clock)
    observation = Observation(
        klass="event",
        stream="s",
        seq=0,
        device="ugw:kiel:a",
        heard_at_ns=clock.boot_ns(),
        results=(("distance", 1, 0, "2", "uncertain", ("replay_possible",)),),
        link=Link("lora", -99, 7.25, 12, 3),
    )
    packer.add(observation, pack(observation))
    return Renderer(Identity("kiel", "gw"), clock).render(packer.seal())


def _full_report() -> StatusReport:
    return StatusReport(
        boot="b",
        boot_ns=1,
        wall_ns=2,
        clock=ClockReading(ClockState.SYNCED, 18),
        streams=(StreamStatus(id="s", klass="event", next_seq=9, settled_below=7),),
        previous=(PreviousStream("t", "event", clean=False, next_seq=4),),
        dropped=(LossRange(stream="s", first=1, last=3, reason="store", at_ms=0),),
        backlog=BacklogStatus(oldest_age_s=4),
        transports=(
            TransportStatus(name="n", kind="ble", state=TransportState.DOWN, since_s=5, cause="c"),
        ),
    )


@pytest.mark.parametrize("schema", RENDERED)
def test_the_tables_list_what_can_be_sent_and_nothing_else(schema: str) -> None:
    can_be = {path for message in sent()[schema] for path in leaves(message)}
    assert set(_without_containers(documented(SCHEMA)[schema])) == can_be


@pytest.mark.parametrize("schema", RENDERED)
def test_what_the_tables_call_always_present_is(schema: str) -> None:
    always = [path for path, present in documented(SCHEMA)[schema].items() if present == "always"]
    assert always
    for message in sent()[schema]:
        there = set(leaves(message))
        missing = set(_without_containers(always)) - there
        # The container's own row counts as present where what it contains is.
        assert not {
            p for p in missing if not any(t.startswith((f"{p}.", f"{p}[]")) for t in there)
        }


@pytest.mark.parametrize("schema", RENDERED)
def test_the_tables_have_the_order_of_the_messages(schema: str) -> None:
    order = _without_containers(documented(SCHEMA)[schema])
    for message in sent()[schema]:
        places = [order.index(path) for path in leaves(message)]
        assert places == sorted(places)
