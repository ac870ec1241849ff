"""`ugw drivers new`: the two files that a new driver begins with."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.cli.terminal import facts, show
from gateway.conformance import template
from gateway.core.identity import is_slug

Kind = Literal["ble", "lora", "modem", "polled"]


def new(
    model: Annotated[str, typer.Argument(metavar="NAME", help="Its MODEL: a-z, 0-9 and -.")],
    *,
    kind: Annotated[
        Kind,
        typer.Option(
            "--kind",
            help="What it reads: advertisements, LoRa payloads, a serial modem's line, or a"
            " Bluetooth device that is connected to.",
        ),
    ] = "ble",
    directory: Annotated[
        Path, typer.Option("--directory", metavar="FOLDER", help="Where the files go.")
    ] = Path(),
) -> None:
    """Begin a driver: a module that works, and examples that it is tested with.

    The two files pass `ugw drivers test` as they are. Change the layout in the module, the
    examples beside it, and test again.

    [bold]Examples[/bold]

      ugw drivers new acme-x1
      ugw drivers new acme-node --kind lora --directory /etc/ugw/drivers
    """
    if not is_slug(model):
        message = "a-z, 0-9 and - are possible"
        raise typer.BadParameter(message, param_hint="NAME")
    module, examples = template.write(model, kind, directory)
    show(facts([(str(module), "the driver"), (str(examples), "what it is tested with")]))
    print(f"\nNext: ugw drivers test {module}")
