"""Events, last values and announcements, byte for byte as the schema has them."""

import msgspec
import pytest

from gateway.config import Settings, load_model
from gateway.model import Loss, Moment, PreviousStream, Result
from gateway.uplink import event, meta, state
from gateway.uplink.event import Event
from gateway.uplink.state import Timing
from gateway.uplink.status import Identity
from gateway.uplink.topics import Topics

IDENTITY = Identity(org="kiel", gateway="gw-kiel-0042", software="ugw 0.1.0")
MOMENT = Moment("b0075eed", 93_500_999_999)
SENT_MS = 1_795_305_600_250
DEVICE = "urn:dev:mac:a4c138fffe1b2c3d"

SITE = """
config_version: 1
gateway:
  org: kiel
  id: gw-kiel-0042
  name: Holtenau lock
  location: {lat: 54.3706, lon: 10.14, alt_m: 5, height_above_ground_m: 4.5}
  hardware: Raspberry Pi 4
mqtt: {host: broker.example, tls: {}}
transports:
  - {kind: ble}
  - {kind: serial, device: /dev/serial/by-id/usb-lora, modem: reyax-rylr998}
devices:
  - address: "A4:C1:38:1B:2C:3D"
    name: Lock, north
    driver: bthome-v2
    model: ATC
    manufacturer: Xiaomi
    firmware: "2.1"
    class: event
    expected_interval: 90s
    location: {lat: -0.00001, lon: 10.1}
    site: Holtenau
    properties:
      - {observed_property: precipitation, statistic: sum, period: 1500ms, calibration: 2026-03}
      - {observed_property: air_temperature, channel: "2"}
  - {address: "C0:FF:EE:00:00:01"}
"""


def settings() -> Settings:
    return load_model(SITE, "gateway.yaml", Settings)


# ------------------------------------------------------------------------------------------ events
def test_an_event_says_when_it_happened_and_when_it_is_said() -> None:
    happened = Event("transport.down", (("name", "ble:hci0"), ("cause", "no adapter")), MOMENT)
    assert event.render(IDENTITY, happened, SENT_MS) == (
        b'{"schema":"ugw.event/1","org":"kiel","gateway":"gw-kiel-0042",'
        b'"sentTime":"2026-11-22T00:00:00.250Z","boot":"b0075eed","uptimeMs":93500,'
        b'"kind":"transport.down","name":"ble:hci0","cause":"no adapter"}'
    )


def test_an_event_without_a_clock_has_no_wall_time() -> None:
    assert event.render(IDENTITY, Event("store", (("state", "ok"),), MOMENT), None) == (
        b'{"schema":"ugw.event/1","org":"kiel","gateway":"gw-kiel-0042",'
        b'"boot":"b0075eed","uptimeMs":93500,"kind":"store","state":"ok"}'
    )


def test_a_loss_is_an_event_of_the_boot_in_which_it_came_about() -> None:
    loss = Loss("S1", 40, 43, "full", Moment("an earlier one", 2_000_000))
    rendered = msgspec.json.decode(event.render(IDENTITY, event.of_loss(loss), SENT_MS))
    assert list(rendered.items())[4:] == [
        ("boot", "an earlier one"),
        ("uptimeMs", 2),
        ("kind", "loss"),
        ("stream", "S1"),
        ("from", 40),
        ("to", 43),
        ("reason", "full"),
    ]


def test_a_start_tells_how_earlier_runs_ended() -> None:
    streams = [PreviousStream("S0", "event", clean=False, next_seq=7)]
    start = Event("agent.start", (("previous", event.previous(streams)),), MOMENT)
    assert event.render(IDENTITY, start, None).endswith(
        b'"kind":"agent.start",'
        b'"previous":[{"stream":"S0","class":"event","end":"unclean","nextSeq":7}]}'
    )


# ------------------------------------------------------------------------------------- last values
def result(name: str, value: object, scale: int = 0, **more: object) -> Result:
    fields = {"channel": "", "quality": "", "flags": (), **more}
    judged: Result = msgspec.convert((name, value, scale, *fields.values()), Result)
    return judged


def test_a_state_is_flat_exact_and_in_alphabetical_order() -> None:
    values = {
        ("door_open", ""): result("door_open", value=True),
        ("air_temperature", "2"): result("air_temperature", -50, 2, channel="2"),
        ("air_temperature", ""): result("air_temperature", 2134, 2),
        ("x_text", ""): result("x_text", 'a "b"'),
    }
    assert state.render(DEVICE, Timing("exact", SENT_MS), -71, values) == (
        b'{"device":"urn:dev:mac:a4c138fffe1b2c3d","time":"2026-11-22T00:00:00.250Z",'
        b'"timeQuality":"exact","rssi":-71,"air_temperature":21.34,"air_temperature.2":-0.5,'
        b'"door_open":true,"x_text":"a \\"b\\""}'
    )


def test_a_state_without_a_clock_has_no_time() -> None:
    assert state.render("ugw:kiel:bin-07", Timing("unknown"), None, {}) == (
        b'{"device":"ugw:kiel:bin-07","timeQuality":"unknown"}'
    )


@pytest.mark.parametrize("quality", ["bad", "missing"])
def test_the_key_of_a_value_that_cannot_be_shown_stays_without_one(quality: str) -> None:
    values = {("pm2_5", ""): result("pm2_5", 1900, quality=quality, flags=("out_of_range",))}
    rendered = state.render(DEVICE, Timing("unknown"), None, values)
    assert msgspec.json.decode(rendered)["pm2_5"] is None


def test_an_uncertain_value_is_shown() -> None:
    values = {("count", ""): result("count", 7, quality="uncertain", flags=("replay_possible",))}
    rendered = state.render(DEVICE, Timing("unknown"), None, values)
    assert msgspec.json.decode(rendered)["count"] == 7


# --------------------------------------------------------------------------------- announcements
def test_a_device_is_announced_as_configured_with_the_properties_seen() -> None:
    given = settings()
    seen = [("relative_humidity", ""), ("precipitation", "")]
    rendered = meta.device(DEVICE, given.devices[0], seen)
    assert (
        rendered
        == (
            b'{"schema":"ugw.device/1","device":"urn:dev:mac:a4c138fffe1b2c3d","metaRev":%d,'
            b'"name":"Lock, north","driver":"bthome-v2","model":"ATC","manufacturer":"Xiaomi",'
            b'"firmware":"2.1","medium":"ble","class":"event","expectedIntervalS":90,'
            b'"location":{"lat":-0.00001,"lon":10.1},"site":"Holtenau","properties":['
            b'{"observedProperty":"air_temperature","channel":"2","unit":"Cel"},'
            b'{"observedProperty":"precipitation","unit":"mm","statistic":"sum","periodS":1.5,'
            b'"calibration":"2026-03"},'
            b'{"observedProperty":"relative_humidity","unit":"%%"}]}'
        )
        % msgspec.json.decode(rendered)["metaRev"]
    )


def test_what_nobody_configured_of_a_device_is_left_out() -> None:
    rendered = msgspec.json.decode(meta.device("ugw:kiel:a", settings().devices[1], ()))
    assert list(rendered) == ["schema", "device", "metaRev", "medium", "class"]


def test_a_revision_changes_with_the_announcement_and_with_nothing_else() -> None:
    given = settings().devices[1]

    def revision(*seen: tuple[str, str], urn: str = DEVICE) -> int:
        number: int = msgspec.json.decode(meta.device(urn, given, seen))["metaRev"]
        return number

    temperature, humidity = ("air_temperature", ""), ("relative_humidity", "")
    assert revision(temperature, humidity) == revision(humidity, temperature)
    others = {revision(), revision(temperature), revision(urn="ugw:kiel:a")}
    assert revision(humidity) not in others
    assert len(others) == 3
    assert all(0 <= number < 2**32 for number in others)


def test_the_gateway_is_announced_with_its_transports() -> None:
    assert meta.gateway(settings(), "ugw 0.1.0") == (
        b'{"schema":"ugw.gateway/1","org":"kiel","gateway":"gw-kiel-0042","name":"Holtenau lock",'
        b'"location":{"lat":54.3706,"lon":10.14,"altM":5,"heightAboveGroundM":4.5},'
        b'"hardware":"Raspberry Pi 4","software":"ugw 0.1.0",'
        b'"transports":[{"name":"ble:hci0","kind":"ble"},'
        b'{"name":"serial:usb-lora","kind":"serial"}],"devices":2}'
    )


def test_the_topics_are_those_of_the_schema() -> None:
    topics = Topics.of("kiel", "gw-1")
    assert topics.event == "ugw/v1/kiel/gw-1/event"
    assert topics.meta == "ugw/v1/kiel/gw-1/meta"
    assert topics.device_meta("bin-07") == "ugw/v1/kiel/gw-1/meta/bin-07"
    assert topics.state("bin-07") == "ugw/v1/kiel/gw-1/state/bin-07"
