"""`ugw flash web`: boards from a browser, for desks where nothing can be installed."""

import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.terminal import note
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.ledger import alone
from ugw_flash.batch.model import Row
from ugw_flash.batch.rendering import template_of
from ugw_flash.batch.results import Results
from ugw_flash.batch.row import claim_of, order_of
from ugw_flash.batch.sheet import Sheet, read_sheet
from ugw_flash.commands.bundle import check_bundle
from ugw_flash.commands.options import SignedByOption
from ugw_flash.esp32 import firmware as firmwares
from ugw_flash.esp32.board_work import check_material, plan_of
from ugw_flash.esp32.partitions import SECTOR
from ugw_flash.identity import Claim, short_code
from ugw_flash.outcome import BadMaterialError, RefusedError
from ugw_flash.profile import Opened, open_profile
from ugw_flash.web import esp_web_tools
from ugw_flash.web.page import Entry, Part
from ugw_flash.web.server import PORT, Image, Server, Site

_MB: Final = 1 << 20


def web(  # noqa: PLR0913 - options of a command
    sheet: Annotated[Path, typer.Argument(metavar="SHEET", help="The sheet of the gateways.")],
    *,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", "-p", metavar="FILE", help="For rows that name none."),
    ] = None,
    web_tools: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="ESP Web Tools, as `npm pack esp-web-tools` fetches it; a bundle may have it.",
        ),
    ] = None,
    flash_mb: Annotated[
        int | None,
        typer.Option("--flash-mb", min=1, help="Flash of the boards; by default the firmware's."),
    ] = None,
    signed_by: SignedByOption = None,
    listen_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0: any that is free.")
    ] = PORT,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Serve a page on this machine that writes boards from Chrome or Edge, over USB.

    Only this machine reaches it, and only who knows its address, which is new each time. It offers
    the rows whose profile is for boards. What a browser cannot do is left to `ugw flash esp32`: it
    asks no board whether it is locked, waits for no READY, and keeps no results.

    [bold]Example[/bold]

        ugw flash web kiel-north/sites.csv
    """
    read = read_sheet(sheet)
    desk = Desk.here()
    check_bundle(read.path.parent, signed_by, as_json=False)
    boards = dict(boards_of(read, profile))
    if not boards:
        cause = f"{sheet} has no row whose profile is for boards"
        raise BadMaterialError(cause, "ugw flash batch makes cards")
    maker = Maker(read, boards, desk, flash_mb)
    entries = {gateway: maker.entry(gateway) for gateway in boards}
    site = Site(entries, _tools(read, web_tools), maker.image)
    with Server(site, listen_port, say=_say) as server:
        note("what it serves has secrets in it; Ctrl-C ends it")
        print(server.url, flush=True)
        if browser:
            webbrowser.open(server.url)
        server.serve()


class Maker:
    """Makes the images of boards, when they are asked for."""

    def __init__(
        self,
        sheet: Sheet,
        boards: dict[str, tuple[Row, Opened]],
        desk: Desk,
        flash_mb: int | None,
    ) -> None:
        self._boards = boards
        self._desk = desk
        self._flash_mb = flash_mb
        self._sheet = sheet

    def entry(self, gateway: str) -> Entry:
        """Return what the page says of a board."""
        row, opened = self._boards[gateway]
        return Entry(gateway, row.name, row.site, short_code(template_of(opened).org, gateway))

    def image(self, gateway: str) -> Image:
        """Return all that is written to a board. Raises UgwError."""
        row, opened = self._boards[gateway]
        with alone(self._sheet.path):
            claim = self._claim(gateway, opened)
        order = order_of(row, opened, claim, self._desk)
        read = firmwares.read(order.firmware, order.sha256)
        check_material(order, read)
        flash_bytes = read.flash_bytes if self._flash_mb is None else self._flash_mb * _MB
        pieces = plan_of(order, read, flash_bytes).pieces
        # What the ROM starts goes first and comes last, as in `ugw flash esp32`.
        parts = [Part(pieces[-1].offset, b"\xff" * SECTOR)]
        parts += [Part(each.offset, each.content) for each in pieces]
        return Image(read.chip, order.software, tuple(parts))

    def _claim(self, gateway: str, opened: Opened) -> Claim | None:
        """Return the claim on the label, if it is good, else a new one; as the books are now."""
        results, claims = Results.beside(self._sheet), Claims.beside(self._sheet)
        made = results.made(gateway)
        if made is not None:
            cause = f"{gateway} was made already ({made.time}); a row is used once"
            raise RefusedError(cause, f"ugw flash batch --again --only {gateway} makes it anew")
        new, now_s = claim_of(opened, self._desk), self._desk.now_s
        return claims.usable_or(new, gateway, now_s, results.has_used, keep=True)


def boards_of(sheet: Sheet, default: Path | None) -> Iterator[tuple[str, tuple[Row, Opened]]]:
    """Yield the rows whose profile is for boards, by their gateways."""
    for row in sheet.rows:
        where = Path(row.profile) if row.profile else default
        opened = None if where is None else open_profile(where)
        if opened is not None and opened.profile.kind == "esp32":
            yield row.gateway, (row, opened)


def _tools(sheet: Sheet, package: Path | None) -> dict[str, bytes]:
    if package is not None:
        return esp_web_tools.read_package(package)
    found = esp_web_tools.read_folder(sheet.path.parent / esp_web_tools.FOLDER)
    if esp_web_tools.SCRIPT not in found:
        cause = "the page needs ESP Web Tools, and there is none beside the sheet"
        raise BadMaterialError(cause, "npm pack esp-web-tools; then say --web-tools FILE")
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr)
