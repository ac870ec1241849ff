"""From a codec's JSON to readings: exact to the digit, bounded, and only what the map names."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs import output
from gateway.codecs.output import CodecError, flatten, understand
from gateway.codecs.proposals import as_written, propose
from gateway.codecs.reader import Reader
from gateway.codecs.rules import Rule, UnitError, apply, conversion, units_for
from gateway.core import terms, vocabulary, wire
from gateway.core.context import Context
from gateway.core.judgement import judge
from gateway.core.properties import TABLE

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=300)
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)
NAMES = [line.split(" ", 1)[0] for line in TABLE.split("\n") if line]
RULES = st.builds(
    Rule,
    property=st.sampled_from([*NAMES, "x_any"]),
    channel=st.sampled_from(["", "1", "probe-2"]),
    factor=st.sampled_from([Decimal(1), Decimal("0.1"), Decimal("-0.001"), Decimal("9.80665")]),
    offset=st.sampled_from([Decimal(0), Decimal("-273.15")]),
    values=st.none() | st.just({"open": True, "1": Decimal(5), "a": "b"}),
)


def flat(text: str) -> output.Flat:
    return flatten(msgspec.Raw(text.encode()))


# ------------------------------------------------------------------------------------ exact values
@given(st.decimals(-(10**6), 10**6, places=6))
def test_a_decimal_a_vendor_publishes_arrives_to_the_digit(value: Decimal) -> None:
    text = json.dumps({"t": float(value)})  # as JavaScript prints doubles: the shortest that fits
    (reading,) = apply({"t": Rule("x_t")}, flat(text))
    _, mantissa, scale, _ = reading
    assert isinstance(mantissa, int)
    assert Decimal(mantissa).scaleb(-scale) == value


@given(st.integers(-(10**6), 10**6), st.sampled_from([1, 2, 3]))
def test_what_a_double_leaves_behind_is_rounded_off(raw: int, places: int) -> None:
    noisy = raw * float(f"1e-{places}")  # 214 * 0.1 == 21.400000000000002
    (reading,) = apply({"t": Rule("x_t")}, flat(json.dumps({"t": noisy})))
    assert isinstance(reading[1], int)
    assert Decimal(reading[1]).scaleb(-reading[2]) == Decimal(raw).scaleb(-places)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("21.400000000000002", "21.4"),
        ("-0.30000000000000004", "-0.3"),
        ("1e-7", "0.0000001"),
        ("1.5e+3", "1500"),
        ("9007199254740993", "9007199254740993"),
        ("0", "0"),
        ("-0.0", "0"),
        ("1e+25", None),
        ("1e-25", "0"),
        ("1e308", None),
        ("1e999999", None),
        ("-1e9999999", None),
        ("1e-9999999", "0"),
        ("9" * 4000, None),
    ],
)
def test_numbers_are_read_from_their_text(text: str, expected: str | None) -> None:
    (reading,) = apply({"t": Rule("x_t")}, flat(f'{{"t": {text}}}'))
    _, mantissa, scale, _ = reading
    exact = None if mantissa is None else Decimal(int(mantissa)).scaleb(-scale)
    assert exact == (None if expected is None else Decimal(expected))


# ------------------------------------------------------------------------------------------- paths
def test_values_are_found_by_their_place_in_the_output() -> None:
    text = '{"a": {"b": [1, {"c": "x"}]}, "d": null, "e.f": true, "g": [], "h": {}}'
    assert flat(text) == {"a.b[0]": 1, "a.b[1].c": "x", "d": None, "e.f": True}


@given(TREES)
def test_any_output_is_flattened_within_bounds_or_refused(tree: object) -> None:
    text = json.dumps({"data": {"tree": tree}})
    try:
        values = flatten(understand(text).data)
    except CodecError as error:
        assert error.reason == "codec_limit"
        return
    assert len(values) <= output.MAX_VALUES
    assert all(
        len(value) <= output.MAX_TEXT for value in values.values() if isinstance(value, str)
    )


@given(st.text() | TREES.map(json.dumps))
def test_whatever_comes_back_is_an_output_or_refused(text: str) -> None:
    try:
        understand(text)
    except CodecError as error:
        assert error.reason in ("codec_error", "codec_limit")
        assert error.cause


@pytest.mark.parametrize("depth", [output.MAX_DEPTH + 1, 500, 100_000])
def test_a_tree_too_deep_is_refused_however_deep(depth: int) -> None:
    with pytest.raises(CodecError, match="codec_limit"):
        flat('{"a":' * depth + "1" + "}" * depth)


# ----------------------------------------------------------------------------------------- the map
@given(
    st.dictionaries(st.sampled_from("abc"), RULES), st.dictionaries(st.sampled_from("abcd"), TREES)
)
def test_whatever_map_and_output_the_readings_are_fit_to_be_published(
    rules: dict[str, Rule], tree: dict[str, object]
) -> None:
    try:
        values = flat(json.dumps(tree))
    except CodecError:
        return
    readings = apply(rules, values)
    assert len(readings) == len(rules.keys() & values.keys())
    for name, value, scale, _ in readings:
        assert terms.fits(name, value, scale)
        assert 0 <= scale <= 18
        assert value is None or isinstance(value, bool | str) or abs(value) < 10**36
    for judged in judge(readings, ()):
        json.loads(wire.result(judged))


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        (Rule("battery_voltage", factor=Decimal("0.001")), "3601", (3601, 3)),
        (Rule("air_temperature"), '"21.50"', (215, 1)),
        (Rule("air_temperature"), '"-0.5"', (-5, 1)),
        (Rule("air_temperature"), '"21.5 C"', (None, 0)),
        (Rule("air_temperature"), '"1e5"', (None, 0)),
        (Rule("air_temperature"), "true", (None, 0)),
        (Rule("air_temperature"), "null", (None, 0)),
        (Rule("people_count"), "5", (5, 0)),
        (Rule("people_count"), "5.5", (None, 0)),
        (Rule("door_open"), "true", (True, 0)),
        (Rule("door_open"), "1", (True, 0)),
        (Rule("door_open"), "0", (False, 0)),
        (Rule("door_open"), "2", (None, 0)),
        (Rule("door_open"), '"open"', (None, 0)),
        (Rule("door_open", values={"open": True}), '"open"', (True, 0)),
        (Rule("door_open", values={"open": True}), '"ajar"', (None, 0)),
        (Rule("door_open", values={"1": False}), "1", (False, 0)),
        (Rule("door_open", values={"1": False}), "1.0", (False, 0)),
        (Rule("door_open", values={"true": False}), "true", (False, 0)),
        (Rule("fill_level", values={"low": Decimal(10)}), '"low"', (10, 0)),
        (Rule("alarm"), '"fire"', ("fire", 0)),
        (Rule("alarm"), "3", (None, 0)),
    ],
)
def test_a_value_is_what_its_property_can_be_or_the_sensors_no_value(
    rule: Rule, value: str, expected: tuple[object, int]
) -> None:
    ((_, meant, scale, _),) = apply({"v": rule}, flat(f'{{"v": {value}}}'))
    assert (meant, scale) == expected
    assert type(meant) is type(expected[0])


def test_what_the_map_does_not_name_is_not_published_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    reader = Reader("lora:17", {"t": Rule("air_temperature")})
    for _ in range(3):
        assert reader(flat('{"t": 1, "humidity": 50}'), Context()) == [
            ("air_temperature", 1, 0, "")
        ]
    (record,) = caplog.records
    assert record.getMessage() == "codec values not in the map device=lora:17 values='humidity'"


# ------------------------------------------------------------------------------------------- units
@given(st.sampled_from(sorted({vocabulary.unit(name) for name in NAMES})))
def test_every_unit_offered_converts_exactly_and_others_are_refused(wanted: str) -> None:
    for unit in units_for(wanted):
        factor, offset = conversion(unit, wanted)
        assert factor > 0
        assert -int(factor.as_tuple().exponent) <= 12
        assert offset == 0 or (unit, wanted) == ("K", "Cel")
    with pytest.raises(UnitError):
        conversion("furlong", wanted)


def test_a_conversion_without_an_end_is_refused() -> None:
    assert conversion("m/s", "km/h")[0] == Decimal("3.6")
    with pytest.raises(UnitError):
        conversion("km/h", "m/s")


# --------------------------------------------------------------------------------------- proposals
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ('{"temperature": 21.5}', {"temperature": "air_temperature"}),
        ('{"TempC_SHT": 21.5}', {}),
        (
            '{"air": {"temperature": 1, "relativeHumidity": 2}}',
            {"air.temperature": "air_temperature", "air.relativeHumidity": "relative_humidity"},
        ),
        ('{"soil": {"ec": 1.5}}', {"soil.ec": "{property: soil_ec, scale: 1000}"}),
        (
            '{"Humidity": 50, "co2": 400, "pm2_5": 1, "pm10": 2}',
            {"Humidity": "relative_humidity", "co2": "co2", "pm2_5": "pm2_5", "pm10": "pm10"},
        ),
        (
            '{"temperature1": 1, "temperature_2": 2}',
            {
                "temperature1": "{property: air_temperature, channel: 1}",
                "temperature_2": "{property: air_temperature, channel: 2}",
            },
        ),
        (
            '{"temperature": {"value": 1, "unit": "C"}, "voltageL1": 230, "voltageL2": 231}',
            {
                "temperature.value": "air_temperature",
                "voltageL1": "{property: voltage, channel: l1}",
                "voltageL2": "{property: voltage, channel: l2}",
            },
        ),
        ('{"battery": 87}', {"battery": "battery_level"}),
        ('{"battery": 3.61}', {"battery": "battery_voltage"}),
        ('{"battery": 3600}', {"battery": "{property: battery_voltage, scale: 0.001}"}),
        ('{"BatV": 3.3}', {"BatV": "battery_voltage"}),
        ('{"batV": 100}', {}),
        ('{"battery": 99999}', {}),
        ('{"temperature": "warm", "door": "open", "motion": true}', {"motion": "motion_detected"}),
        (
            '{"a": {"temperature": 1}, "b": {"temperature": 2}}',
            {"a.temperature": "air_temperature"},
        ),
        ('{"history": [{"temperature": 5}]}', {}),
        ('{"nonsense": 1, "x_private": 1, "": 5}', {}),
    ],
)
def test_what_can_be_guessed_is_proposed_and_nothing_else(
    values: str, expected: dict[str, object]
) -> None:
    proposed = propose(flat(values))
    assert {path: as_written(rule) for path, rule in proposed.items()} == expected


@given(TREES)
def test_a_proposal_is_always_one_the_configuration_would_take(tree: object) -> None:
    try:
        values = flat(json.dumps({"data": tree, "temperature": tree}))
    except CodecError:
        return
    rules = propose(values)
    assert all(terms.known(rule.property) for rule in rules.values())
    names = [(rule.property, rule.channel) for rule in rules.values()]
    assert len(names) == len(set(names))
