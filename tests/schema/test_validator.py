"""The validator lets nothing through that our gateway must not send.

Each published example is good; each of thousands of changes to it is found.
"""

from collections.abc import Iterator

import msgspec
import pytest

from tests.schema import mutations
from tests.schema.examples import EXAMPLES, Example
from tests.schema.mutations import Mutation
from tests.schema.published import STRICT, Json, schema
from tests.schema.validator import Validator, read

BY_NAME = {example.name: example for example in EXAMPLES}
EACH = pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
ROOT = "ugw/v1/kiel/gw-kiel-0042"
# Fields that are always there in the examples that have them, for a reason no `required` tells.
BY_RULE = {
    "observations": {"observations.phenomenonTime", "observations.boot", "observations.uptimeMs"},
    "status": {"sentTime", "clean", "clock.bootTimeMs"},
    "event": set[str](),
    "gateway": set[str](),
    "device": set[str](),
    "state": {"time"},
}
_json = msgspec.json.Encoder(decimal_format="number")


def faults(example: Example, payload: bytes) -> list[str]:
    """Return what a new validator has against another payload in an example's place."""
    return Validator().faults(example.topic, payload)


def is_found(example: Example, mutation: Mutation) -> bool:
    """Whether a change to an example is found, by what it says and not by how it is written."""
    return bool(faults(example, _json.encode(mutation.message)))


# ----------------------------------------------------------------------------------- every example
@EACH
def test_a_good_message_is_good(example: Example) -> None:
    assert faults(example, example.payload) == []
    assert faults(example, _json.encode(read(example.text))) == []


@EACH
def test_a_field_more_is_found(example: Example) -> None:
    for mutation in mutations.with_more(read(example.text)):
        assert is_found(example, mutation), mutation


@EACH
def test_a_field_less_is_found(example: Example) -> None:
    message = read(example.text)
    always = set(_always(_node(example, message))) | BY_RULE[example.message]
    tried = list(mutations.with_less(message, always))
    assert tried
    for mutation in tried:
        assert is_found(example, mutation), mutation


def _node(example: Example, message: Json) -> Json:
    """Return the schema of an example; of an event and a status, with what its kind requires."""
    node = schema(STRICT, example.message)
    if example.message == "event":
        rules = node["allOf"]
        kind = next(
            r["then"] for r in rules if message["kind"] in r["if"]["properties"]["kind"]["enum"]
        )
        properties = node["properties"] | kind["properties"]
        return {"properties": properties, "required": node["required"] + kind["required"]}
    if example.message == "status" and "boot" in message:
        optional = {"sentTime", "clean"}
        return node | {"required": sorted(node["properties"].keys() - optional)}
    return node


def _always(node: Json, path: str = "") -> Iterator[str]:
    yield from (f"{path}{name}" for name in node.get("required", ()))
    for name, field in node.get("properties", {}).items():
        yield from _always(field.get("items", field), f"{path}{name}.")


@EACH
def test_a_value_of_another_type_is_found(example: Example) -> None:
    for mutation in mutations.of_another_type(read(example.text)):
        assert is_found(example, mutation), mutation


@EACH
def test_a_null_without_a_reason_is_found(example: Example) -> None:
    for mutation in mutations.with_null(read(example.text)):
        assert is_found(example, mutation), mutation


@EACH
def test_another_order_of_fields_is_found(example: Example) -> None:
    for mutation in mutations.in_another_order(read(example.text)):
        assert is_found(example, mutation), mutation


@EACH
def test_a_message_on_the_topic_of_another_is_found(example: Example) -> None:
    for other in EXAMPLES:
        if other.message != example.message:
            assert Validator().faults(other.topic, example.payload), other.topic


@EACH
def test_a_damaged_message_is_found(example: Example) -> None:
    for end in range(len(example.payload)):
        assert faults(example, example.payload[:end]) or not end, end
    assert faults(example, example.payload + b"\n")
    assert faults(example, b"\xff" + example.payload[1:])
    assert faults(example, example.payload.replace(b":", b": ", 1))


# ------------------------------------------------------------------------------------ rule by rule
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        # what the schema says
        ("observations-live", '"unit":"Cel"', '"unit":"C"'),
        ("observations-live", '"unit":"Cel"', '"unit":"[degF]"'),
        ("observations-live", "air_temperature", "air_temperatur"),
        ("observations-live", "air_temperature", "soil_moisture"),
        ("observations-live", '"quality":"missing"', '"quality":"uncertain"'),
        ("observations-live", '"quality":"missing"', '"quality":"good"'),
        ("observations-live", ',"quality":"missing"', ""),
        ("observations-live", '"result":null', '"result":3'),
        ("observations-live", '"result":21.34', '"result":61'),
        ("observations-live", '"result":21.34', '"result":-40.01'),
        ("observations-live", '"result":1900', '"result":19'),
        (
            "observations-live",
            ',"quality":"bad","flags":["out_of_range"]',
            ',"flags":["out_of_range"]',
        ),
        ("observations-live", '"quality":"bad","flags":["out_of_range"]', '"quality":"bad"'),
        ("observations-live", '["out_of_range"]', "[]"),
        ("observations-live", '["out_of_range"]', '["out_of_range","out_of_range"]'),
        ("observations-live", '["out_of_range"]', '["out_of_range","somehow"]'),
        ("observations-live", '"copies":3', '"copies":1'),
        ("observations-live", '"seq":48212', '"seq":-1'),
        ("observations-live", '"channel":"2"', '"channel":"zwei!"'),
        ("observations-live", '"channel":"2"', '"channel":"2\\n"'),
        ("observations-live", "02:40:00.123Z", "02:40:00Z"),
        ("observations-live", "02:40:00.123Z", "02:40:00.1234Z"),
        ("observations-live", "02:40:00.123Z", "02:40:00.123+00:00"),
        ("observations-live", "02:40:00.123Z", "24:40:00.123Z"),
        ("observations-live", "2026-11-22T02:40:00.123Z", "2026-02-30T02:40:00.123Z"),
        ("observations-live", "urn:dev:mac:c0ffeefffe000001", "C0:FF:EE:00:00:01"),
        ("observations-live", "urn:dev:mac:c0ffeefffe000001", "urn:dev:mac:C0FFEEFFFE000001"),
        ("observations-live", '"timeQuality":"exact"', '"timeQuality":"unknown"'),
        (
            "observations-live",
            '"timeQuality":"exact"',
            '"timeQuality":"exact","boot":"a","uptimeMs":1',
        ),
        ("observations-live", "ugw.observations/1", "ugw.observations/2"),
        (
            "observations-undated",
            '"timeQuality"',
            '"phenomenonTime":"2026-11-22T02:40:00.123Z","timeQuality"',
        ),
        ("observations-replay", "9007199254740991", "9007199254740992"),
        (
            "observations-replay",
            '"x_gain","result":0.0000125,"unit":"1"',
            '"x_gain","result":1,"unit":"V"',
        ),
        ("observations-replay", '"x_gain"', '"x_Gain"'),
        ("observations-replay", '"depthM"', '"depth_m"'),
        ("status-birth", '"state":"online"', '"state":"online","clean":true'),
        ("status-birth", '"state":"synced"', '"state":"unsynced"'),
        ("status-birth", '"cause":"unplugged"', '"cause":""'),
        ("status-birth", ',"cause":"unplugged"', ""),
        ("status-birth", '"class":"event","nextSeq":2', '"class":"routine","nextSeq":2'),
        ("status-birth", "refused.bad_mic", "refused.Bad"),
        ("status-birth", '"reason":"store"', '"reason":"whim"'),
        ("status-in-trouble", '"state":"unsynced"', '"state":"holdover"'),
        ("status-will", '"software":"ugw 0.1.0"', '"software":"ugw 0.1.0","boot":"a"'),
        ("status-will", '"clean":false', '"clean":true'),
        ("event-clock-step", "-3600000", "0"),
        ("event-store", ',"cause":"no space left on the medium"', ""),
        ("event-refused", '"count":17', '"count":0'),
        ("event-uplink-refused", "135", "0"),
        ("event-uplink-refused", "135", "256"),
        ("event-loss", "full", "fun"),
        ("event-loss", '"loss"', '"purge"'),
        ("event-agent-start", ',"previous"', ',"at":"2026-11-22T02:31:07.412Z","previous"'),
        ("gateway-announced", "54.33", "90.5"),
        ("device-announced", '"expectedIntervalS":3600', '"expectedIntervalS":0'),
        ("device-announced", '"channel":"2","unit":"m"', '"channel":"2","unit":"cm"'),
        ("state-live", "air_temperature", "temperature"),
        ("state-live", '"air_temperature":21.34', '"air_temperature":"21.34"'),
        ("state-undated", "distance.lid", "distance.the lid"),
        # what the schema cannot say
        ("observations-live", '"org":"kiel"', '"org":"kiel2"'),
        ("observations-live", '"gateway":"gw-kiel-0042"', '"gateway":"gw-kiel-0043"'),
        ("observations-live", "ugw:kiel:bin-07", "ugw:luebeck:bin-07"),
        ("observations-live", '"seq":48212', '"seq":48213'),
        ("observations-live", '"seq":48212', '"seq":48211'),
        (
            "observations-live",
            '"relative_humidity","result":54.2,"unit":"%"',
            '"air_temperature","result":21.34,"unit":"Cel"',
        ),
        ("observations-replay", '"channel":"40cm"', '"channel":"20cm"'),
        (
            "observations-replay",
            '["sensor_fault","uncalibrated"]',
            '["uncalibrated","sensor_fault"]',
        ),
        ("observations-live", '"result":21.34', '"result":21.340'),
        ("observations-live", '"result":21.34', '"result":21.0'),
        ("observations-live", '"result":21.34', '"result":2134e-2'),
        ("observations-live", '"result":21.34', '"result":2E1'),
        ("observations-live", '"result":21.34', '"result":-0'),
        ("observations-live", '"result":21.34', '"result":-0.0'),
        ("observations-live", '"result":21.34', '"result":NaN'),
        ("observations-live", '"rssi":-71', '"rssi":-71,"rssi":-71'),
        ("observations-live", '"class":"routine"', '"class":"routine" '),
        ("observations-replay", "ü", "\\u00fc"),
        ("observations-replay", '\\"beta', "\\/beta"),
        ("observations-replay", '\\"beta', "\\u001Fbeta"),
        ("observations-replay", '\\"beta', "\\u000abeta"),
        ("status-birth", '"settledBelow":118', '"settledBelow":121'),
        ("status-birth", "7ZJ0V9N4Y2K8Q6T1M5B3C7D9EF", "01KAMX7Q3F8T5V4C2M9XWHA6RD"),
        ("status-birth", "serial:usb-lora", "ble:hci0"),
        ("status-birth", '"from":40', '"from":44'),
        ("status-birth", '"unknown":2,"refused.bad_mic":1', '"refused.bad_mic":1,"unknown":2'),
        ("status-birth", '"refused.bad_mic":1', '"refused.no_key":1,"refused.bad_mic":1'),
        ("event-loss", '"to":43', '"to":39'),
        ("device-plain", "c0ffeefffe000001", "c0ffeefffe000002"),
        ("device-announced", "ugw:kiel:bin-07", "ugw:kiel:bin-08"),
        ("device-announced", '"x_supply_state","unit":"1"', '"distance","channel":"2","unit":"m"'),
        (
            "state-live",
            '"door_open":false,"firmware_version":"2.1"',
            '"firmware_version":"2.1","door_open":false',
        ),
    ],
)
def test_a_wrong_message_is_found(name: str, right: str, wrong: str) -> None:
    example = BY_NAME[name]
    assert right in example.text
    assert faults(example, example.text.replace(right, wrong, 1).encode())


@pytest.mark.parametrize(
    ("name", "right", "other"),
    [
        ("observations-live", '"result":21.34', '"result":-40'),
        ("observations-live", '"result":21.34', '"result":60'),
        ("observations-live", '"result":21.34', '"result":0.05'),
        ("observations-live", '"quality":"missing"', '"quality":"bad"'),
        ("observations-live", '"result":1900', '"result":-1'),
        ("observations-replay", "über 3 V", "10.0 e5 -0 \\\\ \\u001f \\n"),
        ("state-live", '"door_open":false', '"door_open":null'),
        ("event-uplink-refused", "135", "151"),
        ("event-transport-up", '"serial:usb-lora"', '"serial:usb-lora","cause":"plugged in"'),
    ],
)
def test_a_message_at_the_limit_is_good(name: str, right: str, other: str) -> None:
    example = BY_NAME[name]
    assert right in example.text
    assert faults(example, example.text.replace(right, other, 1).encode()) == []


# ------------------------------------------------------------------------------ beyond one message
@pytest.mark.parametrize(
    "topic",
    [
        f"{ROOT}/obs",
        f"{ROOT}/obs/live/mac-c0ffeefffe000001",
        f"{ROOT}/obs/late",
        f"{ROOT}/events",
        f"{ROOT}/state",
        f"{ROOT}/state/Bin",
        f"{ROOT}/status/1",
        "ugw/v2/kiel/gw-kiel-0042/status",
        "ugw/v1/kiel/status",
        "$SYS/broker/version",
        "other",
    ],
)
def test_an_unknown_topic_is_a_fault(topic: str) -> None:
    for payload in (b"", b"{}", *(example.payload for example in EXAMPLES)):
        assert Validator().faults(topic, payload)


def test_only_what_can_be_taken_away_has_an_empty_payload() -> None:
    good = {"meta", "meta/bin-07", "state/bin-07"}
    for topic in (*good, "obs/live", "obs/replay", "status", "event"):
        assert bool(Validator().faults(f"{ROOT}/{topic}", b"")) == (topic not in good)


def test_what_is_retained_must_be_of_a_kind_that_is() -> None:
    for example in EXAMPLES:
        found = Validator().faults(example.topic, example.payload, retain=True)
        assert bool(found) == (example.message in {"observations", "event"})


def test_a_stream_never_changes_its_class() -> None:
    validator = Validator()
    routine = BY_NAME["observations-live"]
    event = routine.payload.replace(b'"class":"routine"', b'"class":"event"')

    assert validator.faults(routine.topic, routine.payload) == []
    assert validator.faults(routine.topic, event)
    assert validator.faults(routine.topic, routine.payload) == []


def test_a_bundle_is_no_larger_than_16_kib_unless_of_one_observation() -> None:
    example = BY_NAME["observations-live"]
    message = read(example.text)
    one, *_ = message["observations"]
    text = {"observedProperty": "text", "result": "x" * 17_000, "unit": "1"}
    alone = {**message, "observations": [{**one, "results": [text]}]}
    both = {**message, "observations": [*alone["observations"], {**one, "seq": one["seq"] + 1}]}

    assert faults(example, _json.encode(alone)) == []
    assert faults(example, _json.encode(both)) == [f"{len(_json.encode(both))} bytes"]


def test_a_bundle_has_at_most_a_hundred_observations_of_at_most_64_results() -> None:
    example = BY_NAME["observations-live"]
    message = read(example.text)
    one, result = message["observations"][1], message["observations"][1]["results"][0]

    def bundle(observations: int, results: int) -> bytes:
        given = [{**result, "channel": str(n)} for n in range(results)]
        many = [{**one, "seq": n, "results": given} for n in range(observations)]
        return _json.encode({**message, "observations": many})

    assert faults(example, bundle(1, 64)) == []
    assert faults(example, bundle(1, 65))
    assert faults(example, bundle(50, 1)) == []
    assert faults(example, bundle(101, 1))[0].endswith("is too long")
    assert faults(example, bundle(0, 1))
    assert faults(example, bundle(1, 0))
