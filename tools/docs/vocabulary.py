"""The page of the vocabulary, from its table."""

import csv
from collections.abc import Iterator
from pathlib import Path

import gateway.core
from tools.docs.markup import page as put_together
from tools.docs.markup import table

SOURCE = "gateway/core/vocabulary.csv"
COLUMNS = ("property", "id", "unit", "type", "plausible", "statistic", "meaning", "German")
INTRODUCTION = """\
What a result may be called (`observedProperty`), and the one unit it then has. Names and units
never change their meaning; a new meaning is a new name; ids are only appended
([0006](../decisions/0006-one-vocabulary-with-fixed-units.md)).

- **unit**: UCUM, case-sensitive; `1` for counts, states and texts. Percent is 0 to 100.
- **plausible**: a value outside is kept, with quality `bad` and the flag `out_of_range`.
- **statistic**: over the time since the observation before. `counter` only rises, unless the
  device restarts or wraps around; `state` and `event` are no quantities.
- A second probe, an axis or a phase is the `channel` of a result, not another property.

A name that begins with `x_` is a diagnostic outside the vocabulary: any type, unit `1`.

The table in `gateway/core/vocabulary.csv` also has each property's counterpart in other
vocabularies (SenML, UN/CEFACT, Home Assistant, BTHome, smart data models, SensorThings, The
Things Network). No output of this version uses them."""


def page() -> str:
    """Return the page."""
    return put_together("Vocabulary", SOURCE, _parts())


def _parts() -> Iterator[str]:
    rows = _rows()
    yield f"{len(rows)} properties. {INTRODUCTION}"
    for group in dict.fromkeys(row["group"] for row in rows):
        yield f"## {group.replace('_', ' ').capitalize()}"
        yield table(COLUMNS, [_cells(row) for row in rows if row["group"] == group])


def _rows() -> list[dict[str, str]]:
    source = Path(gateway.core.__path__[0]) / "vocabulary.csv"
    with source.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def _cells(row: dict[str, str]) -> tuple[str, ...]:
    has_limits = row["min"] or row["max"]
    return (
        f"`{row['name']}`",
        row["id"],
        f"`{row['ucum']}`",
        row["type"],
        f"{row['min'] or '...'} to {row['max'] or '...'}" if has_limits else "",
        row["statistic"],
        row["definition"],
        row["label_de"],
    )
