"""A card's seed read back and understood again: from the card alone, byte by byte.

Whatever cannot be as it was meant is an error: a file that is missing or differs, a configuration
the agent would refuse. A card that has booted says so, and how far its first boot came.
"""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from ugw_flash.card.medium import Medium
from ugw_flash.fat import BootPartition
from ugw_flash.outcome import BadMaterialError, NotWrittenError
from ugw_flash.seed import record
from ugw_flash.seed.checks import SeedError
from ugw_flash.seed.configuration import read_configuration
from ugw_flash.seed.files import CONFIGURATION, FIRSTRUN
from ugw_flash.seed.firstrun import TRIGGER
from ugw_flash.seed.flavour import CMDLINE, Flavour
from ugw_flash.seed.model import ImageFacts

STATE: Final = "ugw/first-boot.state"
LOGS: Final = ("ugw/first-boot.log", "ugw/prepare.log")
_ANEW: Final = "make the card anew: ugw flash pi"


class FirstBoot(NamedTuple):
    """How far a gateway came that has booted from this card."""

    step: str
    ok: bool
    cause: str  # empty: nothing is known to be wrong

    def __str__(self) -> str:
        if self.step == "done" and self.ok:
            return "its first boot is done"
        said = f"its first boot came to the step {self.step!r}"
        return f"{said}: {self.cause}" if self.cause else said


class Planted(NamedTuple):
    """What lies on a card."""

    gateway: str
    org: str
    flavour: Flavour
    image: ImageFacts
    package: str
    package_sha256: str
    made_by: str
    made_at_s: int  # Unix time
    files: tuple[str, ...]
    enrols: bool  # it makes its own key, and asks for a certificate
    first_boot: FirstBoot | None  # None: no gateway has booted from it


class Remembered(NamedTuple):
    """What a card remembers of how it was made, whatever became of it since."""

    gateway: str
    image: ImageFacts
    has_booted: bool


def remembered(boot: Medium) -> Remembered:
    """Read the record, whatever became of the seed itself.

    Raises BadMaterialError where there is none, OSError, and NotWrittenError where firmware or
    kernel is damaged: no other seed makes that good.
    """
    with BootPartition(boot) as partition:
        kept, digest = _record(partition)
        first_boot = _first_boot(partition, digest)
        if first_boot is None:
            _refuse(_changed(partition, kept.others, gone="is missing"))
        return Remembered(kept.gateway, kept.image.facts, first_boot is not None)


def read_back(boot: Medium, planted: str | None = None) -> Planted:
    """Read the seed on a boot partition.

    `planted`: the digest of the record that was just written. A card that is worn out may take
    nothing without a word, and have an earlier seed that is whole.

    Raises BadMaterialError where there is none or only a part of one, NotWrittenError with every
    file that is not as it was written, SeedError with every finding of the configuration, OSError
    when the medium fails.
    """
    with BootPartition(boot) as partition:
        kept, digest = _record(partition)
        if planted not in (None, digest):
            cause = "the card did not take the seed: it has the earlier one"
            raise NotWrittenError(cause, remedy="take another card, and throw this one away")
        first_boot = _first_boot(partition, digest)
        _refuse_changed(partition, kept, first_boot)
        if first_boot is None:
            files = {name: partition.read(name) for name, _ in kept.digests()}
            _understand(files, kept)
    return _planted(kept, first_boot)


def _record(partition: BootPartition) -> tuple[record.Record, str]:
    if not partition.exists(record.NAME):
        cause = f"there is no seed on this card, or only a part of one ({record.NAME})"
        raise BadMaterialError(cause, remedy=_ANEW)
    content = partition.read(record.NAME)
    return record.parse(content), record.sha256(content)


def _planted(kept: record.Record, first_boot: FirstBoot | None) -> Planted:
    return Planted(
        gateway=kept.gateway,
        org=kept.org,
        flavour=kept.flavour,
        image=kept.image.facts,
        package=kept.package.name,
        package_sha256=kept.package.sha256,
        made_by=kept.made_by,
        made_at_s=kept.made_at_s,
        files=tuple(name for name, _ in kept.digests()),
        enrols=kept.enrolment is not None,
        first_boot=first_boot,
    )


def _first_boot(partition: BootPartition, seed: str) -> FirstBoot | None:
    if not partition.exists(STATE):
        begun = any(partition.exists(name) for name in LOGS)
        return FirstBoot("begun", ok=False, cause="") if begun else None
    try:
        state = cast("object", json.loads(partition.read(STATE)))
    except ValueError:  # the power was cut while it was written
        state = {}
    told = cast("dict[str, object]", state) if isinstance(state, dict) else {}
    cause = str(told.get("cause", ""))[:500]
    if told.get("seed", seed) != seed:
        cause = f"with an earlier seed than this one; {cause}".removesuffix("; ")
    step = str(told.get("step", "begun"))[:40]
    return FirstBoot(
        step, ok=told.get("ok") is True, cause="".join(filter(str.isprintable, cause))
    )


def _refuse_changed(
    partition: BootPartition, kept: record.Record, first_boot: FirstBoot | None
) -> None:
    """Compare every file.

    Once it has booted, what the gateway took for itself may be gone, and firmware be newer.
    """
    if first_boot is not None:
        _refuse(_changed(partition, dict(kept.digests()), gone=""))
        return
    digests = {**dict(kept.digests()), **kept.others}
    faults = _changed(partition, digests, gone="is missing")
    _refuse([*faults, *_not_started(partition, kept.flavour)])


def _changed(partition: BootPartition, digests: Mapping[str, str], *, gone: str) -> list[str]:
    """Say which files are not what they were; what is said of one that is gone may be nothing."""
    faults: list[str] = []
    for name, digest in digests.items():
        if not partition.exists(name):
            faults += [f"{name} {gone}"] if gone else []
        elif record.sha256(partition.read(name)) != digest:
            faults.append(f"{name} is not what was written")
    return faults


def _refuse(faults: list[str]) -> None:
    if faults:
        raise NotWrittenError("\n".join(faults), remedy=_ANEW)


def _not_started(partition: BootPartition, flavour: Flavour) -> list[str]:
    words = partition.read(CMDLINE).split()
    started = all(word.encode() in words for word in TRIGGER)
    if started == (flavour is Flavour.FIRSTRUN):
        return []
    return [
        f"{CMDLINE} does not start {FIRSTRUN}" if not started else f"{CMDLINE} starts a script"
    ]


def _understand(files: Mapping[str, bytes], kept: record.Record) -> None:
    if CONFIGURATION not in files:
        cause = f"{CONFIGURATION} is no part of this seed"
        raise SeedError(cause, remedy=record.REMEDY)
    read_configuration(files, kept.gateway, kept.org)
