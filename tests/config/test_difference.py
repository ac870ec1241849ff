"""Two configurations differ in what they amount to, not in how they are written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import Settings, load
from gateway.config.difference import changes, deviations

HEAD = "config_version: 1\ngateway: {org: kiel, id: gw-1}\n"
PLAIN = HEAD + "mqtt: {host: localhost}\n"
Load = Callable[[str], Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def load_text(text: str) -> Settings:
        path = tmp_path / "gateway.yaml"
        path.write_text(text)
        return load(path, environ={"A": "one", "B": "two"})

    return load_text


def told(before: Settings, after: Settings) -> list[tuple[str, object, object]]:
    return [(each.path, each.before, each.after) for each in changes(before, after)]


def test_what_is_only_written_differently_is_no_difference(loaded: Load) -> None:
    spelled = loaded(PLAIN + "delivery: {pace: 0.02s}\nstore: {max_size: 512MB}\nlog:\n")
    assert told(loaded(PLAIN), spelled) == []


def test_settings_are_told_by_their_path_and_as_they_are_written(loaded: Load) -> None:
    other = PLAIN.replace("gw-1", "gw-2") + "store: {max_size: 1GB}\n"
    assert told(loaded(PLAIN), loaded(other)) == [
        ("gateway.id", "gw-1", "gw-2"),
        ("store.max_size", "512MB", "1GB"),
    ]


def test_devices_and_transports_are_told_apart_by_name_wherever_they_stand(loaded: Load) -> None:
    one = "{address: 'C0:FF:EE:00:00:01', name: One}"
    two = "{address: 'C0:FF:EE:00:00:02'}"
    before = loaded(PLAIN + f"devices: [{one}, {two}]\ntransports: [{{kind: ble}}]\n")
    after = loaded(
        PLAIN
        + f"devices: [{{address: 'lora:7', driver: x}}, {one.replace('One', 'Uno')}]\n"
        + "transports: [{kind: ble, scan: active}, {kind: ble, adapter: hci1}]\n"
    )
    assert told(before, after) == [
        ("transports[ble:hci0].scan", "passive", "active"),
        ("transports[ble:hci1]", None, {"kind": "ble", "adapter": "hci1"}),
        ("devices[C0:FF:EE:00:00:01].name", "One", "Uno"),
        ("devices[C0:FF:EE:00:00:02]", {"address": "C0:FF:EE:00:00:02"}, None),
        ("devices[lora:7]", None, {"address": "lora:7", "driver": "x", "payload": "hex"}),
    ]
    assert {each.key for each in changes(before, after)} == {"transports", "devices"}


def test_secrets_are_told_by_their_references(loaded: Load) -> None:
    before = loaded(HEAD + "mqtt: {host: localhost, username: 'env:A'}\n")
    after = loaded(HEAD + "mqtt: {host: localhost, username: 'env:B'}\n")
    assert told(before, after) == [("mqtt.username", "env:A", "env:B")]


def test_against_the_defaults_what_has_none_is_there_and_the_rest_is_not(loaded: Load) -> None:
    found = deviations(loaded(PLAIN + "log: {level: debug}\n"))
    assert [(each.path, each.before, each.after) for each in found] == [
        ("gateway.org", None, "kiel"),
        ("gateway.id", None, "gw-1"),
        ("log.level", "info", "debug"),
    ]
