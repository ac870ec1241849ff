"""From a gateway's configuration to a board's files: what the board itself makes of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Finding, InvalidConfigError, load
from gateway.esp32 import settings as on_the_board
from gateway.uplink import meta
from tests.config.conftest import ESP32_EXAMPLE
from ugw_flash.esp32.site import SOFTWARE, Board, read_site
from ugw_flash.updates import signing

HEAD = "config_version: 1\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: localhost}\n"
NETWORK = "esp32: {wifi: {ssid: city}, time_servers: [ntp.example]"
BOARD = f"{NETWORK}}}\n"
PINS = f"{NETWORK}, uarts: [{{device: /dev/u, tx: 17, rx: 16}}]}}\n"
ENVIRON = {"UGW_MQTT_PASSWORD": "x"}


class Nvs:
    """The chip's own memory."""

    def __init__(self, secrets: dict[str, bytes]) -> None:
        self._secrets = secrets

    def get_blob(self, name: str, buffer: bytearray) -> int:
        if name not in self._secrets:
            raise OSError(name)
        buffer[: len(self._secrets[name])] = self._secrets[name]
        return len(self._secrets[name])


def site_of(tmp_path: Path, text: str) -> Board:
    (tmp_path / "gateway.yaml").write_text(text)
    return read_site(tmp_path / "gateway.yaml", environ=ENVIRON)


def findings(tmp_path: Path, text: str) -> list[Finding]:
    with pytest.raises(InvalidConfigError) as caught:
        site_of(tmp_path, text)
    assert "esp32.example.yaml" in caught.value.remedy
    return list(caught.value.findings)


def flashed(tmp_path: Path, board: Board) -> tuple[Any, list[dict[str, Any]]]:
    for name, content in board.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    nvs = Nvs(board.secrets)
    read = on_the_board.load(str(tmp_path), nvs)
    return read, list(on_the_board.devices(str(tmp_path), nvs))


def test_the_board_reads_what_is_written_for_it(etc: Path, tmp_path: Path) -> None:
    board = read_site(etc / "esp32.example.yaml", environ={})
    site, devices = flashed(tmp_path, board)

    assert (site.org, site.gateway, site.root) == (
        "kiel",
        "gw-kiel-0043",
        "ugw/v1/kiel/gw-kiel-0043",
    )
    assert (site.network["ssid"], site.network["psk"]) == ("city-iot", b"correct horse")
    assert site.uarts[0]["modem"] == "reyax_rylr998"
    assert (site.uarts[0]["tx"], site.uarts[0]["rx"], site.uarts[0]["baud"]) == (17, 16, 115200)
    assert site.delivery["store_bytes"] == 512 * 1024
    assert [device["driver"] for device in devices] == [
        "ble.ruuvi_rawv2",
        None,
        "lora.cayenne_lpp",
    ]
    assert devices[1]["drivers"] == ["ble.bthome_v2"]
    assert devices[1]["key"] == bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
    assert board.drivers == (
        *("ble.bthome_v2", "ble.ruuvi_rawv2", "lora.cayenne_lpp", "modem.reyax_rylr998"),
    )
    assert site.about.encode() == meta.gateway(load(etc / "esp32.example.yaml"), SOFTWARE)


def test_the_board_knows_every_key_that_is_written_for_it(etc: Path) -> None:
    site = json.loads(read_site(etc / "esp32.example.yaml", environ={}).files["site/site.json"])
    known = {row.split()[0] for row in on_the_board._SITE.splitlines()}  # noqa: SLF001 - the table
    ethernet = {"network.ethernet"}

    assert site.keys() <= known
    for group in ("mqtt", "network", "time", "ble", "delivery", "intake"):
        assert {f"{group}.{key}" for key in site[group]} <= known | ethernet
    optional = {"network.ethernet", "mqtt.user"}
    assert known - {f"{g}.{k}" for g in site if isinstance(site[g], dict) for k in site[g]} == {
        *site.keys(),
        *optional,
    }


def test_sessions_are_numbered_from_when_the_files_were_made(etc: Path, tmp_path: Path) -> None:
    path = etc / "esp32.example.yaml"
    board = read_site(path, environ={}, made_ms=1_795_000_000_123)

    site, _ = flashed(tmp_path, board)
    assert site.session == 1_795_000_000_123
    assert read_site(path, environ={}, made_ms=1_795_000_000_123).files == board.files
    assert flashed(tmp_path, read_site(path, environ={}))[0].session == 0


def test_a_secret_is_in_no_file(etc: Path) -> None:
    board = read_site(etc / "esp32.example.yaml", environ={})
    content = b"".join(board.files.values())

    assert set(board.secrets) == {"k1", "tls_key", "wifi_psk"}
    for secret in board.secrets.values():
        assert secret not in content
        assert secret.hex().encode() not in content
    assert "correct horse" not in repr(board)


def test_the_announcement_is_what_a_raspberry_pi_makes_of_it(tmp_path: Path) -> None:
    from gateway.esp32.bulletin import announcement  # noqa: PLC0415 - it needs the board's parts

    text = (
        HEAD + BOARD + "devices:\n"
        '- {address: "C0:FF:EE:00:00:01", name: Roof, driver: ruuvi-rawv2, site: A,'
        " location: {lat: 54.3233, lon: 10.1}, expected_interval: 90s, properties: ["
        "{observed_property: air_temperature, channel: '2', statistic: mean, period: 1min}]}\n"
    )
    _, (device,) = flashed(tmp_path, site_of(tmp_path, text))
    settings = load(tmp_path / "gateway.yaml")

    class Device:
        urn, about, results = device["urn"], device["about"], None
        properties = tuple(((name, channel), more) for name, channel, more in device["properties"])

    made = announcement(Device())  # type: ignore[arg-type]
    assert made.encode() == meta.device(device["urn"], settings.devices[0], ())


@pytest.mark.parametrize(("more", "every_s"), [("", 3600), (", every: 30min", 1800)])
def test_a_polled_device_is_read_by_the_driver_it_names_and_needs_no_other(
    tmp_path: Path, more: str, every_s: int
) -> None:
    entry = f'{{address: "C4:7C:8D:00:00:04", poll: {{driver: flower-care{more}}}}}'
    board = site_of(tmp_path, HEAD + BOARD + f"devices: [{entry}]\n")
    _, (device,) = flashed(tmp_path, board)

    assert (device["poll"], device["poll_s"]) == ("ble.flower_care", every_s)
    assert (device["driver"], device["drivers"]) == (None, None)
    assert "ble.flower_care" in board.drivers


def test_all_that_no_board_can_do_is_told_at_once_with_its_place(etc: Path) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        read_site(etc / "gateway.example.yaml", environ=ENVIRON)

    told = {(found.path, found.line > 0) for found in caught.value.findings}
    assert told == {
        (path, True)
        for path in (
            *("esp32", "transports[1].device", "transports[1].password", "transports[2].device"),
            *("transports[3].device", "transports[4].kind", "transports[5].kind"),
            *("transports[6].kind", "devices[0].driver", "devices[1].driver"),
            *("devices[2].driver", "devices[2].rate.burst", "devices[2].rate.per_second"),
            *("devices[5].address", "devices[6].address"),
            *("devices[6].codec", "devices[7].address", "devices[7].lorawan"),
        )
    }


DEVICE = 'devices: [{{address: "C0:FF:EE:00:00:01"{}}}]\n'


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        (BOARD + DEVICE.format(""), "devices[0].driver", "name the device's driver"),
        (BOARD + DEVICE.format(", driver: ruuvi-raw2"), "devices[0].driver", "'ruuvi-rawv2'?"),
        (f"{NETWORK}, drivers: [atc2]}}\n", "esp32.drivers[0]", "there is no driver"),
        (f"{NETWORK}, drivers: [cayenne-lpp]}}\n", "esp32.drivers[0]", "no device is found by it"),
        (BOARD + "delivery: {durability: strict}\n", "delivery.durability", "write-behind"),
        (BOARD + "delivery: {in_flight_window: 9}\n", "delivery.in_flight_window", "memory for 8"),
        (BOARD + "delivery: {commit_after: 50ms}\n", "delivery.commit_after", "from 100"),
        (BOARD + "delivery: {ack_timeout: 5min}\n", "delivery.ack_timeout", "to 120000"),
        (BOARD + "intake: {repeat_window: 1d}\n", "intake.repeat_window", "to 3600000"),
        (BOARD + "intake: {burst: 2000}\n", "intake.burst", "to 1000"),
        (BOARD + "intake: {per_second: 0.001}\n", "intake.per_second", "from 1 "),
        (
            BOARD + "transports: [{kind: ble}, {kind: ble, adapter: hci1}]\n",
            "transports[1].adapter",
            "one Bluetooth adapter",
        ),
        (
            PINS,
            "esp32.uarts[0].device",
            "no serial transport",
        ),
        (
            PINS
            + "transports: [{kind: serial, device: /dev/u, modem: rak-rui3, sender: lorawan}]\n",
            "transports[0].sender",
            "LoRaWAN",
        ),
        (
            PINS + "transports: [{kind: serial, device: /dev/u, modem: rylr}]\n",
            "transports[0].modem",
            "no such modem",
        ),
        (
            PINS + "transports: [{kind: serial, device: /dev/u, modem: rak-rui3}]\n",
            "transports[0].sender",
            "does not say who sends",
        ),
        (f"{NETWORK}, update_key: /nowhere}}\n", "esp32.update_key", "cannot be read"),
        (f"{NETWORK}, hostname: {'h' * 33}}}\n", "esp32.hostname", "up to 32"),
        (
            PINS
            + "transports: [{kind: serial, device: /dev/u, modem: rak-rui3, baud: 1000000}]\n",
            "transports[0].baud",
            "up to 921600",
        ),
    ],
)
def test_what_a_board_cannot_do_is_refused_where_it_stands(
    tmp_path: Path, more: str, path: str, said: str
) -> None:
    found = findings(tmp_path, HEAD + more)

    assert any(each.path == path and said in each.message for each in found), found


@pytest.mark.parametrize(
    ("mqtt", "said"),
    [
        ('host: "::1"', "IPv4"),
        ("host: localhost, require_subscriber: true", "does not tell"),
        (f"host: localhost, topic_root: {'a' * 121}", "120"),
        ("host: localhost, keepalive: 2h", "to 3600"),
        ("host: localhost, tls: {}", "no list of authorities"),
    ],
)
def test_a_broker_it_cannot_reach_so_is_refused(tmp_path: Path, mqtt: str, said: str) -> None:
    text = HEAD.replace("host: localhost", mqtt) + BOARD
    assert any(said in each.message for each in findings(tmp_path, text))


def test_a_login_that_is_too_long_for_its_memory_is_refused(tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_text("x" * 129)
    long.chmod(0o600)
    login = f"host: localhost, username: 'env:UGW_MQTT_PASSWORD', password: 'file:{long}'"
    found = findings(tmp_path, HEAD.replace("host: localhost", login) + BOARD)
    assert [each.path for each in found] == ["mqtt.password"]
    assert "memory for 128 bytes" in found[0].message


def test_an_authority_is_one_certificate(etc: Path, tmp_path: Path) -> None:
    two = tmp_path / "two.pem"
    two.write_text((etc / "ca.pem").read_text() * 2)
    text = HEAD.replace("localhost", f"localhost, tls: {{ca: {two}}}") + BOARD
    assert any("there are 2" in each.message for each in findings(tmp_path, text))


@pytest.mark.parametrize("length", [7, 64])
def test_a_wifi_password_no_network_has_is_refused(tmp_path: Path, length: int) -> None:
    secret = tmp_path / "psk"
    secret.write_text("x" * length)
    secret.chmod(0o600)
    text = BOARD.replace("ssid: city", f"ssid: city, password: 'file:{secret}'")
    assert any("8 to 63" in each.message for each in findings(tmp_path, HEAD + text))


def test_the_key_of_updates_is_its_modulus(tmp_path: Path) -> None:
    signing.generate(tmp_path / "update.key", tmp_path / "update.pub")
    text = f"{NETWORK}, update_key: {tmp_path}/update.pub}}\n"
    board = site_of(tmp_path, HEAD + text)

    assert json.loads(board.files["site/site.json"])["update"] is True
    number = signing.load(tmp_path / "update.key").public_key().public_numbers().n
    assert int.from_bytes(board.files["site/update.key"], "big") == number
    assert json.loads(site_of(tmp_path, HEAD + BOARD).files["site/site.json"])["update"] is False


def test_what_works_but_not_as_on_a_raspberry_pi_is_noted(tmp_path: Path) -> None:
    board = site_of(tmp_path, HEAD + BOARD + "store: {max_size: 1GB}\nlog: {level: debug}\n")
    told = [note.split(":")[0] for note in board.notes]
    assert told == ["mqtt.version", "store", "log", "devices"]


def test_a_folder_of_the_desk_stands_for_that_of_the_gateway(etc: Path) -> None:
    environ = {"UGW_MQTT_PASSWORD": "correct horse"}
    by_folder = read_site(ESP32_EXAMPLE, environ=environ, etc=etc)
    by_path = read_site(etc / ESP32_EXAMPLE.name, environ=environ)
    assert (by_folder.files, by_folder.secrets) == (by_path.files, by_path.secrets)
