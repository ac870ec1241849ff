"""`ugw simulate`: a scenario played, what there is to play with, a fleet, and whether it can run.

`ugw simulate FILE` is the usual case, so FILE stands where other commands have their verb; a file
that is named like one of the verbs is written ./list.
"""

from typing import Any, Final

import typer
from typer.core import TyperGroup

from gateway.cli.simulate.doctor import doctor
from gateway.cli.simulate.listing import listing
from gateway.cli.simulate.play import play
from gateway.cli.simulate_fleet import fleet

_USUAL: Final = "play"
_HELP: Final = ("-h", "--help")


class _UsuallyPlay(TyperGroup):
    """Takes what is not one of its commands for the file of a scenario."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps its type private
        """Put the usual command in front, unless one is named or help is asked for."""
        if args and args[0] not in self.commands and args[0] not in _HELP:
            args = [_USUAL, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="simulate",
    cls=_UsuallyPlay,
    no_args_is_help=True,
    help="Play a scenario: `ugw simulate FILE` is short for `ugw simulate play FILE`.\n\n"
    "Simulated sensors, radios, modems, brokers, networks and disks, and what goes wrong with"
    " them.",
)
app.command(_USUAL)(play)
app.command("list")(listing)
app.command()(fleet)
app.command()(doctor)
