"""LoRaWAN: the keys of a node that is heard without a network server, and where uplinks come from.

The packet forwarder's protocol knows no authentication, so who may send is written down; a
network server is reached as the platform's broker is.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from gateway.config.listening import Listen, is_remote
from gateway.config.mqtt import Host, TlsSettings, Version, is_in_clear, usual_port
from gateway.config.secrets import Key, Secret
from gateway.config.section import Fault, Pattern, Section, Slug, Whole, Written, fault

NETWORK_SERVERS: Final = ("chirpstack", "the-things-stack")

_EUI: Final = re.compile(r"[0-9a-f]{16}")
_LEVEL: Final = r"(?:\+|[^+#/\x00-\x1f\x7f-\x9f]*)"
_TOPICS: Final = {
    "chirpstack": ["application/+/device/+/event/up"],
    "the-things-stack": ["v3/+/devices/+/up"],
}
_CLEARTEXT: Final = (
    "without TLS anybody on the way can read and change what is heard: "
    "configure tls, or write allow_cleartext: true to accept it"
)
_FILTER: Final = "a topic is needed; + stands for any level of it, # for all that follow"
_OPEN: Final = (
    "beyond this machine it needs allow, the networks or gateways that may send: "
    "the protocol knows no authentication"
)


class SessionSettings(Section):
    """A node activated by personalisation (ABP), heard without a network server (LoRaWAN 1.0)."""

    dev_addr: Annotated[
        str, Pattern(r"[0-9A-Fa-f]{8}", "8 hexadecimal digits in quotes are needed")
    ]
    """Its device address, 8 hexadecimal digits in quotes."""
    nwk_s_key: Key
    """Its network session key, by reference: 32 hexadecimal digits."""
    app_s_key: Key
    """Its application session key, by reference: 32 hexadecimal digits."""


def _sender(text: str) -> str:
    """Return a gateway's EUI in lower case, or a network as it is usually written."""
    if _EUI.fullmatch(text.lower()):
        return text.lower()
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        message = "a network is needed, 10.1.2.0/24, or a gateway's EUI of 16 hexadecimal digits"
        raise fault(message) from None


class ForwarderSettings(Section):
    """LoRaWAN gateways that send what they hear with Semtech's UDP packet forwarder."""

    kind: Literal["semtech-udp"]
    """LoRaWAN gateways with Semtech's UDP packet forwarder."""
    listen: Listen = "127.0.0.1:1700"
    """Address and port it listens on; another than this machine's own needs `allow`."""
    allow: list[Annotated[str, AfterValidator(_sender)]] = Field(
        default_factory=list[str], max_length=64
    )
    """Who may send: networks (10.1.2.0/24), EUIs of gateways (16 hexadecimal digits), or both."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse to take packets from anybody."""
        if is_remote(written.get("listen")) and not written.get("allow"):
            yield ("listen",), _OPEN

    @property
    def name(self) -> str:
        """How the transport is called in frames, health and status."""
        return f"semtech-udp:{self.listen}"

    @property
    def gateways(self) -> frozenset[str]:
        """The gateways that may send; none are named: any may."""
        return frozenset(each for each in self.allow if _EUI.fullmatch(each))

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks packets may come from; none are named: from any."""
        return tuple(each for each in self.allow if not _EUI.fullmatch(each))


def _usual_version(data: dict[str, Any]) -> Literal["5", "3.1.1"]:
    return "3.1.1" if data.get("kind") == "the-things-stack" else "5"  # it knows no other


def _usual_topics(data: dict[str, Any]) -> list[str]:
    return list(_TOPICS.get(str(data.get("kind")), ()))


class NetworkServerSettings(Section):
    """A LoRaWAN network server whose uplinks are read from its MQTT broker."""

    kind: Literal["chirpstack", "the-things-stack"]
    """A LoRaWAN network server that publishes uplinks over MQTT, ChirpStack v4 for example."""
    host: Host
    """Name or address of its broker."""
    id: Slug | None = None
    """What the transport is called, where two connections lead to one host."""
    tls: TlsSettings | None = None
    """TLS; without it only a broker on this machine is accepted."""
    port: Whole = Field(default_factory=usual_port, ge=1, le=65535)
    """TCP port; by default 8883 with tls, 1883 without."""
    username: Secret | None = None
    """User name, by reference; The Things Stack: application@tenant."""
    password: Secret | None = None
    """Password, by reference; The Things Stack: an API key."""
    allow_cleartext: bool = False
    """Accept a remote broker without TLS: anybody on the way can read and change what is heard."""
    version: Version = Field(default_factory=_usual_version)
    """MQTT version; by default 5, and 3.1.1 for The Things Stack."""
    topics: list[
        Annotated[
            str,
            Pattern(rf"(?:{_LEVEL}(?:/{_LEVEL})*(?:/#)?|#)", _FILTER),
            Field(min_length=1, max_length=200),
        ]
    ] = Field(default_factory=_usual_topics, min_length=1, max_length=16)
    """What is subscribed to: uplink events."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse what would be unsafe."""
        if is_in_clear(written):
            yield ("host",), _CLEARTEXT

    @property
    def name(self) -> str:
        """How the transport is called in frames, health and status."""
        return server_name(self.kind, self.host, self.id)


def server_name(kind: str, host: str, given: str | None) -> str:
    """Return how the transport of a network server is called."""
    return f"{kind}:{given or host}"
