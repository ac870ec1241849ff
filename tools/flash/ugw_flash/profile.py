"""What gateways of one kind have in common: image or firmware, package, network, user, time.

A profile is a file (profile.yaml) on the desk of city IT, with the files it names beside it; a
gateway is a profile and a row of a sheet. It is validated as the gateway's own configuration is:
every fault at once, with its line. Secrets stand in it by reference alone.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, cast

from pydantic import Field

from gateway.config.findings import Finding, InvalidConfigError
from gateway.config.loading import load_model, read_file
from gateway.config.quantities import Duration, duration_ns
from gateway.config.secrets import Secret
from gateway.config.section import Fault, Label, Pattern, Section, Written

NAME: Final = "profile.yaml"

File = Annotated[str, Pattern(r"[^\x00-\x1f\x7f]{1,500}", "a path is needed, from this file on")]
Digest = Annotated[
    str,
    Pattern(r"[0-9a-fA-F]{64}", "a SHA-256 is needed: 64 hexadecimal digits, as sha256sum shows"),
]
Reference = Annotated[
    str,
    Pattern(
        r"(file:.+|env:[A-Za-z_][A-Za-z0-9_]*)",
        "write a reference, file:path/from/this/file or env:NAME, never the secret itself",
    ),
]
Login = Annotated[
    str, Pattern(r"[a-z_][a-z0-9_-]{0,31}", "a user's name is needed: a-z, 0-9, _ and -")
]
PublicKey = Annotated[
    str,
    Pattern(
        r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+( .*)?",
        "an SSH public key is needed, a line as in id_ed25519.pub",
    ),
]
Host = Annotated[
    str,
    Pattern(
        r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?", "a host name or address is needed"
    ),
]
Zone = Annotated[str, Pattern(r"[A-Za-z0-9_+/-]{1,64}", "a time zone is needed, as Europe/Berlin")]
Country = Annotated[str, Pattern(r"[A-Z]{2}", "a country is needed by its two letters, as DE")]
HttpsUrl = Annotated[
    str, Pattern(r"https://[^\s#?]{1,300}", "a URL that begins with https:// is needed")
]


class MaterialSettings(Section):
    """A file that is not ours, and what it has to be."""

    path: File
    """Where it lies, from the profile on."""
    sha256: Digest
    """Its SHA-256, from where it was published."""


class UserSettings(Section):
    """Who may log in, over SSH, with a key."""

    name: Login = "ugwadmin"
    """The user's name."""
    ssh_keys: Annotated[list[PublicKey], Field(min_length=1)]
    """Public keys; there is no password."""


class NetworkSettings(Section):
    """How the gateway reaches the platform, where its row does not say otherwise."""

    kind: Literal["ethernet", "wifi"] = "ethernet"
    """Cable or radio."""
    ssid: Label | None = None
    """The wireless network; a row may name another, with a password of its own."""
    password: Reference | None = None
    """Its password; without it the network is an open one."""
    country: Country | None = None
    """Where it hangs: it decides which channels may be used. A card's radio is off without it."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse a password of no network."""
        if "password" in written and "ssid" not in written:
            yield ("ssid",), "a password belongs to a network: which?"


class TimeSettings(Section):
    """What time it is, and who says so."""

    zone: Zone = "Etc/UTC"
    """The time zone of the logs."""
    servers: tuple[Host, ...] = ()
    """Time servers (NTP); none: those of the network and of Debian."""


class IdentitySettings(Section):
    """How a gateway comes by key and certificate."""

    key: Literal["given", "gateway", "desk"] = "given"
    """`given`: certificate and key are files of the configuration. `gateway`: it makes its own key
    at its first boot, which never leaves it, and enrols with its claim. `desk`: made here, for
    boards, which cannot; it goes into the board and nowhere else."""
    enrol: HttpsUrl | None = None
    """Where certificates are asked for: a server of EST (RFC 7030), without /simpleenroll."""
    enrol_ca: File | None = None
    """Who vouches for that server, a PEM file; by default those the system trusts."""
    authority: File | None = None
    """Instead of it, for `desk`: a folder with ca.pem and authority/ca.key, to issue them here."""
    claim_url: HttpsUrl | None = None
    """Where people claim a gateway; its label shows it with the short code and the claim."""
    claim_valid_ns: Annotated[int, Duration("1h", "365d")] = Field(
        default=duration_ns("30d"), alias="claim_valid"
    )
    """How long a claim can be used."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Say what the way to a certificate lacks."""
        key = written.get("key", "given")
        if key == "gateway" and "enrol" not in written:
            yield ("key",), "a key made on the gateway needs identity.enrol: who certifies it?"
        if key == "desk" and not written.keys() & {"enrol", "authority"}:
            yield ("key",), "a key made here needs identity.enrol or identity.authority"
        if "authority" in written and key != "desk":
            yield (
                ("authority",),
                "it issues only for keys that are made here (key: desk)",
            )


class Profile(Section):
    """What gateways of one kind have in common."""

    profile_version: Literal[1]
    """The version of this format."""
    kind: Literal["pi", "esp32"]
    """A card for a Raspberry Pi, or a board."""
    config: File = "gateway.yaml"
    """The gateways' configuration; a row gives each its own id, name and place."""
    etc: File = "etc"
    """A folder with what the configuration names below /etc/ugw; nothing else of it comes along.
    What lies in a folder in it that is called as the gateway comes first, and goes to no other."""
    image: MaterialSettings | None = None
    """The image of Raspberry Pi OS, as published, .xz too. Needed for a card."""
    package: File | None = None
    """The agent's package (make package). Needed for a card."""
    firmware: MaterialSettings | None = None
    """MicroPython's firmware for the board, as published. Needed for a board."""
    frozen: bool = False
    """The firmware has the agent in it (ugw flash files --frozen)."""
    user: UserSettings | None = None
    """Who may log in. Needed for a card."""
    network: NetworkSettings = NetworkSettings()
    """How the gateways reach the platform."""
    time: TimeSettings = TimeSettings()
    """Time zone and time servers."""
    identity: IdentitySettings = IdentitySettings()
    """Keys, certificates, claims."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Say what a card or a board lacks, and what is of no use to it."""
        pi, esp32 = ("image", "package", "user"), ("firmware",)
        needed, useless = (pi, esp32) if written.get("kind") == "pi" else (esp32, pi)
        if written.get("kind") in ("pi", "esp32"):
            yield from (
                ((key,), f"kind {written['kind']} needs it")
                for key in needed
                if key not in written
            )
            yield from (
                ((key,), f"of no use to kind {written['kind']}")
                for key in useless
                if key in written
            )
        identity: object = written.get("identity")
        key = cast("Written", identity).get("key") if isinstance(identity, dict) else None
        if written.get("kind") == "esp32" and key == "gateway":
            why = "a board cannot enrol: desk makes its key here, given takes one that there is"
            yield ("identity", "key"), why


class Opened:
    """A profile and the folder it lies in, from which its paths count."""

    def __init__(self, profile: Profile, path: Path) -> None:
        self.profile = profile
        self.path = path

    def place(self, written: str) -> Path:
        """Return where a path of the profile leads."""
        return self.path.parent / Path(written).expanduser()

    def reveal(self, reference: str, environ: Mapping[str, str] | None = None) -> Secret:
        """Read a secret. Raises InvalidConfigError, which names the reference alone."""
        return reveal(reference, self.path.parent, environ)


def open_profile(path: Path) -> Opened:
    """Read a profile, or the one in a folder. Raises InvalidConfigError with every finding."""
    path = path / NAME if path.is_dir() else path
    remedy = "docs/reference/flash.md describes profiles"
    return Opened(load_model(read_file(path, remedy=remedy), str(path), Profile), path)


def reveal(reference: str, folder: Path, environ: Mapping[str, str] | None = None) -> Secret:
    """Read a secret by its reference; files count from the folder. Raises InvalidConfigError."""
    where = re.sub(r"^file:", "", reference)
    absolute = f"file:{folder.absolute() / where}" if where != reference else reference
    try:
        return Secret.resolve(absolute, os.environ if environ is None else environ)
    except ValueError as error:
        raise InvalidConfigError([Finding(file=reference, message=str(error))]) from None
