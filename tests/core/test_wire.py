"""The canonical JSON: exact, valid, and the same as an independent rendering of the same facts."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import document, vocabulary, wire

EXACT = Context(prec=200)
INTEGERS = st.integers(-(10**40), 10**40)
SCALES = st.integers(-20, 40)
NAMES = st.sampled_from(["air_temperature", "pm2_5", "mole_fraction", "tx_power", "x_own", 'x_"'])
VALUES = st.one_of(st.none(), st.booleans(), st.text(), INTEGERS)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _reference_decimal(mantissa: int, scale: int) -> str:
    """Render a decimal by the decimal module: plain notation, shortest form, no negative zero."""
    value = EXACT.scaleb(Decimal(mantissa), -scale)
    return f"{EXACT.normalize(value) or Decimal(0):f}"


def _reference(value: object, number: str = "") -> str:
    """Render by the json module; "@" stands where `number` belongs."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace('"@"', number) if number else text


def _without_surrogates(text: str) -> str:
    return "".join("\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


def _parsed(text: str) -> Any:  # noqa: ANN401 - what json gives
    return json.loads(text.encode(), parse_float=Decimal, parse_int=Decimal)


# ------------------------------------------------------------------------------------------ values
@given(mantissa=INTEGERS, scale=SCALES)
@example(mantissa=0, scale=3)
@example(mantissa=-1, scale=40)
@example(mantissa=-100, scale=2)
def test_a_decimal_is_exact_and_in_its_shortest_form(mantissa: int, scale: int) -> None:
    text = wire.decimal(mantissa, scale)
    assert text == _reference_decimal(mantissa, scale)
    assert _parsed(text) == EXACT.scaleb(Decimal(mantissa), -scale)


@given(text=st.text(st.characters()))
@example(text='\x00\x07\x08\x0c\n\r\t\x1f\x20"\\/\x7f\u2028')
@example(text="\ud800 alone")
def test_a_text_survives_json_but_for_what_utf8_cannot_hold(text: str) -> None:
    assert wire.quote(text) == _reference(_without_surrogates(text))
    assert json.loads(wire.quote(text).encode()) == _without_surrogates(text)


# ------------------------------------------------------------------------------------ observations
@given(
    name=NAMES,
    value=VALUES,
    scale=SCALES,
    channel=st.sampled_from(["", "x", "probe-2", 'odd"']),
    quality=st.sampled_from(["", "uncertain", "bad", "missing"]),
    flags=st.lists(st.sampled_from(["out_of_range", "saturated", "warmup", "\\"]), unique=True),
)
def test_a_result_is_what_an_independent_rendering_makes_of_it(  # noqa: PLR0913, PLR0917 - its six
    name: str, value: int | str | None, scale: int, channel: str, quality: str, flags: list[str]
) -> None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    expected: dict[str, object] = {"observedProperty": name}
    if channel:
        expected["channel"] = channel
    expected["result"] = "@" if is_number else value
    expected["unit"] = vocabulary.unit(name)
    if quality:
        expected["quality"] = quality
    if flags:
        expected["flags"] = sorted(flags)
    number = _reference_decimal(int(value), scale) if value is not None and is_number else ""
    rendered = wire.result((name, value, scale, channel, quality, tuple(flags)))
    assert rendered == _reference(expected, number)


def test_a_property_outside_the_vocabulary_is_not_rendered() -> None:
    with pytest.raises(KeyError, match="air_temp"):
        wire.result(("air_temp", 1, 0, "", "", ()))


@given(
    rssi_dbm=st.none() | st.integers(-150, 20),
    quarters=st.none() | st.integers(-128, 127),
    frame_counter=st.none() | st.integers(0, 2**32 - 1),
    copies=st.integers(1, 1000),
    lora=st.none() | st.tuples(st.integers(5, 12), st.integers(1, 10**10)),
)
def test_a_link_names_what_is_known_and_no_more(
    rssi_dbm: int | None,
    quarters: int | None,
    frame_counter: int | None,
    copies: int,
    lora: tuple[int, int] | None,
) -> None:
    spreading_factor, frequency_hz = lora or (None, None)
    snr_db = None if quarters is None else quarters / 4
    expected: dict[str, object] = {
        "medium": "lora",
        "rssi": rssi_dbm,
        "snr": None if quarters is None else "@",
        "frameCounter": frame_counter,
        "spreadingFactor": spreading_factor,
        "frequencyHz": frequency_hz,
        "copies": copies if copies != 1 else None,
    }
    known = {key: value for key, value in expected.items() if value is not None}
    number = "" if quarters is None else _reference_decimal(25 * quarters, 2)
    rendered = wire.link(
        "lora", rssi_dbm, snr_db, frame_counter, copies, spreading_factor, frequency_hz
    )
    assert rendered == _reference(known, number)


def test_an_observation_is_its_head_its_time_and_its_tail() -> None:
    head = wire.observation_head(48211, "urn:dev:mac:a4c138fffe1b2c3d")
    results = (
        ("air_temperature", 2134, 2, "", "", ()),
        ("relative_humidity", 5420, 2, "", "", ()),
    )
    tail = wire.observation_tail(results, wire.link("ble", -71, None, None, 3))
    dated = _parsed(head + wire.time_exact(1795315200123, "exact") + tail)
    undated = _parsed(head + wire.time_unknown("b-1", 123) + tail)
    assert " ".join(dated) == "seq device phenomenonTime timeQuality results link"
    assert dated["phenomenonTime"] == "2026-11-22T02:40:00.123Z"
    assert [result["result"] for result in dated["results"]] == [Decimal("21.34"), Decimal("54.2")]
    assert dated["link"] == {"medium": "ble", "rssi": -71, "copies": 3}
    assert undated["timeQuality"] == "unknown"
    assert (undated["boot"], undated["uptimeMs"]) == ("b-1", 123)
    assert "phenomenonTime" not in undated


# ----------------------------------------------------------------------------------------- bundles
@pytest.mark.parametrize(
    ("max_error_ms", "clock"),
    [(18, {"state": "synced", "maxErrorMs": 18}), (None, {"state": "synced"})],
)
def test_a_bundle_is_its_head_and_its_observations(
    max_error_ms: int | None, clock: dict[str, object]
) -> None:
    head = wire.bundle_head("kiel", "gw-1", "01K", "routine", "synced", max_error_ms)
    assert wire.bundle(head, ['{"seq":1}', '{"seq":2}']) == _reference(
        {
            "schema": "ugw.observations/1",
            "org": "kiel",
            "gateway": "gw-1",
            "stream": "01K",
            "class": "routine",
            "clock": clock,
            "observations": [{"seq": 1}, {"seq": 2}],
        }
    )


# ---------------------------------------------------------------------------------- other messages
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.lists(st.tuples(st.text(), inner)).map(tuple),
    max_leaves=8,
)


def _value(value: object) -> object:
    """Turn a list into Items, a tuple of pairs into Fields."""
    if isinstance(value, list):
        return document.Items(*map(_value, value))
    if isinstance(value, tuple):
        return document.Fields(*((key, _value(inner)) for key, inner in value))
    return value


@given(pairs=st.lists(st.tuples(st.text(), JSON)))
def test_a_document_keeps_its_fields_in_their_order(pairs: list[tuple[str, object]]) -> None:
    text = document.render([(key, _value(value)) for key, value in pairs])
    assert json.loads(text, object_pairs_hook=tuple) == tuple(pairs)


@given(mantissa=INTEGERS, scale=SCALES)
def test_a_document_takes_exact_decimals_and_rendered_parts(mantissa: int, scale: int) -> None:
    pairs = (("d", document.Decimal(mantissa, scale)), ("r", document.Rendered('[{"a":1}]')))
    number = _reference_decimal(mantissa, scale)
    assert document.render(pairs) == f'{{"d":{number},"r":[{{"a":1}}]}}'


@pytest.mark.parametrize("value", [1.5, b"bytes", {"a": 1}, [1], object()])
def test_a_value_without_a_canonical_form_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="no canonical JSON"):
        document.render((("key", value),))


# -------------------------------------------------------------------------------------------- time
def _assert_rfc3339(unix_ms: int) -> None:
    expected = EPOCH + timedelta(milliseconds=unix_ms)
    text = expected.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert wire.rfc3339_ms(unix_ms) == text


@given(unix_ms=st.integers(-62135596800000, 253402300799999))
@example(unix_ms=951782400000)  # 29 February 2000
@example(unix_ms=4107542400000)  # 1 March 2100, no leap year
def test_a_time_is_what_datetime_says(unix_ms: int) -> None:
    _assert_rfc3339(unix_ms)


def test_every_day_of_a_whole_era_of_the_calendar_has_its_date() -> None:
    day_ms = 86_400_000
    for day in range(-1000, 146_097):
        assert (
            wire.rfc3339_ms(day * day_ms)[:10] == (EPOCH + timedelta(days=day)).date().isoformat()
        )


@given(times=st.lists(st.integers(1_795_315_198_000, 1_795_315_202_000), max_size=20))
def test_times_in_any_order_do_not_disturb_each_other(times: Sequence[int]) -> None:
    for unix_ms in times:
        _assert_rfc3339(unix_ms)
