"""The environment overrides the file, and its faults name the variable."""

from collections.abc import Callable

import pytest

from gateway.config import BleSettings, Finding, Settings

FindingsIn = Callable[..., list[Finding]]
Load = Callable[..., Settings]

GOOD = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: localhost}
transports: [{kind: ble}, {kind: ble, adapter: hci1}]
"""


def test_a_variable_sets_a_key_of_any_type(load_text: Load) -> None:
    settings = load_text(
        GOOD,
        UGW__MQTT__HOST="broker.example",
        UGW__MQTT__PORT="1884",
        UGW__MQTT__ALLOW_CLEARTEXT="true",
        UGW__DELIVERY__PACE="1s",
        UGW__TRANSPORTS__1__SCAN="active",
        UGW__GATEWAY__ID="0042",
        OTHER__MQTT__PORT="7",
    )

    assert (settings.mqtt.host, settings.mqtt.port) == ("broker.example", 1884)
    assert settings.delivery.pace_ns == 1_000_000_000
    assert settings.gateway.id == "0042"
    assert [each.scan for each in settings.transports if isinstance(each, BleSettings)] == [
        "passive",
        "active",
    ]


def test_a_variable_repairs_what_is_wrong_in_the_file(load_text: Load) -> None:
    assert load_text(GOOD + "log: {level: lod}\n", UGW__LOG__LEVEL="debug").log.level == "debug"


def test_the_gate_against_cleartext_holds_for_variables(findings_in: FindingsIn) -> None:
    (finding,) = findings_in(GOOD, UGW__MQTT__HOST="broker.example")

    assert finding.file == "environment variable UGW__MQTT__HOST"
    assert "allow_cleartext" in finding.message

    (finding,) = findings_in(
        GOOD, UGW__MQTT__HOST="broker.example", UGW__MQTT__ALLOW_CLEARTEXT="no"
    )
    assert "allow_cleartext" in finding.message


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("UGW__MQTT__PORT", "abc", "mqtt.port: a whole number is needed"),
        ("UGW__MQTT__PROT", "1", "unknown key 'prot', did you mean 'port'?"),
        ("UGW__MQTT", "x", "mqtt: a mapping (key: value) is needed"),
        ("UGW__TRANSPORTS__2__SCAN", "active", "transports has 2 items, numbered from 0"),
        ("UGW__TRANSPORTS__X__SCAN", "active", "transports has 2 items"),
        ("UGW__TRANSPORTS__٣__SCAN", "active", "transports has 2 items"),
        ("UGW__MQTT__HOST__NAME", "x", "mqtt.host has no keys"),
        ("UGW__", "x", "a part of the name is empty"),
        ("UGW__MQTT____HOST", "x", "a part of the name is empty"),
        ("UGW__LOG__LEVEL", "a\nb", "not a printable text"),
    ],
)
def test_a_fault_names_the_variable(
    findings_in: FindingsIn, variable: str, value: str, words: str
) -> None:
    findings = findings_in(GOOD, **{variable: value})

    assert f"environment variable {variable}" in {each.file for each in findings}
    assert words in "\n".join(each.headline for each in findings)
