"""`ugw flash bundle`: everything an installer takes along, made where the secrets are."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from gateway.cli.terminal import note
from gateway.config.quantities import duration_ns
from gateway.version import __version__
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.ledger import utc
from ugw_flash.batch.results import Results
from ugw_flash.batch.sheet import read_sheet
from ugw_flash.bundle.contents import (
    CLAIMS,
    MATERIALS,
    NAME,
    RESULTS,
    SCHEMA,
    SHEET,
    SIGNATURE,
    Contents,
    check,
    digests,
    is_bundle,
)
from ugw_flash.bundle.packing import Packed, pack
from ugw_flash.bundle.readme import readme
from ugw_flash.bundle.sources import esptool_source
from ugw_flash.commands.answers import answer, answering
from ugw_flash.commands.options import DryRunOption, JsonOption
from ugw_flash.commands.updates import private_key
from ugw_flash.outcome import BadMaterialError, NotWrittenError, RefusedError
from ugw_flash.updates.signing import sign
from ugw_flash.web import esp_web_tools

_NS: Final = 1_000_000_000
_REMEDY: Final = "nothing is ever replaced: remove it, or name another folder"


def bundle(  # noqa: PLR0913 - options of a command
    sheet: Annotated[Path, typer.Argument(metavar="SHEET", help="The sheet of the gateways.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The bundle to make.")],
    *,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", "-p", metavar="FILE", help="For rows that name none."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="Sign it, with a key of ugw flash keygen."),
    ] = None,
    valid: Annotated[str, typer.Option(metavar="TIME", help="How long it may be used.")] = "30d",
    web_tools: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="ESP Web Tools, as `npm pack esp-web-tools` has it."),
    ] = None,
    esptool: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="esptool's source, as PyPI has it; it goes along."),
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a bundle: all that the gateways of a sheet need, to work from without a network.

    Every row is rendered and proved first. Variables become files, keys that the authority of the
    office issues are made now, claims too; the authority itself stays here. FOLDER is for its
    owner alone: it has secrets in it. Images and firmware are not ours to hand on: the bundle says
    which files belong into its folder materials, and checks them before they are used.

    [bold]Examples[/bold]

        ugw flash bundle sites.csv kiel-north --key update.key

        ugw flash batch kiel-north/sites.csv --signed-by update.key.pub
    """
    with answering(as_json=as_json):
        if os.path.lexists(folder):
            cause = f"{folder} is there already"
            raise RefusedError(cause, _REMEDY)
        private = None if key is None else private_key(key)
        read = read_sheet(sheet)
        desk = Desk.here(rehearsal=dry_run)
        packed = pack(read, profile, desk, Claims.beside(read), Results.beside(read))
        files = {**packed.files, **_extras(web_tools, esptool)}
        expires_s = _expires_s(valid, desk.now_s)
        if not dry_run:
            contents = _contents(files, packed, desk.now_s, expires_s)
            files["README.txt"] = readme(contents).encode()
            contents = msgspec.structs.replace(contents, files=digests(_signed_part(files)))
            files[NAME] = contents.render()
            if private is not None:
                files[SIGNATURE] = sign(private, files[NAME])
            write(files, folder)
        facts = {
            "dryRun": dry_run,
            "folder": str(folder),
            "gateways": list(packed.gateways),
            "files": len(files),
            "signed": private is not None,
            "expires": utc(expires_s),
            "materials": [msgspec.to_builtins(each) for each in packed.materials],
        }
        answer(facts, as_json=as_json, text=_sentences(folder, packed, facts))


def check_bundle(folder: Path, signed_by: Path | None, *, as_json: bool) -> None:
    """Look at all of the bundle that a sheet lies in, before anything is made of it.

    Raises BadMaterialError; also where a signature is asked for and there is no bundle to sign.
    """
    if not is_bundle(folder):
        if signed_by is not None:
            cause = (
                f"{folder.absolute()} is no bundle, or not any more, so that nobody has signed it"
            )
            raise BadMaterialError(cause, "--signed-by is for the sheet in a bundle")
        return
    check(folder, int(time.time()), signed_by)
    if signed_by is None and not as_json:
        note(f"{folder.absolute()}: nobody says who made this bundle (--signed-by does)")


def _extras(web_tools: Path | None, esptool: Path | None) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    if web_tools is not None:
        found = esp_web_tools.read_package(web_tools)
        files |= {f"{esp_web_tools.FOLDER}/{name}": content for name, content in found.items()}
    if esptool is not None:
        files[f"esptool/{esptool.name}"] = esptool_source(esptool)
    return files


def _expires_s(valid: str, now_s: int) -> int:
    try:
        return now_s + duration_ns(valid) // _NS
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--valid") from None


def _contents(files: Mapping[str, bytes], packed: Packed, now_s: int, expires_s: int) -> Contents:
    return Contents(
        schema=SCHEMA,
        made_by=f"ugw {__version__}",
        made_at_s=now_s,
        expires_s=expires_s,
        gateways=packed.gateways,
        materials=packed.materials,
        files=digests(_signed_part(files)),
    )


def _signed_part(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what stays as it is: claims and results are added while a bundle is used."""
    return {name: content for name, content in files.items() if name not in (CLAIMS, RESULTS)}


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write it for its owner alone; it has its name once it is whole. Raises NotWrittenError."""
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    try:
        if unfinished.exists():
            shutil.rmtree(unfinished)
        (unfinished / MATERIALS).mkdir(mode=0o700, parents=True)
        for name, content in files.items():
            path = unfinished / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(content)
        unfinished.chmod(0o700)
        unfinished.rename(folder)
    except OSError as error:
        cause = f"{folder} cannot be written: {error.strerror}"
        raise NotWrittenError(cause, f"nothing is left but {unfinished}") from None


def _sentences(folder: Path, packed: Packed, facts: Mapping[str, object]) -> str:
    done = "would be made" if facts["dryRun"] else "is made"
    signed = "signed" if facts["signed"] else "not signed (--key signs it)"
    until = f"usable until {facts['expires']}"
    lines = [f"{folder} {done}: {len(packed.gateways)} gateways, {signed}, {until}."]
    lines += [
        f"Put {each.name} (SHA-256 {each.sha256}) into {folder / MATERIALS}."
        for each in packed.materials
    ]
    by = " --signed-by FILE, the public key" if facts["signed"] else ""
    lines.append(f"Labels: ugw flash label {folder / SHEET} --pdf labels.pdf")
    lines.append(f"On site: ugw flash batch {folder / SHEET}{by}")
    return "\n".join(lines)
