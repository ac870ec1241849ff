"""Settings of a board: what is wrong is told by file, key and remedy, and never by its value."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.esp32 import settings
from gateway.esp32.settings import SettingsError
from tests.esp32.machines import run_on

SECRETS = {
    "wifi_psk": b"correct horse",
    "mqtt_pass": b"battery staple",
    "k3": bytes(range(16)),
}
SITE: dict[str, Any] = {
    "org": "kiel",
    "gateway": "gw-1",
    "root": "ugw/v1/kiel/gw-1",
    "client_id": "ugw-kiel-gw-1",
    "software": "ugw 0.1.0",
    "about": '{"schema":"ugw.gateway/1"}',
    "mqtt": {"host": "broker.example", "port": 8883, "user": "gw-1"},
    "network": {"ssid": "Foerde", "hostname": "gw-1"},
    "uarts": [{"name": "lora", "modem": "reyax_rylr998", "uart": 1, "tx": 17, "rx": 16}],
}
DEVICES: list[dict[str, Any]] = [
    {"address": "C0:FF:EE:00:00:01", "urn": "urn:dev:mac:c0ffeefffe000001", "key": "k3"},
    {"address": "lora:17", "urn": "ugw:kiel:bin-17", "class": "event", "hex": True},
]


class Nvs:
    """The chip's own memory."""

    def get_blob(self, name: str, buffer: bytearray) -> int:
        if name not in SECRETS:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        buffer[: len(SECRETS[name])] = SECRETS[name]
        return len(SECRETS[name])


def written(folder: Path, site: object, devices: "list[dict[str, Any]]" = DEVICES) -> str:
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site/site.json").write_text(json.dumps(site))
    lines = "".join(json.dumps(each) + "\n" for each in devices)
    (folder / "site/devices.jsonl").write_text(lines)
    return str(folder)


def changed(path: str, value: object) -> dict[str, Any]:
    site: dict[str, Any] = json.loads(json.dumps(SITE))
    *above, key = path.split(".")
    group = site
    for name in above:
        group = group.setdefault(name, {})
    if value is None:
        group.pop(key, None)
    else:
        group[key] = value
    return site


def test_what_the_file_says_is_the_site_and_what_it_leaves_out_is_filled_in(
    tmp_path: Path,
) -> None:
    site: Any = settings.load(written(tmp_path, SITE), Nvs())
    assert (site.path, site.org, site.about) == (str(tmp_path), "kiel", SITE["about"])
    assert (site.mqtt["tls"], site.mqtt["keepalive_s"]) == (True, 30)
    assert (site.time["port"], site.delivery["window"], site.intake["burst"]) == (123, 8, 10)
    assert (site.ble, site.led_pin, site.watchdog_s) == (None, None, 60)
    assert (site.uarts[0]["baud"], site.uarts[0]["sender"]) == (115200, None)


def test_secrets_come_out_of_the_chips_own_memory_as_bytes(tmp_path: Path) -> None:
    root = written(tmp_path, SITE)
    site: Any = settings.load(root, Nvs())
    assert site.network["psk"] == SECRETS["wifi_psk"]
    assert site.mqtt["password"] == SECRETS["mqtt_pass"]
    first, second = settings.devices(root, Nvs())
    assert (first["key"], first["class"]) == (SECRETS["k3"], "routine")
    assert (second["key"], second["class"], second["hex"]) == (None, "event", True)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("mqtt.host", None, "site.json: mqtt.host is missing"),
        ("mqtt.port", 0, "site.json: mqtt.port must be a whole number from 1 to 65535"),
        ("mqtt.port", "8883", "site.json: mqtt.port must be a whole number from 1 to 65535"),
        ("mqtt.port", True, "site.json: mqtt.port must be a whole number from 1 to 65535"),
        ("mqtt.tls", "yes", "site.json: mqtt.tls must be true or false"),
        ("mqtt", [], "site.json: mqtt must be a group of keys of 1 to 16"),
        ("org", "x" * 65, "site.json: org must be a text of 1 to 64"),
        ("network.ssid", None, "site.json: network.ssid is missing, and so is network.ethernet"),
        ("ble.scan", "loud", "site.json: ble.scan must be active or passive"),
        ("delivery.window", 21, "site.json: delivery.window must be a whole number from 1 to 20"),
        ("watchdog_s", 5, "site.json: watchdog_s must be a whole number from 10 to 3600"),
        ("uarts", [{"name": "lora"}], "site.json: uarts[0]: modem is missing"),
        ("uarts", ["lora"], "site.json: uarts[0] must be a group of keys"),
    ],
)
def test_what_cannot_be_used_is_told_by_its_place(
    path: str, value: object, told: str, tmp_path: Path
) -> None:
    root = written(tmp_path, changed(path, value))
    with pytest.raises(SettingsError) as caught:
        settings.load(root, Nvs())
    assert str(caught.value) == told + "; correct gateway.yaml and write the board again"


def test_every_key_that_is_asked_for_is_missed(tmp_path: Path) -> None:
    asked = [row.split() for row in settings._SITE.splitlines()]  # noqa: SLF001
    needed = [row[0] for row in asked if len(row) == 4]
    assert needed
    for path in needed:
        with pytest.raises(SettingsError, match=f"site.json: {path} is missing"):
            settings.load(written(tmp_path, changed(path, None)), Nvs())


@pytest.mark.parametrize("damage", ["", "{", '{"org": "kiel"', "[1]", "null"])
def test_a_damaged_file_is_told(damage: str, tmp_path: Path) -> None:
    root = written(tmp_path, SITE)
    (tmp_path / "site/site.json").write_text(damage)
    with pytest.raises(SettingsError, match=r"^site\.json (is damaged|must be a group)"):
        settings.load(root, Nvs())


@pytest.mark.parametrize("name", ["site.json", "devices.jsonl"])
def test_a_file_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    root = written(tmp_path, SITE)
    (tmp_path / "site" / name).unlink()
    with pytest.raises(SettingsError, match=f"^{name} is not on the board"):
        list(settings.devices(root, Nvs())) if name[0] == "d" else settings.load(root, Nvs())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"urn": None}, "devices.jsonl line 2: urn is missing"),
        ({"class": "urgent"}, "devices.jsonl line 2: class must be routine or event"),
        ({"drivers": []}, "devices.jsonl line 2: drivers must be a list of 1 to 32"),
        ({"key": "k9"}, "devices.jsonl line 2: key names nothing in the chip's memory"),
        ({"name": "x" * 3000}, "devices.jsonl line 2 is damaged"),
    ],
)
def test_a_device_that_cannot_be_used_is_told_by_its_line(
    change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    root = written(tmp_path, SITE, [DEVICES[0], {**DEVICES[1], **change}])
    with pytest.raises(SettingsError, match="^" + told):
        list(settings.devices(root, Nvs()))


def test_more_devices_than_there_is_memory_for_are_refused(tmp_path: Path) -> None:
    many = [{**DEVICES[1], "address": f"lora:{number}"} for number in range(257)]
    with pytest.raises(SettingsError, match="lists more than 256 devices"):
        list(settings.devices(written(tmp_path, SITE, many), Nvs()))


def _misplaced(secret: str) -> list[Callable[[Path], object]]:
    """Return readings of settings in which a person wrote a secret where none belongs."""

    def site(path: str) -> Callable[[Path], object]:
        return lambda at: settings.load(written(at, changed(path, secret)), Nvs())

    def device(key: str) -> Callable[[Path], object]:
        devices = [{**DEVICES[0], key: secret}]
        return lambda at: list(settings.devices(written(at, SITE, devices), Nvs()))

    return [
        *map(site, ("mqtt.port", "mqtt.tls", "network.ethernet", "ble.scan", "uarts", "update")),
        *map(device, ("key", "class", "drivers")),
    ]


@pytest.mark.parametrize("number", range(9))
def test_no_error_shows_a_value_for_it_may_be_a_secret(number: int, tmp_path: Path) -> None:
    for secret in ("hunter2", "0123456789abcdef0123456789abcdef"):
        with pytest.raises(SettingsError) as caught:
            _misplaced(secret)[number](tmp_path)
        assert secret not in repr(caught.value)
        assert secret not in str(caught.value.__cause__)


def test_a_board_reads_them_too(tmp_path: Path) -> None:
    root = written(tmp_path, SITE, [DEVICES[0], DEVICES[1]] * 50)
    ended = run_on("32", "tests/esp32/vm_settings.py", root, heap="56k")
    assert ended.text.splitlines() == [
        "kiel 8883 True 30 ['pool.ntp.org'] correct horse",
        "100 devices, 50 keys",
        "every end that comes too early is noticed",
    ], ended.text
