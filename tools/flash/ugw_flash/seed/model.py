"""What one card is given beside its image. Equal seeds give equal files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from gateway.config.secrets import Secret


class ImageFacts(NamedTuple):
    """The image that a card was made of."""

    name: str
    sha256: str  # of the file, as it was published
    size: int  # bytes, unpacked
    system_sha256: str  # of all of it but the boot partition, which the seed changes; empty: the
    # card had booted when it was given this seed, and was changed by the system


class Wifi(NamedTuple):
    """A wireless network."""

    ssid: str
    password: Secret | None
    country: str


class Address(NamedTuple):
    """A fixed address; without one it comes by DHCP."""

    cidr: str  # 192.0.2.17/24
    gateway: str
    nameservers: tuple[str, ...]


class Enrolment(NamedTuple):
    """How the gateway comes by its certificate, with a key that it makes itself."""

    url: str  # of the EST server (RFC 7030), without /simpleenroll
    ca_pem: bytes | None  # who vouches for that server; None: those the system trusts
    claim: Secret
    expires_s: int  # Unix time


class Seed(NamedTuple):
    """Everything that makes this gateway out of an image that all share."""

    gateway: str  # its id, and its host name
    org: str
    configuration: str  # gateway.yaml, as the agent will read it: complete, with this gateway's id
    etc: Mapping[str, bytes]  # below /etc/ugw, by relative path: certificates, keys
    package: Path  # the agent's .deb
    user: str
    ssh_keys: tuple[str, ...]
    time_zone: str
    time_servers: tuple[str, ...]
    network: Literal["ethernet", "wifi"]
    wifi: Wifi | None
    address: Address | None
    enrolment: Enrolment | None
    made_by: str  # "ugw 0.1.0"
    made_at_s: int  # Unix time: the clock of a gateway is set to no earlier one

    def __repr__(self) -> str:
        return f"Seed({self.gateway!r})"  # the rest has secrets in it
