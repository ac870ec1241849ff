"""`ugw sensors`: what the agent that runs here hears of the sensors it lists."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from gateway.cli import local_agent
from gateway.cli.configuration import DEFAULT, ConfigOption, JsonOption, agent_of
from gateway.cli.local_agent import Sensor, Sensors, Value
from gateway.cli.readings import labelled, span, value_text
from gateway.cli.signs import signal
from gateway.cli.terminal import Cell, facts, print_json, show, table
from gateway.config.explain import did_you_mean
from gateway.config.findings import printable, quoted
from gateway.errors import UgwError

app = typer.Typer(
    name="sensors",
    help="Show what the agent that runs here hears of its sensors.",
    no_args_is_help=True,
)


@app.command("list")
def list_(config: ConfigOption = DEFAULT, *, as_json: JsonOption = False) -> None:
    """List the sensors: when each was heard last, its signal, and what it said.

    A sensor is silent when nothing was heard of it for three expected intervals. Ends with 1 if
    no agent is running.

    [bold]Examples[/bold]

      ugw sensors list
      ugw sensors list --json | jq '.sensors[] | select(.silent)'
    """
    sensors, raw = _ask(config)
    if as_json:
        print_json(raw)
        return
    headings = ("sensor", "heard", "signal", "values")
    show(table(headings, map(_row, sensors)))
    silent = sum(sensor.silent for sensor in sensors)
    unheard = sum(sensor.last_heard_ago_s is None for sensor in sensors)
    print(f"\n{len(sensors)} sensors, {silent} silent, {unheard} not heard yet")


@app.command("show")
def show_(
    sensor: Annotated[
        str,
        typer.Argument(metavar="ID", help="Its name, its address, or what messages call it."),
    ],
    config: ConfigOption = DEFAULT,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one sensor: what it is called, how well it is heard, its newest values.

    Ends with 1 if there is no such sensor, or no agent is running.

    [bold]Examples[/bold]

      ugw sensors show Lessingplatz
      ugw sensors show C0:FF:EE:00:00:01
      ugw sensors show lora:17 --json | jq '.values'
    """
    sensors, raw = _ask(config)
    number = _find(sensors, sensor)
    if as_json:
        print_json(raw["sensors"][number])
    else:
        show(facts(_lines(sensors[number])))


def _ask(config: Path) -> tuple[list[Sensor], Any]:
    answer, raw = local_agent.ask(agent_of(config), "/sensors", Sensors)
    return answer.sensors, raw


def _find(sensors: list[Sensor], wanted: str) -> int:
    """Return which one is meant. Raises UgwError when none is, or several are."""
    exact = [number for number, each in enumerate(sensors) if wanted in _called(each)]
    folded = wanted.lower()
    found = exact or [
        number
        for number, each in enumerate(sensors)
        if folded in (called.lower() for called in _called(each))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        cause = f"{quoted(wanted)} are {len(found)} sensors"
        raise UgwError(cause, "name it by its address")
    names = [called for each in sensors for called in _called(each)]
    cause = f"there is no sensor {quoted(wanted)}{did_you_mean(wanted, names)}"
    raise UgwError(cause, "ugw sensors list")


def _called(sensor: Sensor) -> tuple[str, ...]:
    short = sensor.device.rpartition(":")[2]
    return tuple(filter(None, (sensor.name, sensor.address, sensor.device, short)))


def _heard(sensor: Sensor) -> Text:
    if sensor.last_heard_ago_s is None:
        return Text("not yet", "bold red" if sensor.silent else "dim")
    ago = f"{span(sensor.last_heard_ago_s)} ago"
    return Text(f"silent, {ago}", "bold red") if sensor.silent else Text(ago)


def _row(sensor: Sensor) -> tuple[Cell, ...]:
    values = ", ".join(_said(value) for value in sensor.values)
    return printable(sensor.name or sensor.address), _heard(sensor), signal(sensor.rssi), values


def _said(value: Value) -> str:
    return labelled(value.observed_property, value.channel, _shown(value), value.quality)


def _shown(value: Value) -> str:
    result = value.result
    if result is None:
        return "no value"
    if isinstance(result, bool):
        return "yes" if result else "no"
    return result if isinstance(result, str) else value_text(f"{result:.10g}", value.unit)


def _lines(sensor: Sensor) -> Iterator[tuple[str, Cell]]:
    if sensor.name:
        yield "name", sensor.name
    yield "address", sensor.address
    yield "in messages", sensor.device
    yield "class", sensor.klass
    yield "driver", sensor.driver or "found by what it sends"
    yield "heard", _heard(sensor)
    if sensor.expected_interval_s is not None:
        yield "expected", f"every {span(sensor.expected_interval_s)}"
    if sensor.rssi is not None:
        noise = "" if sensor.snr is None else f", {sensor.snr:g} dB above the noise"
        yield "signal", signal(sensor.rssi).append(noise)
    yield "observations", f"{sensor.observations} in this run"
    for number, value in enumerate(sensor.values):
        flags = f" ({', '.join(value.flags)})" if value.flags else ""
        yield "" if number else "values", f"{_said(value)}{flags}"
