"""The vocabulary answers from what its table says, and the table keeps its promises."""

import csv
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import terms, vocabulary, wire

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/vocabulary"
CSV = ROOT / "gateway/core/vocabulary.csv"
with CSV.open(encoding="utf-8", newline="") as _stream:
    ROWS = list(csv.DictReader(_stream, strict=True))
BY_NAME = {row["name"]: row for row in ROWS}
NUMERIC = [row for row in ROWS if row["type"] in {"number", "integer"}]
STATISTICS = {"instant", "mean", "max", "sum", "leq", "counter", "count", "state", "event"}


def test_the_generated_table_is_that_of_the_csv() -> None:
    ended = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_stale_table_is_told_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "gateway/core").mkdir(parents=True)
    tool = tmp_path / "tools/vocabulary"
    tool.write_text(TOOL.read_text())
    table = CSV.read_text(encoding="utf-8").replace(",Cel,-40,60,", ",Cel,-40,61,", 1)
    (tmp_path / "gateway/core/vocabulary.csv").write_text(table, encoding="utf-8")
    (tmp_path / "gateway/core/properties.py").write_bytes(
        (ROOT / "gateway/core/properties.py").read_bytes()
    )
    check: list[str | Path] = [sys.executable, tool, "--check"]
    ended = subprocess.run(check, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "properties.py is stale: run tools/vocabulary\n"
    subprocess.run(check[:2], check=True)
    assert subprocess.run(check, check=False).returncode == 0


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_each_property_is_looked_up_as_it_stands_in_the_table(row: dict[str, str]) -> None:
    found = vocabulary.lookup(row["name"])
    assert (str(found.id), found.unit, found.type) == (row["id"], row["ucum"], row["type"])
    for limit, text in ((found.minimum, row["min"]), (found.maximum, row["max"])):
        assert (limit is None) == (text == "")
        if limit is not None:
            assert Decimal(limit[0]).scaleb(-limit[1]) == Decimal(text)
    assert terms.known(row["name"])
    assert vocabulary.unit(row["name"]) == row["ucum"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_each_property_is_fit_to_be_published(row: dict[str, str]) -> None:
    assert row["label_de"]
    assert row["definition"]
    assert row["ucum"]
    assert row["statistic"] in STATISTICS
    assert row["ha_component"] == ("binary_sensor" if row["type"] == "boolean" else "sensor")
    assert not row["name"].startswith("x_")
    assert terms.known("x_" + row["name"])  # the name is a token
    assert wire.quote(row["ucum"]) == f'"{row["ucum"]}"'  # wire renders units without looking
    if row["min"] and row["max"]:
        assert Decimal(row["min"]) < Decimal(row["max"])


def test_ids_and_names_are_unique_and_ids_only_appended() -> None:
    ids = [int(row["id"]) for row in ROWS]
    assert ids == sorted(set(ids))
    assert len(BY_NAME) == len(ROWS)


@given(name=st.text())
def test_any_other_name_is_unknown(name: str) -> None:
    if name not in BY_NAME:
        assert not terms.known(name)
        with pytest.raises(KeyError):
            vocabulary.lookup(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "\n", "air_temp", "air_temperature 1", "1", "-", "x_", "x_Ä", "x_" + "a" * 63],
)
def test_what_only_resembles_a_name_is_unknown(name: str) -> None:
    assert not terms.known(name)


@given(
    row=st.sampled_from(NUMERIC), value=st.integers(-(10**14), 10**14), scale=st.integers(-5, 12)
)
def test_a_number_is_in_range_as_exact_arithmetic_says(
    row: dict[str, str], value: int, scale: int
) -> None:
    number = Decimal(value).scaleb(-scale)
    low, high = (Decimal(row[limit] or sign) for limit, sign in (("min", "-inf"), ("max", "inf")))
    assert vocabulary.in_range(row["name"], value, scale) == (low <= number <= high)


@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row["name"])
def test_a_coarse_number_is_in_range_if_it_lies_within_though_the_limit_lies_between_two(
    row: dict[str, str],
) -> None:
    low, high = (Decimal(row[limit] or sign) for limit, sign in (("min", "-inf"), ("max", "inf")))
    for limit in filter(Decimal.is_finite, (low, high)):
        for scale in range(-6, 0):
            nearest = int(limit.scaleb(scale))
            for value in range(nearest - 2, nearest + 3):
                number = Decimal(value).scaleb(-scale)
                plausible = vocabulary.in_range(row["name"], value, scale)
                assert plausible == (low <= number <= high)


@given(row=st.sampled_from(NUMERIC), steps=st.integers(-1, 1), scale=st.integers(0, 9))
def test_the_limits_themselves_are_in_range_and_the_next_step_is_not(
    row: dict[str, str], steps: int, scale: int
) -> None:
    for limit, outward in (("min", -1), ("max", 1)):
        if row[limit]:
            value = int(Decimal(row[limit]).scaleb(scale)) + steps
            in_range = vocabulary.in_range(row["name"], value, scale)
            assert in_range == (steps != outward)


@given(
    row=st.sampled_from(ROWS),
    value=st.none() | st.booleans() | st.text() | st.integers(),
    scale=st.integers(-3, 3),
)
def test_a_value_fits_the_type_of_its_property(
    row: dict[str, str], value: int | str | None, scale: int
) -> None:
    types = {
        type(None): {"number", "integer", "boolean", "string"},
        bool: {"boolean"},
        str: {"string"},
        int: {"number", "integer"},
    }[type(value)]
    if type(value) is int and Fraction(value) * Fraction(10) ** -scale % 1:
        types = {"number"}
    assert terms.fits(row["name"], value, scale) == (row["type"] in types)


@pytest.mark.parametrize("value", [None, True, "text", 10**30])
def test_a_name_of_ones_own_may_hold_anything(value: int | str | None) -> None:
    assert terms.known("x_own")
    assert vocabulary.unit("x_own") == "1"
    assert terms.fits("x_own", value, 2)
    assert vocabulary.in_range("x_own", value, 2)


@pytest.mark.parametrize("value", [None, True, False, "text"])
def test_what_is_no_number_is_not_out_of_range(value: int | str | None) -> None:
    assert vocabulary.in_range("co2", value, 0)  # whose least plausible value is 300
