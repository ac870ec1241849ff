"""Options that several commands of `ugw flash` share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.core.identity import is_slug
from ugw_flash.esp32.site import SOFTWARE

__all__ = [
    "SOFTWARE",
    "AllowDiskOption",
    "BoardConfigOption",
    "DryRunOption",
    "EsptoolOption",
    "GatewayOption",
    "IKnowOption",
    "JsonOption",
    "NameOption",
    "NumberOption",
    "ProfileOption",
    "ReportOption",
    "SignedByOption",
    "YesOption",
    "gateway_id",
]

BoardConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The board's configuration.")
]
NumberOption = Annotated[
    int | None,
    typer.Option(min=1, help="Higher than that of what runs; by default the Unix time."),
]
NameOption = Annotated[
    str, typer.Option(help="What status calls the software; with what tells it apart.")
]
ReportOption = Annotated[bool, typer.Option("--report", help="Print the size of each file.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="The result as JSON on standard output, for programs.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check, say what would be done, write nothing.")
]


def gateway_id(text: str | None) -> str | None:
    """Return an id of a gateway, where one was given. Raises BadParameter for what is none."""
    if text is None or is_slug(text):
        return text
    cause = f"{text!r} is no id of a gateway: a-z, 0-9 and - are possible, as in gw-17"
    raise typer.BadParameter(cause)


GatewayOption = Annotated[
    str,
    typer.Option("--gateway", metavar="ID", help="Which gateway it becomes.", callback=gateway_id),
]
ProfileOption = Annotated[
    Path,
    typer.Option(
        "--profile", "-p", metavar="FILE", help="What such gateways have in common (profile.yaml)."
    ),
]
AllowDiskOption = Annotated[
    str | None,
    typer.Option(
        "--allow-disk", metavar="SERIAL", help="This very disk is meant (ugw flash list shows it)."
    ),
]
IKnowOption = Annotated[
    bool, typer.Option("--i-know", help="With --allow-disk: also one that is not clearly a card.")
]
EsptoolOption = Annotated[
    Path | None,
    typer.Option("--esptool", metavar="FILE", help="esptool 5, where it is not found by itself."),
]
SignedByOption = Annotated[
    Path | None,
    typer.Option(
        "--signed-by", metavar="FILE", help="The public key of who has to have signed the bundle."
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask: for a card that appears when asked for.")
]
