"""The page of what `ugw flash` reads and writes: profile, sheet, disks, seeds, boards, bundles.

Its text is flash.txt; what stands there in << >> is made of the code. A name without words here,
or words without a name, end the run.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tools.docs.markup import MissingWordsError, explained, table
from tools.docs.markup import page as put_together
from tools.docs.options import Words, options, sections
from ugw_flash.batch.results import Result
from ugw_flash.batch.values import COLUMNS
from ugw_flash.bundle.contents import Contents
from ugw_flash.disks.policy import Grade
from ugw_flash.esp32.verify import Written
from ugw_flash.profile import Profile
from ugw_flash.seed.record import Record

SOURCE = "the models of tools/flash/ugw_flash and tools/docs/flash.txt"
HERE = "tools/docs/flash.py"
TEXT: Final = Path(__file__).with_name("flash.txt")
MARK: Final = re.compile(r"<<([a-z.0-9]+)>>")
PATTERNS = (
    ("(ms|", "duration"),
    ("(file:", "reference"),
    ("{64}", "SHA-256"),
    ("https://", "URL, `https://`"),
    ("(ssh-", "SSH public key"),
)

# Where the schema's own default says little to people.
COMPUTED: Final[Mapping[str, str]] = {"time.servers": "none"}

CELLS: Final[Mapping[str, str]] = {
    "gateway": "The id: `gateway.id`, host name, common name of the certificate. `a-z`, `0-9`, "
    "`-`, not at the ends; once in a sheet",
    "profile": "A profile or its folder, from the sheet on; without it `--profile`",
    "name": "`gateway.name`: what people call it",
    "site": "Where it hangs, for labels and the report",
    "lat": "Degrees north, `54.3233`; with `lon`. Becomes `gateway.location`",
    "lon": "Degrees east",
    "network": "`ethernet` or `wifi`",
    "ssid": "Another wireless network than the profile's, up to 32 bytes. It never gets the "
    "profile's password",
    "wifi_password": "Its password, by reference: `file:PATH` from the sheet on, or `env:NAME`",
    "address": "A fixed address with its network, `192.0.2.17/24`; cards only. Without it DHCP",
    "gateway_ip": "With `address`: the router, in the same network",
    "dns": "With `address`: name servers, separated by spaces",
    "mac": "Of the board it is meant for: another one is refused",
    "label": "A line for the label, instead of `name`",
}

RESULT: Final[Mapping[str, str]] = {
    "gateway": "The id",
    "result": "`made`, `failed` or `interrupted`",
    "time": "UTC",
    "kind": "`pi` or `esp32`",
    "device": "Serial number of the card or its reader; MAC of the board",
    "material_sha256": "Of the image or the firmware, as it was published",
    "short_code": "As on the label",
    "claim_sha256": "SHA-256 of the claim's text: what the platform compares. It proves nothing",
    "claim_expires": "UTC",
    "operator": "The user of the desk",
    "cause": "Why not",
}

GRADES: Final[Mapping[str, str]] = {
    "usable": "A card or a stick of 2 to 256 GB, not in use but where a desktop mounts what was "
    "plugged in. Written once it was confirmed",
    "unusual": "Might be a disk that somebody needs: an ATA or NVMe disk, eMMC, a loop device, "
    "neither SD nor USB; larger or smaller than cards are; mounted elsewhere; part of something "
    "larger (LVM, RAID, ZFS, multipath, APFS, ...) or encrypted (LUKS, BitLocker). Written with "
    "`--to DISK --allow-disk SERIAL --i-know` only. A disk without a serial number is named by "
    "its path",
    "forbidden": "A disk of the running system: any part of it, at any depth, is `/`, `/boot`, "
    "`/home`, swap or the like. A disk that is write-protected, too small for the image, or a "
    "reader without a card. No option helps",
}

RECORD: Final[Mapping[str, str]] = {
    "schema": "`ugw.seed/1`",
    "gateway": "The id",
    "org": "The organisation",
    "flavour": "`cloud-init` or `firstrun` (Bookworm)",
    "made_by": "Which ugw",
    "made_at": "When, UTC",
    "made_at_s": "The same as Unix time: no gateway's clock begins earlier",
    "image": "Name, SHA-256 as published, size, and `system_sha256`: of all of it but the boot "
    "partition; empty when the card had booted before it was given this seed",
    "package": "Name, SHA-256, size",
    "enrolment": "Where a certificate is asked for, and when the claim ends; `null`: not needed",
    "wipe": "What the first boot removes beside its own",
    "boot": "Digests of the files at the top of the partition, and of `first-boot`",
    "others": "Digests of all other files of the boot partition: firmware, kernel, overlays",
    "files": "Digests of all files below `ugw`",
}

WRITTEN: Final[Mapping[str, str]] = {
    "schema": "`ugw.board/1`",
    "gateway": "The id",
    "software": "What status calls the software",
    "number": "Of the version: releases over the air have to be higher",
    "firmware": "Version, SHA-256 as published, and digests of its pieces",
    "files": "Digests of all files; after an update over the air the release's own list counts",
}

CONTENTS: Final[Mapping[str, str]] = {
    "schema": "`ugw.bundle/1`",
    "madeBy": "Which ugw",
    "madeAtS": "Unix time",
    "expiresS": "Unix time; `--valid`, by default 30 days",
    "gateways": "The ids",
    "materials": "Name, SHA-256 and profile of what has to be put into `materials`",
    "files": "SHA-256 of each file, by its path",
}


OPTIONS = Words(COMPUTED, PATTERNS, f"{HERE}, COMPUTED")


def page(text: str | None = None) -> str:
    """Return the page. Raises MissingWordsError."""
    text = TEXT.read_text(encoding="utf-8") if text is None else text
    return put_together("What ugw flash reads and writes", SOURCE, [_filled(text)])


def _filled(text: str) -> str:
    made = {
        "profile": "\n\n".join(_profile()),
        "columns": _table("column", COLUMNS, CELLS, "CELLS"),
        "results": _table("column", Result._fields, RESULT, "RESULT"),
        "grades": _table("verdict", Grade, GRADES, "GRADES"),
        "seed.json": _table("field", _fields(Record), RECORD, "RECORD"),
        "ugw.json": _table("field", _fields(Written), WRITTEN, "WRITTEN"),
        "bundle.json": _table("field", _fields(Contents), CONTENTS, "CONTENTS"),
    }
    if sorted(MARK.findall(text)) != sorted(made):
        message = f"{TEXT.name}: each of these once: {', '.join(made)}"
        raise MissingWordsError(message)
    return MARK.sub(lambda mark: made[mark[1]], text)


def _profile() -> Iterator[str]:
    schema: dict[str, Any] = Profile.model_json_schema(mode="serialization")
    known = schema["$defs"]
    yield options("", schema, known, OPTIONS)
    for path, section in sections("", schema, known):
        yield f"### {path}"
        yield section["description"]
        yield options(path, section, known, OPTIONS)


def _fields(record: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(record)]


def _table(head: str, names: Iterable[str], said: Mapping[str, str], where: str) -> str:
    return table((head, "meaning"), explained(names, said, f"{HERE}, {where}"))
