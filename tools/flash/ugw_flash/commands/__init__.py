"""The commands of `ugw flash`, one module each.

What goes wrong ends as a UgwError with its remedy, which `ugw` turns into a message and an exit
code. Data on standard output, talk on standard error.
"""

import typer

from ugw_flash.commands import (
    batch,
    bundle,
    doctor,
    esp32,
    files,
    label,
    listing,
    pi,
    report,
    seed,
    updates,
    verify,
    web,
)

app = typer.Typer(
    name="flash",
    help="Make gateways: cards and boards, from blank to a green light, and updates for boards.",
    no_args_is_help=True,
)
app.command("list")(listing.list_devices)
app.command()(pi.pi)
app.command()(esp32.esp32)
app.command()(batch.batch)
app.command()(seed.seed)
app.command()(verify.verify)
app.command()(label.label)
app.command()(report.report)
app.command()(bundle.bundle)
app.command()(web.web)
app.command()(doctor.doctor)
app.command()(files.files)
app.command()(updates.keygen)
app.command()(updates.release)
app.command()(updates.show)
app.command()(updates.publish)
