"""The commands of `ugw flash`, one module each.

What goes wrong ends as a UgwError with its remedy, which `ugw` turns into a message and an exit
code. Data on standard output, talk on standard error.
"""

import typer

from ugw_flash.commands import files, updates

app = typer.Typer(
    name="flash",
    help="Make gateways: cards and boards, from blank to a green light, and updates for boards.",
    no_args_is_help=True,
)
app.command()(files.files)
app.command()(updates.keygen)
app.command()(updates.release)
app.command()(updates.show)
app.command()(updates.publish)
