"""`ugw flash seed`: another seed on a card that is a gateway's already. The image stays.

Nothing is written before all is known to be right, and the new seed is read back. What goes wrong
ends as a UgwError with its remedy, and says what state the card is in.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Final

import typer

from ugw_flash.batch.desk import Desk
from ugw_flash.batch.row import Row, claim_of, seed_of
from ugw_flash.card.medium import FileMedium, Medium, Window
from ugw_flash.card.raw import failure
from ugw_flash.card.table import boot_slice
from ugw_flash.card.target import disk_target, to_read
from ugw_flash.commands.answers import answer, answering, leaving
from ugw_flash.commands.options import (
    AllowDiskOption,
    DryRunOption,
    GatewayOption,
    IKnowOption,
    JsonOption,
    ProfileOption,
)
from ugw_flash.disks.choice import Wanted, named
from ugw_flash.disks.find import source
from ugw_flash.fat import BootPartition
from ugw_flash.identity import Claim
from ugw_flash.outcome import RefusedError
from ugw_flash.profile import open_profile
from ugw_flash.progress import Watcher, watching
from ugw_flash.seed.model import ImageFacts, Seed
from ugw_flash.seed.plant import plant, rehearse
from ugw_flash.seed.read_back import Planted, read_back, remembered

_HALF: Final = (
    "it may be that the card has no seed now, and makes no gateway: ugw flash verify tells, and "
    "ugw flash pi makes it anew"
)


def seed(  # noqa: PLR0913 - options of a command
    what: Annotated[str, typer.Argument(metavar="DISK|FILE", help="A card, or a file of one.")],
    profile: ProfileOption,
    gateway: GatewayOption,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Also on the card of another gateway.")
    ] = False,
    allow_disk: AllowDiskOption = None,
    i_know: IKnowOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a card another seed: configuration, network, user, agent, identity; not another image.

    For what was wrong on a card that [bold]ugw flash pi[/bold] has made, such as the password of
    its network: within seconds, instead of writing all of it. A gateway that has run from this
    card applies the new seed at its next boot, and keeps what it has stored. Everything is made
    anew from the profile, the claim too; of the earlier seed nothing is left.

    The card of another gateway is refused without --again; a card without a seed always is.

    [bold]Example[/bold]

        ugw flash seed /dev/sdb --profile kiel --gateway gw-17
    """
    with answering(as_json=as_json):
        opened, desk = open_profile(profile), Desk.here(rehearsal=dry_run)
        claim = claim_of(opened, desk)
        made = seed_of(Row(gateway=gateway), opened, claim, desk)
        with (
            watching(as_json=as_json, about=gateway) as watcher,
            _card(what, None if dry_run else Wanted(what, allow_disk, i_know)) as card,
        ):
            with leaving(lambda: "Nothing was written."):
                boot = boot_slice(card)
                window = Window(card, boot.offset, boot.size)
                image = _image_of(window, gateway, again=again)
                with BootPartition(window) as partition:
                    files = rehearse(partition, made, image)
            if dry_run:
                _tell_plan(made, what, len(files), as_json=as_json)
                return
            planted = _planted(window, made, image, watcher)
        _tell(planted, what, claim, as_json=as_json)


def _image_of(boot: Medium, gateway: str, *, again: bool) -> ImageFacts:
    """Return what image the card was made of. Raises RefusedError for that of another gateway."""
    card = remembered(boot)
    if card.gateway != gateway and not again:
        cause = f"it is the card of {card.gateway}; nothing was written"
        raise RefusedError(cause, f"if it is to become {gateway}, say --again")
    # What the system has changed since is no longer what was written.
    return card.image._replace(system_sha256="") if card.has_booted else card.image


def _planted(boot: Medium, made: Seed, image: ImageFacts, watcher: Watcher) -> Planted:
    try:
        with leaving(lambda: _HALF):
            return read_back(boot, plant(boot, made, image, watcher))
    except OSError as error:
        raise failure(error, _HALF) from error


def _card(what: str, wanted: Wanted | None) -> AbstractContextManager[Medium]:
    """Open the card to write to it; without `wanted` only to read it."""
    disks = source()
    if wanted is None:
        return to_read(what, disks)
    if Path(what).is_file():
        try:
            return FileMedium(Path(what), writable=True)
        except OSError as error:
            cause = f"{what} cannot be opened: {error.strerror}"
            raise RefusedError(cause, "name another file") from error
    return disk_target(named(disks, wanted), disks).open(0)


def _tell_plan(made: Seed, what: str, files: int, *, as_json: bool) -> None:
    facts = {"dryRun": True, "gateway": made.gateway, "target": what, "files": files}
    text = f"{made.gateway}: {files} files would be written to {what}. Nothing was written."
    answer(facts, as_json=as_json, text=text)


def _tell(planted: Planted, what: str, claim: Claim | None, *, as_json: bool) -> None:
    facts = {
        "gateway": planted.gateway,
        "target": what,
        "package": planted.package,
        "files": len(planted.files),
        "claimSha256": claim.digest if claim else None,
        "claimExpiresS": claim.expires_s if claim else None,
    }
    text = f"{planted.gateway}: {what} has a new seed, {len(planted.files)} files, all read back."
    if claim is not None:
        text += f"\nGive the platform the digest of its claim: {claim.digest}"
    answer(facts, as_json=as_json, text=text)
