"""`ugw drivers`: the sensors and modems that this installation understands."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from gateway.cli import driver_facts
from gateway.cli.configuration import JsonOption, installed_drivers
from gateway.cli.driver_facts import Facts
from gateway.cli.terminal import facts, note, print_json, show, table
from gateway.config.explain import did_you_mean
from gateway.config.findings import printable, quoted
from gateway.errors import DriverError
from gateway.registry import Registry

app = typer.Typer(
    name="drivers",
    help="List the sensors and modems that this installation understands.",
    no_args_is_help=True,
)


def _models(incomplete: str) -> list[str]:
    """Complete a MODEL."""
    registry = installed_drivers()
    models = (*registry.models(), *registry.modems())
    return [model for model in models if model.startswith(incomplete)]


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List the drivers, and those that cannot be used.

    A sensor is recognised by what it sends where its format says enough; else its configuration
    names the driver. Strength is what protects a frame from being taken for another: 0 nothing,
    1 structure, 2 a checksum, 3 authentication.

    [bold]Examples[/bold]

      ugw drivers list
      ugw drivers list --json | jq '.quarantined'
    """
    registry = installed_drivers()
    known = list(_all(registry))
    if as_json:
        quarantined = msgspec.to_builtins(registry.quarantined)
        print_json({"drivers": msgspec.to_builtins(known), "quarantined": quarantined})
        return
    headings = ("model", "medium", "strength", "from", "recognised by")
    show(table(headings, map(_row, known)))
    for broken in registry.quarantined:
        place = f"{broken.file}:{broken.line}: {broken.reason}"
        note(f"driver {broken.name} is not used: {printable(place)}")


def _row(each: Facts) -> tuple[str, ...]:
    strength = "" if each.strength is None else str(each.strength)
    whose = "a package" if each.foreign else "ugw"
    return each.model, each.medium, strength, whose, each.match


@app.command("show")
def show_(
    model: Annotated[str, typer.Argument(metavar="MODEL", autocompletion=_models)],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one driver: by what it recognises a sensor, what it reads, the layout of the bytes.

    With --json come the captured examples it is tested with.

    [bold]Examples[/bold]

      ugw drivers show bthome-v2
      ugw drivers show bthome-v2 --json | jq '.properties'
    """
    registry = installed_drivers()
    loaded = _find(registry, model)
    summary, layout = driver_facts.layout(loaded.file)
    properties = driver_facts.properties(loaded.file) if loaded.medium != "modem" else []
    if as_json:
        known = msgspec.to_builtins(loaded)
        more = {"summary": summary, "layout": layout, "properties": properties}
        print_json({**known, **more, "examples": driver_facts.examples(loaded.file)})
        return
    print(printable(summary))
    print()
    show(facts(_lines(loaded, properties, registry)))
    if layout:
        print()
        show(Text(layout))


def _lines(loaded: Facts, properties: list[str], registry: Registry) -> Iterator[tuple[str, str]]:
    yield "model", loaded.model
    yield "medium", loaded.medium
    yield "recognised by", loaded.match
    if loaded.strength is not None:
        codec = registry.by_model(loaded.model)
        yield "strength", driver_facts.STRENGTHS[loaded.strength]
        yield "encryption", "AES-CCM, with the device's key" if codec.sealed else "none"
        yield "properties", ", ".join(properties)
    else:
        yield "settings", ", ".join(registry.modem(loaded.model).settings)
    yield "file", loaded.file
    yield "examples", f"{len(driver_facts.examples(loaded.file))} captured (--json shows them)"


def _all(registry: Registry) -> Iterator[Facts]:
    yield from (driver_facts.of_codec(registry.by_model(model)) for model in registry.models())
    yield from (driver_facts.of_modem(registry.modem(model)) for model in registry.modems())


def _find(registry: Registry, model: str) -> Facts:
    """Return one driver. Raises DriverError naming the closest there is."""
    if model in registry.modems():
        return driver_facts.of_modem(registry.modem(model))
    if model in registry.models():
        return driver_facts.of_codec(registry.by_model(model))
    guess = did_you_mean(model, (*registry.models(), *registry.modems()))
    cause = f"there is no driver {quoted(model)}{guess}"
    raise DriverError(cause, "ugw drivers list")
