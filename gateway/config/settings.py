"""The configuration of a gateway, validated: what every part of the agent is handed at start.

The keys are the YAML's; a quantity's attribute adds its unit (`pace` is `pace_ns`). Values never
change after load. What cannot work is refused; what works, perhaps not as meant, is in `notes`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from gateway.config.announced import LocationSettings
from gateway.config.devices import DeviceSettings, canonical_address
from gateway.config.esp32 import Esp32Settings
from gateway.config.listening import Listen, is_remote
from gateway.config.lorawan import (
    NETWORK_SERVERS,
    NetworkServerSettings,
    server_name,
)
from gateway.config.mqtt import MqttSettings, is_loopback
from gateway.config.quantities import Duration, Size, duration_ns, size_bytes
from gateway.config.secrets import Secret
from gateway.config.section import (
    AbsolutePath,
    Fault,
    Label,
    Number,
    Section,
    Slug,
    Whole,
    Written,
    fault,
    refuse,
)
from gateway.config.transports import TransportSettings, serial_name, spaces_of
from gateway.core.identity import topic_level

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PROMISED_COMMIT_NS = duration_ns("700ms")


def _host_name(text: str) -> str:
    if not _HOST_NAME.fullmatch(text):
        message = "a host name without port is needed: gw-17.example"
        raise fault(message)
    return text.lower()


def _repeated(items: object, identify: Callable[[Any], tuple[str, str]]) -> Iterator[Fault]:
    """Find the items of a list that bear the name of one before them."""
    first: dict[str, int] = {}
    for number, item in enumerate(cast("list[object]", items) if isinstance(items, list) else ()):
        try:
            key, name = identify(item)
        except (KeyError, TypeError, AttributeError, ValueError):
            continue  # it has no such name; where it needs one, its own validation says so
        if name in first:
            yield (number, key), f"{name} is listed twice, first as item {first[name] + 1}"
        first.setdefault(name, number)


def _by_address(item: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever stands in the document
    return "address", canonical_address(item["address"])


def _by_id(item: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever stands in the document
    return "id", "" + item["id"]


def _by_name(item: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever stands in the document
    kind = item["kind"]
    if kind == "ble":
        return "adapter", "ble:" + item.get("adapter", "hci0")
    if kind == "semtech-udp":
        return "listen", "semtech-udp:" + item.get("listen", "127.0.0.1:1700")
    if kind in NETWORK_SERVERS:
        return "id" if item.get("id") else "host", server_name(kind, item["host"], item.get("id"))
    return "device", serial_name(item["device"])


def _by_session(item: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever stands in the document
    session = item["lorawan"]
    key: str = "" + session["nwk_s_key"]
    return "lorawan", f"the device address {session['dev_addr'].lower()} with {key}"


class GatewaySettings(Section):
    """Who this gateway is."""

    org: Slug
    """The organisation, a level of all topics."""
    id: Slug
    """The gateway, unique in the organisation."""
    name: Label | None = None
    """What people call it."""
    location: LocationSettings | None = None
    """Where it hangs."""
    hardware: Label | None = None
    """What it is made of, for whoever has to replace it."""


class StoreSettings(Section):
    """Where observations wait that the broker has not acknowledged."""

    path: AbsolutePath = Path("/var/lib/ugw")
    """The folder."""
    max_size_bytes: Annotated[int, Size("8MB", "1024GB")] = Field(
        default=size_bytes("512MB"), alias="max_size"
    )
    """The most it may take on the medium."""
    keep_free_bytes: Annotated[int, Size("0B", "1024GB")] = Field(
        default=size_bytes("64MB"), alias="keep_free"
    )
    """Below this much free space on the medium nothing is written to it."""
    ballast_bytes: Annotated[int, Size("0B", "1GB")] = Field(
        default=size_bytes("4MB"), alias="ballast"
    )
    """A file given up when the medium is full, so that the store can still be emptied."""


class HttpSettings(Section):
    """Health, readiness, metrics and status over HTTP."""

    enabled: bool = True
    """Whether it is served at all."""
    listen: Listen = "127.0.0.1:8080"
    """Address and port it listens on; another than this machine's own needs a token."""
    token: Secret | None = None
    """What clients must present as a bearer token, by reference."""
    allowed_hosts: list[Annotated[str, AfterValidator(_host_name)]] = Field(
        default_factory=list[str], max_length=32
    )
    """Further names under which it may be asked for, beside the address it listens on."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse to show a gateway's inside to a network without a credential."""
        if is_remote(written.get("listen")) and written.get("token") is None:
            yield ("listen",), "beyond this machine it needs http.token, by reference"


class DeliverySettings(Section):
    """How observations are bundled, sent and kept; the defaults fit nearly everywhere."""

    durability: Literal["write-behind", "strict"] = "write-behind"
    """Strict writes everything to the store before it is sent, and wears the medium."""
    pace_ns: Annotated[int, Duration("0ms", "10s")] = Field(
        default=duration_ns("20ms"), alias="pace"
    )
    """The shortest time between two messages that are not full."""
    commit_after_ns: Annotated[int, Duration("10ms", "1min")] = Field(
        default=duration_ns("700ms"), alias="commit_after"
    )
    """What the broker has not acknowledged by then is written to the store."""
    in_flight_window: Whole = Field(default=8, ge=1, le=1000)
    """Messages on their way at the same time."""
    ack_timeout_ns: Annotated[int, Duration("1s", "10min")] = Field(
        default=duration_ns("10s"), alias="ack_timeout"
    )
    """How long an acknowledgement may take on top of the time the bytes need."""
    min_rate_bytes_per_s: Annotated[int, Size("1B", "1GB")] = Field(
        default=size_bytes("500B"), alias="min_rate"
    )
    """Bytes per second the slowest link worth waiting for carries."""
    live_max_age_ns: Annotated[int, Duration("1s", "1h")] = Field(
        default=duration_ns("60s"), alias="live_max_age"
    )
    """What is older when it is sent travels with the late data."""
    memory_bytes: Annotated[int, Size("256kB", "1GB")] = Field(
        default=size_bytes("4MB"), alias="memory"
    )
    """The most that is held in memory unacknowledged before it is written to the store."""


class IntakeSettings(Section):
    """What is let in of all that listed devices send."""

    repeat_window_ns: Annotated[int, Duration("0ms", "1d")] = Field(
        default=duration_ns("60s"), alias="repeat_window"
    )
    """Within it an unchanged frame of a device is a repeat."""
    burst: Whole = Field(default=10, ge=1, le=10_000)
    """Frames of one device let in at once after a quiet time."""
    per_second: Number = Field(default=1.0, ge=0.001, le=1000)
    """Frames of one device let in per second in the long run."""


class ClockSettings(Section):
    """Whom to believe about the time."""

    source: Literal["kernel", "system"] = "kernel"
    """kernel: the time counts once something synchronises it; system: it always counts."""


class LogSettings(Section):
    """What the agent says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe message that is written."""


_UNIQUE = (
    ("transports", _by_name),
    ("devices", _by_address),
    ("devices", _by_id),
    ("devices", _by_session),
)


class Settings(Section):
    """The configuration of a gateway."""

    config_version: Literal[1]
    """The version of this file's format."""
    gateway: GatewaySettings
    """Who this gateway is."""
    mqtt: MqttSettings
    """The platform's broker."""
    store: StoreSettings = StoreSettings()
    """Where observations wait."""
    http: HttpSettings = HttpSettings()
    """Health, readiness, metrics and status over HTTP."""
    transports: list[TransportSettings] = Field(
        default_factory=list[TransportSettings], max_length=16
    )
    """The radios this gateway hears with."""
    devices: list[DeviceSettings] = Field(default_factory=list[DeviceSettings], max_length=10_000)
    """The sensors it listens to."""
    delivery: DeliverySettings = DeliverySettings()
    """Bundling, sending, keeping."""
    intake: IntakeSettings = IntakeSettings()
    """Repeats and rates."""
    clock: ClockSettings = ClockSettings()
    """Time."""
    log: LogSettings = LogSettings()
    """Messages for people."""
    esp32: Esp32Settings | None = None
    """The board, where the gateway is an ESP32."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse what is listed twice."""
        for key, identify in _UNIQUE:
            for loc, why in _repeated(written.get(key), identify):
                yield (key, *loc), why

    @model_validator(mode="after")
    def _check_topics(self) -> Self:
        refuse(self._shared_topics())
        return self

    def _shared_topics(self) -> Iterator[Fault]:
        # A configured id may equal the name that another device gets without one.
        first: dict[str, int] = {}
        for number, device in enumerate(self.devices):
            level = topic_level(self.urn(device))
            if level in first:
                why = f"the same topic, {level}, as item {first[level] + 1}"
                yield ("devices", number, "address" if device.id is None else "id"), why
            first.setdefault(level, number)

    def urn(self, device: DeviceSettings) -> str:
        """Return a device's name in messages."""
        return device.urn(self.gateway.org, self.gateway.id)

    @property
    def topic_root(self) -> str:
        """What all topics of this gateway begin with."""
        return self.filled(self.mqtt.topic_root)

    @property
    def client_id(self) -> str:
        """The MQTT client id."""
        return self.filled(self.mqtt.client_id)

    def filled(self, template: str) -> str:
        """Put organisation and gateway where a template names them."""
        return template.replace("{org}", self.gateway.org).replace("{id}", self.gateway.id)

    def notes(self) -> Iterator[str]:
        """Say what works, but perhaps not as it was meant."""
        yield from self._notes_on_hearing()
        if self.esp32 is not None:
            yield "esp32: is for a board made by `ugw flash`; this machine ignores it"
        if self.mqtt.tls is None and not is_loopback(self.mqtt.host):
            yield "mqtt: without TLS, everybody on the way can read and change what is sent"
        if self.delivery.commit_after_ns > _PROMISED_COMMIT_NS:
            yield "delivery.commit_after: above 700ms, what is heard is safe later than promised"
        if self.delivery.durability == "strict":
            yield "delivery.durability: strict writes each observation: think of the SD card"

    def _notes_on_hearing(self) -> Iterator[str]:
        if not self.devices:
            yield "devices: none is listed, so everything heard is counted and forgotten"
        spaces = {device.space for device in self.devices}
        heard = {space for transport in self.transports for space in spaces_of(transport)}
        if "ble" in spaces - heard:
            yield "devices: Bluetooth LE devices are listed, and no transport of kind ble"
        if "lora" in spaces - heard:
            yield "devices: LoRa devices are listed, and no transport of kind serial"
        if "eui" in spaces - heard:
            yield "devices: LoRaWAN nodes are listed, and no transport that hears any"
        yield from self._notes_on_network_servers()

    def _notes_on_network_servers(self) -> Iterator[str]:
        servers = [t for t in self.transports if isinstance(t, NetworkServerSettings)]
        for device in self.devices if not servers else ():
            if device.space == "eui" and device.lorawan is None:
                yield f"devices: {device.address} has no lorawan keys, and no network server"
        for server in servers:
            if server.tls is None and not is_loopback(server.host):
                yield f"transports: {server.name}: in clear, everybody on the way can change it"
