"""`ugw simulate list`: what there is to put into a scenario."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

import typer

from gateway.cli.terminal import print_json, show, table
from gateway.config import Section

Rows = Sequence[Mapping[str, str | list[str]]]


class Kind(StrEnum):
    """What is listed."""

    MODELS = "models"
    FAULTS = "faults"
    EXPECTATIONS = "expectations"
    SCENARIOS = "scenarios"


def listing(
    kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List sensor models, faults, expectations or the scenarios that come with ugw.

    What each takes stands in docs/reference/simulator.md.

    [bold]Examples[/bold]

      ugw simulate list models
      ugw simulate list faults --json
    """
    rows = _LISTS[kind]()
    if as_json:
        print_json(rows)
        return
    headings = list(rows[0]) if rows else []
    show(table([name.upper() for name in headings], [_cells(row) for row in rows]))


def _cells(row: Mapping[str, str | list[str]]) -> list[str]:
    return [_cell(value) for value in row.values()]


def _cell(value: str | list[str]) -> str:
    return ", ".join(value) if isinstance(value, list) else value


def _keys(arguments: type[Section]) -> list[str]:
    """Return what may stand in YAML."""
    return [field.alias or name for name, field in arguments.model_fields.items()]


def _models() -> Rows:
    from gateway.sim.models import MODELS  # noqa: PLC0415 - all drivers' formats: only here

    return [
        {
            "model": name,
            "medium": "lora" if model.medium == "lora" else "ble",
            "measures": list(model.measures),
            "what": model.title,
        }
        for name, model in sorted(MODELS.items())
    ]


def _faults() -> Rows:
    from gateway.sim.verbs import VERBS  # noqa: PLC0415 - as above

    return [
        {
            "fault": verb.name,
            "levels": sorted(verb.levels),
            "takes": _keys(verb.Arguments),
            "what": verb.title,
        }
        for verb in VERBS.values()
    ]


def _expectations() -> Rows:
    from gateway.sim.expectations import EXPECTATIONS  # noqa: PLC0415 - as above

    return [
        {
            "expectation": each.name,
            "levels": sorted(each.levels),
            "takes": _keys(each.Arguments),
            "what": each.title,
        }
        for each in EXPECTATIONS.values()
    ]


def _scenarios() -> Rows:
    from gateway.sim.scenario import load_scenario, shipped  # noqa: PLC0415 - as above

    found = {name: load_scenario(path) for name, path in sorted(shipped().items())}
    return [
        {"scenario": name, "levels": sorted(each.levels), "what": each.name}
        for name, each in found.items()
    ]


_LISTS: Final[Mapping[Kind, Callable[[], Rows]]] = {
    Kind.MODELS: _models,
    Kind.FAULTS: _faults,
    Kind.EXPECTATIONS: _expectations,
    Kind.SCENARIOS: _scenarios,
}
