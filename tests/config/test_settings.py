"""What the rest of the agent is handed: defaults, names, notes; and the example says the truth."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.config import BleSettings, InvalidConfigError, SerialSettings, Settings, load_model
from gateway.config.section import Slug
from gateway.core.identity import is_slug

Load = Callable[..., Settings]

ENVIRON = {"UGW_MQTT_PASSWORD": "x"}
EXAMPLE = Path(__file__).parents[2] / "config" / "gateway.example.yaml"
GOOD = "config_version: 1\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: localhost}\n"


def test_the_defaults_are_those_of_the_design(load_text: Load) -> None:
    settings = load_text(GOOD)

    assert (settings.mqtt.port, settings.mqtt.version, settings.mqtt.tls) == (1883, "5", None)
    assert settings.mqtt.keepalive_ns == 30_000_000_000
    assert (settings.client_id, settings.topic_root) == ("gw-1", "ugw/v1/kiel/gw-1")
    assert (str(settings.store.path), settings.store.max_size_bytes) == (
        "/var/lib/ugw",
        512 * 10**6,
    )
    delivery = settings.delivery
    assert (delivery.pace_ns, delivery.commit_after_ns) == (20_000_000, 700_000_000)
    assert (delivery.in_flight_window, delivery.ack_timeout_ns) == (8, 10_000_000_000)
    assert (delivery.min_rate_bytes_per_s, delivery.live_max_age_ns) == (500, 60_000_000_000)
    assert delivery.memory_bytes == 4_000_000
    intake = settings.intake
    assert (intake.repeat_window_ns, intake.burst, intake.per_second) == (60_000_000_000, 10, 1.0)
    assert (settings.clock.source, settings.log.level) == ("kernel", "info")


def test_the_shape_promised_to_users_is_accepted(load_text: Load, site: Path) -> None:
    settings = load_text(
        "config_version: 1\n"
        "gateway: {org: kiel, id: gw-kiel-0042}\n"
        "mqtt: {host: broker.example, port: 8883, tls: "
        f"{{ca: {site}/ca.pem, cert: {site}/gw.pem, key: {site}/gw.key}}}}\n"
        "store: {path: /var/lib/ugw, max_size: 512MB}\n"
        "http: {listen: 127.0.0.1:8080}\n"
        "transports:\n"
        "  - {kind: ble, adapter: hci0, scan: passive}\n"
        "  - {kind: serial, device: /dev/serial/by-id/usb-lora, modem: reyax-rylr998,"
        " baud: 115200}\n"
        "devices:\n"
        '  - {address: "C0:FF:EE:00:00:01", name: Lessingplatz}\n'
        f'  - {{address: "C0:FF:EE:00:00:02", key: "file:{site}/keys/2"}}\n'
        '  - {address: "lora:17", driver: cayenne-lpp, payload: hex, class: event, id: bin-07}\n'
    )

    assert [transport.name for transport in settings.transports] == ["ble:hci0", "serial:usb-lora"]
    assert [settings.urn(device) for device in settings.devices] == [
        "urn:dev:mac:c0ffeefffe000001",
        "urn:dev:mac:c0ffeefffe000002",
        "ugw:kiel:bin-07",
    ]
    assert [device.klass for device in settings.devices] == ["routine", "routine", "event"]


@pytest.mark.parametrize(
    ("device", "urn"),
    [
        ("{address: 'a4:c1:38:1b:2c:3d'}", "urn:dev:mac:a4c138fffe1b2c3d"),
        ("{address: 'A4:C1:38:1B:2C:3D', id: tree-1}", "ugw:kiel:tree-1"),
        (
            "{address: 'D3:00:00:00:00:01', address_type: random, id: tree-1}",
            "ugw:kiel:tree-1",
        ),
        ("{address: 'lora:17', driver: cayenne-lpp}", "ugw:kiel:gw-1-lora-17"),
        ("{address: 'LoRa:17', driver: cayenne-lpp}", "ugw:kiel:gw-1-lora-17"),
    ],
)
def test_a_device_is_named_by_its_id_its_eui_or_its_gateway(
    load_text: Load, device: str, urn: str
) -> None:
    settings = load_text(f"{GOOD}devices: [{device}]\n")

    assert settings.urn(settings.devices[0]) == urn


def test_addresses_are_written_one_way_however_they_were_typed(load_text: Load) -> None:
    text = (
        GOOD
        + "devices: [{address: 'a4:c1:38:1b:2c:3d'}, {address: 'LORA:7', driver: cayenne-lpp}]"
    )

    assert [device.address for device in load_text(text).devices] == [
        "A4:C1:38:1B:2C:3D",
        "lora:7",
    ]


def test_lora_payloads_are_hexadecimal_unless_said_otherwise(load_text: Load) -> None:
    text = GOOD + (
        "devices:\n"
        "  - {address: 'lora:1', driver: cayenne-lpp}\n"
        "  - {address: 'lora:2', driver: cayenne-lpp, payload: raw}\n"
        "  - {address: 'C0:FF:EE:00:00:01'}\n"
    )

    assert [device.payload for device in load_text(text).devices] == ["hex", "raw", None]


def test_only_the_modem_s_settings_that_were_given_reach_its_driver(load_text: Load) -> None:
    text = GOOD + (
        "transports: [{kind: serial, device: /dev/ttyUSB0, modem: reyax-rylr998,"
        " band: 868.1MHz, bandwidth: 125kHz, network_id: 0}]\n"
    )
    (transport,) = load_text(text).transports

    assert isinstance(transport, SerialSettings)
    assert transport.modem_settings == {
        "band_hz": 868_100_000,
        "bandwidth_khz": 125,
        "network_id": 0,
    }


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "LOCALHOST."])
def test_a_broker_on_this_machine_needs_no_tls(load_text: Load, host: str) -> None:
    settings = load_text(GOOD.replace("localhost", f"'{host}'"))

    assert list(settings.notes()) == [
        "devices: none is listed, so everything heard is counted and forgotten"
    ]


@pytest.mark.parametrize("word", ["true", "yes", "on"])
def test_cleartext_to_another_machine_is_accepted_when_written_down_and_noted(
    load_text: Load, word: str
) -> None:
    settings = load_text(GOOD.replace("localhost", f"10.0.0.1, allow_cleartext: {word}"))

    assert settings.mqtt.allow_cleartext
    assert any("without TLS" in note for note in settings.notes())


def test_notes_say_what_works_but_perhaps_not_as_meant(load_text: Load) -> None:
    text = GOOD + (
        "delivery: {commit_after: 2s, durability: strict}\n"
        "devices: [{address: 'C0:FF:EE:00:00:01'}, {address: 'lora:1', driver: cayenne-lpp}]\n"
    )
    notes = list(load_text(text).notes())

    assert [note.split(":")[0] for note in notes] == [
        "devices",
        "devices",
        "delivery.commit_after",
        "delivery.durability",
    ]


def test_the_inside_of_a_gateway_is_shown_to_a_network_only_with_a_token(
    load_text: Load, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("3f9a")
    token.chmod(0o600)
    beyond = "http: {listen: '0.0.0.0:8080'%s}\n"

    with pytest.raises(InvalidConfigError, match=r"4:16: http\.listen: .*needs http\.token"):
        load_text(GOOD + beyond % "")
    assert load_text(GOOD + beyond % f", token: 'file:{token}'").http.token is not None


def test_settings_are_frozen(load_text: Load) -> None:
    settings = load_text(GOOD)

    with pytest.raises(ValidationError, match="frozen"):
        settings.mqtt.port = 1


def test_a_section_of_which_everything_is_commented_out_has_its_defaults(load_text: Load) -> None:
    text = GOOD + "store:\n  #path: /x\nlog:\n"

    assert load_text(text) == load_text(GOOD + "store: {}\nlog: {}\n")


@given(st.text(max_size=70) | st.from_regex(r"[a-z0-9-]{0,66}", fullmatch=True))
def test_a_slug_is_what_the_core_calls_one(text: str) -> None:
    slug: TypeAdapter[str] = TypeAdapter(Slug)
    try:
        slug.validate_python(text)
    except ValidationError:
        assert not is_slug(text)
    else:
        assert is_slug(text)


# ------------------------------------------------------------------------------------- the example
def test_the_example_loads_as_it_is(load_text: Load, example: str) -> None:
    settings = load_text(example, **ENVIRON)

    assert isinstance(settings.transports[0], BleSettings)
    assert len(settings.devices) == 8


def test_what_the_example_lacks_on_this_machine_is_explained_by_file() -> None:
    text = EXAMPLE.read_text().replace("/etc/ugw", "/nowhere")
    with pytest.raises(Exception, match="cannot be read") as caught:
        load_model(text, "example", Settings)

    assert str(caught.value).count("/nowhere/keys/2 cannot be read") == 1


def uncommented(text: str) -> str:
    """Return the example with all its defaults switched on."""
    return re.sub(r"^( *)#(\w+: )", r"\1\2", text, flags=re.MULTILINE)


def test_the_defaults_shown_in_the_example_are_the_defaults(load_text: Load, example: str) -> None:
    shown = uncommented(example)

    assert shown.count("\n") == example.count("\n")
    assert shown != example
    assert load_text(shown, **ENVIRON) == load_text(example, **ENVIRON)


def keys_of(schema: dict[str, Any]) -> set[tuple[str, str]]:
    sections = {**schema["$defs"], "": schema}
    return {(name, key) for name, section in sections.items() for key in section["properties"]}


def test_every_option_stands_in_an_example(example: str, esp32_example: str) -> None:
    written = set(re.findall(r"(\w+):", uncommented(example + esp32_example)))

    known = {key for _, key in keys_of(Settings.model_json_schema(mode="serialization"))}
    assert known - written == set()
