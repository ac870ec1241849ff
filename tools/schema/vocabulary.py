"""What the vocabulary's table demands of results: names, units, types, plausible values."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from tools.schema.forms import SLUG, Form, Schema

TABLE: Final = Path(__file__).resolve().parents[2] / "gateway" / "core" / "vocabulary.csv"
_NAME: Final = "[a-z][a-z0-9_]{0,63}"
_DIAGNOSTIC: Final = "x_[a-z0-9_]{1,62}"  # a name outside the vocabulary
_DIAGNOSTIC_UNIT: Final = "1"
_SIMPLE: Final = ["number", "boolean", "string", "null"]


class Demand(NamedTuple):
    """What several properties have in common. A limit is empty where the value has none."""

    unit: str
    type: str = ""
    minimum: str = ""
    maximum: str = ""


def _rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


_ROWS: Final = _rows()
NAMES: Final = [row["name"] for row in _ROWS]
# The configuration has a word more than the vocabulary.
STATISTICS: Final = sorted({row["statistic"] for row in _ROWS} | {"min"})


def property_name(form: Form) -> Schema:
    """Name an observed property; the vocabulary may grow."""
    if form is Form.OPEN:
        return {"type": "string", "pattern": f"^{_NAME}$"}
    return {"anyOf": [{"enum": NAMES}, {"type": "string", "pattern": f"^{_DIAGNOSTIC}$"}]}


def units(form: Form) -> Schema:
    """Fix the unit of every property: a consumer rejects another one."""
    return {"allOf": [*_by_name(form, "ucum"), *_diagnostics(form)]}


def results(form: Form) -> Schema:
    """Fix unit and type of every property; in the strict form, say what is plausible too."""
    columns = ("ucum", "type") if form is Form.OPEN else ("ucum", "type", "min", "max")
    return {"allOf": [*_by_name(form, *columns), *_diagnostics(form)]}


def _by_name(form: Form, *columns: str) -> Iterable[Schema]:
    groups: defaultdict[Demand, list[str]] = defaultdict(list)
    for row in _ROWS:
        groups[Demand(*(row[column] for column in columns))].append(row["name"])
    for demand, names in groups.items():
        named = {"properties": {"observedProperty": {"enum": names}}}
        yield {"if": {**named, "required": ["observedProperty"]}, "then": _demanded(demand, form)}


def _demanded(demand: Demand, form: Form) -> Schema:
    unit = {"unit": {"const": demand.unit}}
    if not demand.type:
        return {"properties": unit}
    fixed = {**unit, "result": {"type": [demand.type, "null"]}}
    return {"properties": fixed, **(_plausible(demand) if form is Form.STRICT else {})}


def _plausible(demand: Demand) -> Schema:
    given = (("minimum", demand.minimum), ("maximum", demand.maximum))
    limits = {keyword: _number(limit) for keyword, limit in given if limit}
    if not limits:
        return {"$ref": "#/$defs/inRange"}
    return {
        "if": {"properties": {"result": limits}},
        "then": {"$ref": "#/$defs/inRange"},
        "else": {"$ref": "#/$defs/outOfRange"},
    }


_MARKED: Final[Schema] = {"contains": {"const": "out_of_range"}}
RANGES: Final[Schema] = {
    "inRange": {
        "description": "A plausible value, or one that has no limits.",
        "properties": {"flags": {"not": _MARKED}},
    },
    "outOfRange": {
        "description": "A value that is not plausible is kept, and marked.",
        "properties": {"quality": {"const": "bad"}, "flags": _MARKED},
        "required": ["quality", "flags"],
    },
}


def _number(limit: str) -> int | float:
    exact = Decimal(limit)
    return int(exact) if exact == int(exact) else float(exact)


def _diagnostics(form: Form) -> Iterable[Schema]:
    if form is Form.STRICT:  # somebody else's gateway may know a better unit
        named = {"properties": {"observedProperty": {"pattern": "^x_"}}}
        unit = {"properties": {"unit": {"const": _DIAGNOSTIC_UNIT}}}
        yield {"if": {**named, "required": ["observedProperty"]}, "then": unit}


def state_values(form: Form) -> Schema:
    """Say what the values of a device's state may be, by their keys."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for row in _ROWS:
        groups[row["type"]].append(row["name"])
    typed = {"|".join(names): [kind, "null"] for kind, names in groups.items()}
    patterns = {
        f"^({names})(\\.{SLUG})?$": {"type": types}
        for names, types in {**typed, _DIAGNOSTIC: _SIMPLE}.items()
    }
    others = False if form is Form.STRICT else {"type": _SIMPLE}
    return {"patternProperties": patterns, "additionalProperties": others}
