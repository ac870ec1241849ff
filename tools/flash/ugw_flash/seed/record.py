"""ugw/seed.json: what was put onto a card, so that the card alone can be verified, at any time.

It is written last: a boot partition without it has no seed, or half of one. No secret is in it.
The gateway's first boot reads it too, in a shell: plain names, plain digests.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from ugw_flash.outcome import BadMaterialError
from ugw_flash.seed.flavour import Flavour
from ugw_flash.seed.model import ImageFacts, Seed

FOLDER: Final = "ugw/"
NAME: Final = f"{FOLDER}seed.json"
FIRST_BOOT: Final = f"{FOLDER}first-boot"
_WIPED: Final = ("firstrun.sh", "ugw/network.nmconnection")
REMEDY: Final = "make the card anew: ugw flash pi"


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """The image below the seed."""

    name: str
    sha256: str
    size: int
    system_sha256: str

    @property
    def facts(self) -> ImageFacts:
        """The same, as the rest of the tool has it."""
        return ImageFacts(self.name, self.sha256, self.size, self.system_sha256)


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's package."""

    name: str
    sha256: str
    size: int


class EnrolmentNote(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gateway will ask for its certificate, and until when its claim can be used."""

    url: str
    expires_s: int  # Unix time


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a seed but what is secret. Digests are SHA-256, in hexadecimal."""

    schema: Literal["ugw.seed/1"] = "ugw.seed/1"
    gateway: str
    org: str
    flavour: Flavour
    made_by: str
    made_at: str  # RFC 3339
    made_at_s: int  # Unix time
    image: Image
    package: Package
    enrolment: EnrolmentNote | None
    wipe: tuple[str, ...]  # what the first boot removes, beside what it has placed
    boot: dict[str, str]  # digests of what lies at the top of the partition, and of first-boot
    files: dict[str, str]  # digests of what lies below ugw
    others: dict[str, str]  # digests of all other files of the boot partition: firmware, kernel

    @property
    def content(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def digests(self) -> Iterator[tuple[str, str]]:
        """Yield every file of the seed but this one, with its digest."""
        yield from self.boot.items()
        yield FOLDER + self.package.name, self.package.sha256
        for name, digest in self.files.items():
            yield FOLDER + name, digest


def record_of(
    seed: Seed,
    flavour: Flavour,
    image: ImageFacts,
    files: Mapping[str, bytes],
    others: Mapping[str, str],
) -> Record:
    """Take down what a seed is made of, and what lies beside it."""
    package = FOLDER + seed.package.name
    digests = {name: sha256(content) for name, content in sorted(files.items())}
    below = {name for name in digests if name.startswith(FOLDER)} - {package, FIRST_BOOT}
    enrolment = seed.enrolment
    return Record(
        gateway=seed.gateway,
        org=seed.org,
        flavour=flavour,
        made_by=seed.made_by,
        made_at=dt.datetime.fromtimestamp(seed.made_at_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        made_at_s=seed.made_at_s,
        image=Image(**image._asdict()),
        package=Package(name=seed.package.name, sha256=digests[package], size=len(files[package])),
        enrolment=enrolment and EnrolmentNote(url=enrolment.url, expires_s=enrolment.expires_s),
        wipe=tuple(name for name in _WIPED if name in files),
        boot={name: digests[name] for name in digests if name not in below | {package}},
        files={name.removeprefix(FOLDER): digests[name] for name in sorted(below)},
        others=dict(others),
    )


def parse(content: bytes) -> Record:
    """Read the file. Raises BadMaterialError when it is none of ours, or only a part of one."""
    try:
        return msgspec.json.decode(content, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter in strings alone
        cause = f"{NAME} on the card cannot be used: {error}"
        raise BadMaterialError(cause, remedy=REMEDY) from None


def sha256(content: bytes) -> str:
    """Return a digest, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
