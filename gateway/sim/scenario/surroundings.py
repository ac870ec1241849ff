"""What is around the sensors: Bluetooth, modems, the broker, strangers, the agent's settings."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from gateway.config import (
    ClockSettings,
    DeliverySettings,
    Duration,
    IntakeSettings,
    LogSettings,
    Section,
    Size,
)
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.section import Number, Whole, fault
from gateway.sim.bluez import BluezOptions
from gateway.sim.broker_script import Offer
from gateway.sim.modems import MODEMS
from gateway.sim.scenario.fields import NS_PER_S
from gateway.sim.verbs.radios import PortName


class BluezScenario(Section):
    """Which bluetoothd it is."""

    version: Literal["5.66", "5.82", "5.87", "5.88"] = "5.87"
    """Which release it behaves as; 5.88 stands for the first one after July 2026."""
    monitors: bool = True
    """Whether it offers advertisement monitors, so that passive scanning works."""
    offload: bool = True
    """Whether the controller compares patterns itself; a Raspberry Pi's does not."""
    rssi: Literal["every-report", "needs-change"] | None = None
    """Whether every report is signalled for its RSSI, or only one 8 dB off; else as released."""
    temporary_timeout_ns: Annotated[int, Duration("100ms", "1h")] = Field(
        default=30_000_000_000, alias="temporary_timeout"
    )
    """How long a device is shown after it was heard last."""
    restart: Literal["denied", "permitted"] = "denied"
    """Whether the gateway may have bluetooth.service restarted: what the site's polkit says."""

    def options(self) -> BluezOptions:
        """Return it as the simulated bluetoothd takes it."""
        return BluezOptions(
            profile=self.version,
            monitors=self.monitors,
            offload=self.offload,
            rssi_needs_change=None if self.rssi is None else self.rssi == "needs-change",
            temporary_timeout_s=self.temporary_timeout_ns / NS_PER_S,
            restart_permitted=self.restart == "permitted",
        )


def _known_modem(model: str) -> str:
    if model not in MODEMS:
        why = f"there is no model of a modem {quoted(model)}{did_you_mean(model, MODEMS)}"
        raise fault(why)
    return model


class ModemScenario(Section):
    """A LoRa modem on a serial port."""

    model: Annotated[str, AfterValidator(_known_modem)] = "reyax-rylr998"
    """Which, as its driver is called."""
    name: PortName = "usb-lora"
    """The port's name below serial/by-id."""
    spurious_errors: Whole = Field(default=0, ge=0)
    """After every so many packets it reports an error without cause."""


class BrokerScenario(Section):
    """The platform's broker, and what it offers."""

    kind: Literal["scripted", "mosquitto"] = "scripted"
    """The scripted one does what faults tell it; mosquitto is the real one (process only)."""
    receive_maximum: Whole | None = Field(default=None, ge=1, le=65_535)
    """Scripted only: how many unacknowledged messages it takes at a time."""
    maximum_packet_bytes: Annotated[int, Size("256B", "16MB")] | None = Field(
        default=None, alias="maximum_packet"
    )
    """Scripted only: the largest packet it takes."""
    versions: tuple[Literal["5", "3.1.1"], ...] = ("5", "3.1.1")
    """Scripted only: the versions of MQTT it speaks."""

    def offer(self) -> Offer:
        """Return what it says in CONNACK."""
        return Offer(
            receive_maximum=self.receive_maximum,
            maximum_packet_size=self.maximum_packet_bytes,
            versions=tuple(5 if version == "5" else 4 for version in self.versions),
        )


class NoiseScenario(Section):
    """Strangers on the air."""

    phones: Whole = Field(default=0, ge=0, le=100_000)
    """Phones of passers-by."""
    beacons: Whole = Field(default=0, ge=0, le=10_000)
    """Beacons that stay where they are: iBeacon, Eddystone."""
    neighbours: Whole = Field(default=0, ge=0, le=10_000)
    """Sensors of a known kind that the site does not list: somebody else's."""
    every_ns: Annotated[int, Duration("10ms", "1d")] = Field(default=1_000_000_000, alias="every")
    """The interval of each, about."""
    rotate: Whole = Field(default=20, ge=1)
    """After so many advertisements a phone takes another address."""


class StoreScenario(Section):
    """Where observations wait that the broker has not acknowledged."""

    max_size_bytes: Annotated[int, Size("8MB", "1024GB")] | None = Field(
        default=None, alias="max_size"
    )
    """The most it may take on the medium."""
    keep_free_bytes: Annotated[int, Size("0B", "1024GB")] | None = Field(
        default=None, alias="keep_free"
    )
    """Below this much free space on the medium nothing is written to it."""
    ballast_bytes: Annotated[int, Size("0B", "1GB")] | None = Field(default=None, alias="ballast")
    """A file given up when the medium is full."""


class MqttScenario(Section):
    """How the agent speaks to the broker; where that is, the simulator says."""

    keepalive_ns: Annotated[int, Duration("5s", "18h")] | None = Field(
        default=None, alias="keepalive"
    )
    """The longest silence towards the broker."""
    version: Literal["5", "3.1.1"] | None = None
    """The version of MQTT it begins with."""
    require_subscriber: bool | None = None
    """Keep what the broker has nobody for."""


class AgentScenario(Section):
    """Settings of the agent, as in gateway.yaml, but for radios, devices and where to send."""

    delivery: DeliverySettings | None = None
    """Bundling, sending, keeping."""
    intake: IntakeSettings | None = None
    """Repeats and rates."""
    clock: ClockSettings | None = None
    """Time."""
    log: LogSettings | None = None
    """Messages for people."""
    store: StoreScenario | None = None
    """The store."""
    mqtt: MqttScenario | None = None
    """The way to the broker."""

    def written(self) -> dict[str, Any]:
        """Return what was given, as it stands in gateway.yaml."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


class Rssi(Section):
    """How strong a sensor is heard."""

    mean: Whole = Field(default=-70, ge=-110, le=-20)
    """In dBm."""
    sd: Number | None = Field(default=None, ge=0, le=20)
    """Standard deviation in dB; by default 2.5."""


class Battery(Section):
    """A sensor's battery."""

    percent: Number | None = Field(default=None, ge=0, le=100)
    """At the start; without it the seed says."""
    life_ns: Annotated[int, Duration("1min", "9999d")] | None = Field(default=None, alias="life")
    """From full to empty; then the sensor is silent. Without it, it lasts."""
