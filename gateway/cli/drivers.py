"""`ugw drivers`: the sensors and modems that this installation understands."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from gateway.cli import driver_facts, drivers_examine, drivers_new, drivers_record
from gateway.cli.configuration import JsonOption, installed_drivers, quarantined
from gateway.cli.driver_facts import Facts
from gateway.cli.terminal import facts, note, print_json, show, table
from gateway.config.explain import did_you_mean
from gateway.config.findings import printable, quoted
from gateway.errors import DriverError
from gateway.registry import Registry

app = typer.Typer(
    name="drivers",
    help="List, show, make and test drivers of sensors and modems.",
    no_args_is_help=True,
)


def _models(incomplete: str) -> list[str]:
    """Complete a MODEL."""
    registry = installed_drivers()
    models = (*registry.models(), *registry.modems())
    return [model for model in models if model.startswith(incomplete)]


@app.command("list")
def list_(
    search: Annotated[
        str, typer.Argument(metavar="TEXT", help="Part of a device's or a driver's name.")
    ] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """List the drivers, and those that cannot be used; with TEXT, those for a device you have.

    A sensor is recognised by what it sends where its format says enough; else its configuration
    names the driver. Strength is what protects a frame from being taken for another: 0 nothing,
    1 structure, 2 a checksum, 3 authentication.

    [bold]Examples[/bold]

      ugw drivers list
      ugw drivers list rylr
      ugw drivers list --json | jq '.quarantined'
    """
    registry = installed_drivers()
    known = [each for each in _all(registry) if _is_meant(each, search.lower())]
    if as_json:
        more = {"quarantined": registry.quarantined, "missing": registry.missing}
        print_json({"drivers": msgspec.to_builtins(known), **msgspec.to_builtins(more)})
        return
    if search and not known:
        note(f"no driver is for {quoted(search)}; ugw drivers list shows all")
    elif search:
        show(table(("model", "medium", "for"), map(_devices_of, known)))
    else:
        headings = ("model", "medium", "strength", "from", "recognised by")
        show(table(headings, map(_row, known)))
    for broken in quarantined(registry):
        note(broken)


def _is_meant(each: Facts, search: str) -> bool:
    return any(search in name.lower() for name in (each.model, *each.devices))


def _devices_of(each: Facts) -> tuple[str, ...]:
    return each.model, each.medium, ", ".join(each.devices) or each.match


def _row(each: Facts) -> tuple[str, ...]:
    strength = "" if each.strength is None else str(each.strength)
    whose = "others" if each.foreign else "ugw"
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
        print_json({**known, **more, "examples": driver_facts.examples(loaded.file, loaded.model)})
        return
    print(printable(summary))
    print()
    show(facts(_lines(loaded, properties, registry)))
    if layout:
        print()
        show(Text(layout))


def _lines(loaded: Facts, properties: list[str], registry: Registry) -> Iterator[tuple[str, str]]:
    yield "model", loaded.model
    if loaded.devices:
        yield "for", ", ".join(loaded.devices)
    yield "medium", loaded.medium
    yield "recognised by", loaded.match
    if loaded.strength is not None:
        codec = registry.by_model(loaded.model)
        yield "strength", driver_facts.STRENGTHS[loaded.strength]
        yield "encryption", "AES-CCM, with the device's key" if codec.sealed else "none"
        yield "properties", ", ".join(properties)
        if loaded.unmapped:
            yield "not read", ", ".join(loaded.unmapped)
    else:
        yield "settings", ", ".join(registry.modem(loaded.model).settings)
    yield "file", loaded.file
    count = len(driver_facts.examples(loaded.file, loaded.model))
    yield "examples", f"{count} captured (--json shows them)"


def _all(registry: Registry) -> Iterator[Facts]:
    yield from (driver_facts.of_codec(registry.by_model(model)) for model in registry.models())
    yield from (driver_facts.of_modem(registry.modem(model)) for model in registry.modems())


def _find(registry: Registry, model: str) -> Facts:
    """Return one driver. Raises DriverError naming the closest there is."""
    if model in registry.modems():
        return driver_facts.of_modem(registry.modem(model))
    if model in registry.models() or model in registry.missing:
        return driver_facts.of_codec(registry.by_model(model))
    guess = did_you_mean(model, (*registry.models(), *registry.modems()))
    cause = f"there is no driver {quoted(model)}{guess}"
    raise DriverError(cause, "ugw drivers list")


# In the order of the help, after those above.
app.command("new")(drivers_new.new)
app.command("record")(drivers_record.record)
app.command("test")(drivers_examine.examine)
