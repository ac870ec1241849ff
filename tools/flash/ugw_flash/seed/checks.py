"""What is wrong with a seed before anything is made of it: every fault at once, in sentences.

A seed comes from profiles and sheets that were validated; this is the last border before a card,
and what it lets through cannot break a file it is written into.
"""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from ugw_flash.outcome import BadMaterialError
from ugw_flash.seed import wireless
from ugw_flash.seed.model import Address, Seed

_HOST_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LOGIN: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_KEY: Final = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?")
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_SERVER: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
_URL: Final = re.compile(r"https://[^\s#?]+")
# FAT knows no other characters everywhere, and no capitals: A and a are one file.
_NAME: Final = re.compile(r"[A-Za-z0-9_.+~@=-]{1,100}")
_TAKEN: Final = ("root", "ugw")  # the agent's own user is no one's login


class SeedError(BadMaterialError):
    """A seed that would make no gateway; one fault a line."""


def refuse_faults(seed: Seed) -> None:
    """Raise SeedError with everything that is wrong."""
    faults = [fault for about in _ALL for fault in about(seed)]
    if faults:
        raise SeedError("\n".join(faults), remedy="correct it in the profile or in the sheet")


def _about_system(seed: Seed) -> Iterator[str]:
    if not _HOST_NAME.fullmatch(seed.gateway):
        yield (
            f"gateway {seed.gateway!r}: it is the host name too, which has at most 63 characters "
            "and no - at its ends"
        )
    if not _ZONE.fullmatch(seed.time_zone):
        yield f"time zone {seed.time_zone!r}: a name is needed, as Europe/Berlin"
    for each in seed.time_servers:
        if not _SERVER.fullmatch(each):
            yield f"time server {each!r}: a host name or an address is needed"
    if seed.enrolment is not None and not _URL.fullmatch(seed.enrolment.url):
        yield f"enrolment {seed.enrolment.url!r}: a URL that begins with https:// is needed"


def _about_user(seed: Seed) -> Iterator[str]:
    if not _LOGIN.fullmatch(seed.user) or seed.user in _TAKEN:
        yield f"user {seed.user!r}: a user's name is needed that is not {' or '.join(_TAKEN)}"
    if not seed.ssh_keys:
        yield "ssh_keys: without a key nobody can log in"
    for each in seed.ssh_keys:
        if not _KEY.fullmatch(each) or not each.isprintable():
            yield f"ssh_keys: {each[:40]!r} is no public key, a line as in id_ed25519.pub"


def _about_network(seed: Seed) -> Iterator[str]:
    if seed.network == "wifi" and seed.wifi is None:
        yield "network: a wireless one needs ssid and country"
    if seed.network == "ethernet" and seed.wifi is not None:
        yield "network: by cable, and yet there is an ssid"
    if seed.wifi is not None:
        yield from wireless.faults(seed.wifi)
    if seed.address is not None:
        yield from _about_address(seed.address)


def _about_address(address: Address) -> Iterator[str]:
    try:
        fixed = ipaddress.ip_interface(address.cidr)
        if "/" not in address.cidr or fixed.network.prefixlen == fixed.max_prefixlen:
            yield f"address {address.cidr}: how long its network is has to follow, as /24"
        elif ipaddress.ip_address(address.gateway) not in fixed.network:
            yield f"gateway_ip {address.gateway}: it is not in the network of {address.cidr}"
        for each in address.nameservers:
            # netplan would make a connection of it that NetworkManager refuses as a whole.
            if ipaddress.ip_address(each).version != fixed.version:
                yield f"dns {each}: it cannot be asked from {address.cidr} (other IP version)"
    except ValueError as error:
        yield f"address: {error}"


def _about_files(seed: Seed) -> Iterator[str]:
    if not seed.configuration.strip():
        yield "gateway.yaml: it is empty"
    if seed.package.suffix != ".deb" or not _NAME.fullmatch(seed.package.name):
        yield f"package {seed.package}: a Debian package is needed (make package)"
    seen: dict[str, str] = {}
    for name in sorted(seed.etc):
        parts = PurePosixPath(name).parts
        if name.startswith("/") or any(not _NAME.fullmatch(each) for each in parts):
            yield f"/etc/ugw/{name}: letters without accents, digits, - _ and . are possible"
        if not parts or any(each.endswith(".") for each in parts):  # . and .. among them
            yield f"/etc/ugw/{name}: FAT has no such name"
        if seen.setdefault(name.lower(), name) != name:
            yield f"/etc/ugw/{name}: on a card it is the same as {seen[name.lower()]}"


_ALL: Final = (_about_system, _about_user, _about_network, _about_files)
