"""`ugw flash pi`: a card for a Raspberry Pi, from an image and a profile to a gateway's own.

Everything that needs no card is checked before one is asked for. What goes wrong ends as a
UgwError with its remedy, and says what state the card is in.
"""

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from ugw_flash.batch.desk import Desk
from ugw_flash.batch.row import Row, claim_of, seed_of
from ugw_flash.card.journal import users_journal
from ugw_flash.card.target import Target, disk_target, file_target
from ugw_flash.card.work import CardOrder, CardResult, Rehearsed, make_rehearsed, rehearse
from ugw_flash.commands.answers import answer, answering, asking, leaving, pause, talk
from ugw_flash.commands.options import (
    AllowDiskOption,
    DryRunOption,
    GatewayOption,
    IKnowOption,
    JsonOption,
    ProfileOption,
    YesOption,
)
from ugw_flash.disks.choice import Ask, Wanted, choose, named
from ugw_flash.disks.find import source
from ugw_flash.identity import Claim
from ugw_flash.outcome import BadMaterialError
from ugw_flash.profile import Opened, open_profile
from ugw_flash.progress import watching

_MB: Final = 1_000_000
_NOTHING: Final = "Nothing was written."
_DEVICES: Final = ("/dev/", "\\\\.\\")


def pi(  # noqa: PLR0913 - options of a command
    profile: ProfileOption,
    gateway: GatewayOption,
    *,
    to: Annotated[
        str | None,
        typer.Option(metavar="DISK|FILE", help="By default the card that appears when asked for."),
    ] = None,
    allow_disk: AllowDiskOption = None,
    i_know: IKnowOption = False,
    yes: YesOption = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also over a card that is a gateway's already.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the card of a gateway: image, agent, configuration, network and identity.

    The image is checked and unpacked while it is written, and all of it is read back. Then the
    seed goes onto its boot partition: what the first boot makes a gateway of, without internet. It
    is read back too, and understood as the agent will. The partition table comes last: a card on
    which anything was cut short does not boot, and [bold]ugw flash verify[/bold] says so.

    By default the card is the one that appears after it was asked for. A disk of this computer's
    own system is never written. After Ctrl-C the same command goes on where it was.

    With --to FILE the card is made as a file, which must not exist.

    [bold]Examples[/bold]

        ugw flash pi --profile kiel --gateway gw-17

        ugw flash pi --profile kiel --gateway gw-17 --to gw-17.img
    """
    with answering(as_json=as_json):
        opened, desk = open_profile(profile), Desk.here(rehearsal=dry_run)
        file, wanted = _file(to), Wanted(to, allow_disk, i_know)
        # Before what takes long: nobody waits for a refusal.
        ask = None if file else _who_asks(wanted, yes=yes or dry_run)
        claim = claim_of(opened, desk)
        order = _order(opened, Row(gateway=gateway), claim, desk)
        with leaving(lambda: _NOTHING), watching(as_json=as_json, about=gateway) as watcher:
            rehearsed = rehearse(order, watcher)
        if dry_run:
            _tell_plan(rehearsed, as_json=as_json)
            return
        target = file or _disk(wanted, rehearsed.image.size, ask, as_json=as_json)
        with watching(as_json=as_json, about=gateway) as watcher:
            result = make_rehearsed(
                rehearsed,
                target,
                watcher,
                journal=users_journal(time.time()),
                may_replace=lambda _gateway: again,
            )
        _tell_result(result, claim, as_json=as_json)


def _order(opened: Opened, row: Row, claim: Claim | None, desk: Desk) -> CardOrder:
    seed = seed_of(row, opened, claim, desk)
    image = opened.profile.image
    if image is None:
        cause = f"{opened.path} names no image"
        raise BadMaterialError(cause, "it is for boards: ugw flash esp32")
    return CardOrder(opened.place(image.path), image.sha256, seed)


def _file(to: str | None) -> Target | None:
    return None if to is None or to.startswith(_DEVICES) else file_target(Path(to))


def _who_asks(wanted: Wanted, *, yes: bool) -> Ask | None:
    """Refuse a disk that was named and must not be written, or a missing terminal."""
    if wanted.path or wanted.allow_disk:
        named(source(), wanted)
    return asking(yes=yes)


def _disk(wanted: Wanted, needed_bytes: int, ask: Ask | None, *, as_json: bool) -> Target:
    disks = source()
    with leaving(lambda: _NOTHING):
        disk = choose(
            disks,
            wanted,
            needed_bytes=needed_bytes,
            ask=ask,
            watcher=talk(as_json=as_json),
            pause=pause,
        )
    return disk_target(disk, disks)


def _tell_plan(rehearsed: Rehearsed, *, as_json: bool) -> None:
    (order, image, _), seed = rehearsed, rehearsed.order.seed
    facts = {
        "dryRun": True,
        "gateway": seed.gateway,
        "image": image.path.name,
        "imageSha256": image.sha256,
        "package": seed.package.name,
        "bytes": image.size,
    }
    text = (
        f"{seed.gateway}: {image.size / _MB:,.0f} MB would be written to a card:"
        f" {order.image.name} with {seed.package.name}. Nothing was written."
    )
    answer(facts, as_json=as_json, text=text)


def _tell_result(result: CardResult, claim: Claim | None, *, as_json: bool) -> None:
    image, found = result.image, result.found_bytes
    facts = {
        "gateway": result.gateway,
        "target": result.target,
        "serial": result.serial,
        "cardBytes": result.size,
        "image": image.name,
        "imageSha256": image.sha256,
        "imageBytes": image.size,
        "foundBytes": found,
        "claimSha256": claim.digest if claim else None,
        "claimExpiresS": claim.expires_s if claim else None,
    }
    there = f", {found / _MB:,.0f} MB of it by an earlier attempt" if found else ""
    text = (
        f"{result.gateway}: {result.target} is complete. {image.size / _MB:,.0f} MB were written"
        f"{there}, all of it and the seed read back."
    )
    if claim is not None:
        text += f"\nGive the platform the digest of its claim: {claim.digest}"
    answer(facts, as_json=as_json, text=text)
