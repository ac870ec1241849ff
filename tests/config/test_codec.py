"""A device's codec: only the text that was looked at is run, and by a map that can be meant."""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from gateway import codecs
from gateway.codecs.rules import Rule
from gateway.config import Finding, Settings

Load = Callable[..., Settings]
FindingsIn = Callable[..., list[Finding]]

SOURCE = "function decodeUplink(input) { return {data: {t: 1}}; }\n"
HEAD = "config_version: 1\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: localhost}\ndevices:\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a codec."""
    path = tmp_path / "em300.js"
    path.write_text(SOURCE)
    return path


def device(file: Path, codec_map: str = "{t: air_temperature}", **other: str) -> str:
    """Return a configuration of one device with a codec."""
    given = {
        "file": str(file),
        "sha256": hashlib.sha256(SOURCE.encode()).hexdigest(),
        "map": codec_map,
        **other,
    }
    keys = ", ".join(f"{key}: {value}" for key, value in given.items())
    return f'{HEAD}  - {{address: "lora:17", codec: {{{keys}}}}}\n'


def test_a_codec_is_the_text_whose_hash_was_checked(load_text: Load, file: Path) -> None:
    settings = load_text(device(file))
    file.write_text("something else")
    codec = settings.devices[0].codec
    assert codec is not None
    assert (codec.source, codec.port, codec.variables) == (SOURCE, 1, {})
    assert codec.rules == {"t": Rule("air_temperature")}


def test_devices_of_one_type_share_its_text(load_text: Load, file: Path) -> None:
    text = device(file)
    sources = [
        codec.source
        for codec in (
            one.codec
            for one in load_text(text + text[len(HEAD) :].replace("lora:17", "lora:18")).devices
        )
        if codec is not None
    ]
    assert len(sources) == 2
    assert sources[0] is sources[1]


def test_another_text_than_the_one_looked_at_is_refused_with_the_remedy(
    findings_in: FindingsIn, file: Path
) -> None:
    text = device(file)
    file.write_text(SOURCE.replace("1", "2"))
    (finding,) = findings_in(text)
    assert finding.path == "devices[0].codec.sha256"
    assert f"sha256sum {file}" in finding.message


def test_the_hash_has_to_be_given(findings_in: FindingsIn, file: Path) -> None:
    found = findings_in(device(file).replace("sha256: ", "sha1: "))
    assert any("sha256" in finding.message for finding in found)


def test_a_machine_without_the_engine_is_told_how_to_get_it(
    findings_in: FindingsIn, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codecs, "ENGINE", "no_such_engine")
    (finding,) = findings_in(device(file))
    assert finding.path == "devices[0].codec"
    assert "-m pip install --no-build-isolation '.[codecs]'" in finding.message


def test_the_hash_may_be_in_capitals(load_text: Load, file: Path) -> None:
    digest = hashlib.sha256(SOURCE.encode()).hexdigest().upper()
    assert load_text(device(file, sha256=digest)).devices[0].codec is not None


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ("air_temperature", Rule("air_temperature")),
        ("{property: air_temperature, channel: probe-1}", Rule("air_temperature", "probe-1")),
        ("{property: air_temperature, scale: 0.1}", Rule("air_temperature", "", Decimal("0.1"))),
        (
            '{property: air_temperature, scale: "-0.001"}',
            Rule("air_temperature", "", Decimal("-0.001")),
        ),
        ("{property: battery_voltage, unit: mV}", Rule("battery_voltage", "", Decimal("0.001"))),
        (
            "{property: battery_voltage, unit: mV, scale: 20}",
            Rule("battery_voltage", "", Decimal("0.020")),
        ),
        (
            "{property: air_temperature, unit: K}",
            Rule("air_temperature", offset=Decimal("-273.15")),
        ),
        (
            "{property: door_open, values: {open: true, on: true, closed: false}}",
            Rule("door_open", values={"open": True, "on": True, "closed": False}),
        ),
        (
            "{property: fill_level, values: {low: 10, high: 90}}",
            Rule("fill_level", values={"low": Decimal(10), "high": Decimal(90)}),
        ),
        ("x_mood", Rule("x_mood")),
    ],
)
def test_an_entry_of_the_map_is_a_property_or_says_more(
    load_text: Load, file: Path, entry: str, rule: Rule
) -> None:
    codec = load_text(device(file, f'{{"a.b[0].c": {entry}}}')).devices[0].codec
    assert codec is not None
    assert codec.rules == {"a.b[0].c": rule}


@pytest.mark.parametrize(
    ("codec_map", "path", "said"),
    [
        ("{}", "map", "1 items at least"),
        ("{t: temprature}", "map.t.property", "not in the vocabulary"),
        ("{t: {property: air_temperature, unit: mV}}", "map.t.unit", "these do: Cel, K"),
        ("{t: {property: vehicle_speed, unit: '[mi_i]/h'}}", "map.t.unit", "km/h, m/s"),
        (
            "{t: {property: air_temperature, scale: true}}",
            "map.t.scale",
            "a decimal number is needed",
        ),
        ("{t: {property: air_temperature, scale: .nan}}", "map.t.scale", "a decimal"),
        ("{t: {property: air_temperature, scale: 0}}", "map.t.scale", "a decimal"),
        ("{t: {property: air_temperature, scale: 1e300}}", "map.t.scale", "a decimal"),
        ("{t: {property: air_temperature, factor: 2}}", "map.t.factor", "scale"),
        ("{t: co2, u: co2}", "map.u", "give one a channel"),
    ],
)
def test_a_map_that_cannot_be_meant_is_refused_at_its_place(
    findings_in: FindingsIn, file: Path, codec_map: str, path: str, said: str
) -> None:
    (finding,) = findings_in(device(file, codec_map))
    assert finding.path == f"devices[0].codec.{path}"
    assert said in finding.message


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xff\xfe", "not UTF-8"), (b"x" * 1_000_001, "longer than"), (None, "cannot be read")],
)
def test_a_file_that_is_no_codec_is_refused(
    findings_in: FindingsIn, file: Path, content: bytes | None, said: str
) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    (finding,) = findings_in(device(file))
    assert (finding.path, said in finding.message) == ("devices[0].codec.file", True)


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ("codec:", "driver: cayenne-lpp, codec:", "codec"),
        ("lora:17", "C0:FF:EE:00:00:01", "codec"),
        ("codec:", "other:", "driver"),
    ],
)
def test_a_lora_device_has_a_driver_or_a_codec_and_others_have_none(
    findings_in: FindingsIn, file: Path, before: str, after: str, path: str
) -> None:
    found = findings_in(device(file).replace(before, after))
    assert f"devices[0].{path}" in {finding.path for finding in found}


def test_a_changed_codec_is_a_change_and_an_unchanged_one_is_none(
    load_text: Load, file: Path
) -> None:
    before = load_text(device(file))
    assert load_text(device(file)) == before
    assert load_text(device(file, "{t: water_temperature}")) != before
