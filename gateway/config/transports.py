"""The sources of frames as a site configures them, told apart by `kind`."""

from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import core_schema

from gateway.config.devices import AddressSpace
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.lorawan import ForwarderSettings, NetworkServerSettings
from gateway.config.quantities import Duration, Frequency
from gateway.config.secrets import Secret
from gateway.config.section import (
    AbsolutePath,
    ModemCheck,
    Pattern,
    Section,
    Surroundings,
    Whole,
    fault,
    refuse,
)

Info = core_schema.ValidationInfo[Surroundings | None]


def _known_modem(name: str, info: Info) -> str:
    known = info.context.modems if info.context is not None else None
    if known is not None and name not in known:
        why = f"there is no modem driver {quoted(name)}{did_you_mean(name, known)}"
        raise fault(why)
    return name


# What modem drivers call by another name than the configuration.
_KEYS = {"band_hz": "band", "bandwidth_khz": "bandwidth"}


def serial_name(device: str) -> str:
    """Return how the transport on a serial port is called: by the last part of the port's path."""
    return "serial:" + PurePath(device).name


class BleSettings(Section):
    """A Bluetooth LE adapter that listens to advertisements."""

    kind: Literal["ble"]
    """A Bluetooth LE adapter."""
    adapter: Annotated[str, Pattern(r"hci[0-9]{1,3}", "an adapter is named hci0, hci1, ...")] = (
        "hci0"
    )
    """The adapter, as `bluetoothctl list` numbers them."""
    scan: Literal["passive", "active"] = "passive"
    """Passive sends nothing; active asks every device around for its scan response."""
    recovery: Literal["scan", "power", "service"] = "service"
    """How far it goes for an adapter that has stopped hearing: scan only starts scans anew; power
    also switches the adapter off and on, every 15 minutes at most and while no device is connected
    through it; service also restarts bluetoothd, once an hour at most and where polkit permits it.
    """

    @property
    def name(self) -> str:
        """How the transport is called in frames, health and status."""
        return f"ble:{self.adapter}"


class SerialSettings(Section):
    """A LoRa modem on a serial port; radio settings not given are left as the modem has them."""

    kind: Literal["serial"]
    """A LoRa modem on a serial port."""
    device: AbsolutePath
    """The port; the names in /dev/serial/by-id stay when others are plugged in."""
    modem: Annotated[str, AfterValidator(_known_modem)]
    """The modem's driver, e.g. reyax-rylr998."""
    baud: Whole | None = Field(default=None, ge=1200, le=1_000_000)
    """Bits per second on the port; without it the modem's usual rate, then the others it may have.
    """
    address: Whole | None = Field(default=None, ge=0, le=65535)
    """The modem's own address."""
    network_id: Whole | None = Field(default=None, ge=0, le=255)
    """The network both ends belong to."""
    band_hz: Annotated[int, Frequency("137MHz", "1020MHz")] | None = Field(
        default=None, alias="band"
    )
    """Centre frequency, e.g. 868.1MHz."""
    spreading_factor: Whole | None = Field(default=None, ge=5, le=12)
    """Higher reaches farther and takes longer."""
    bandwidth_hz: Annotated[int, Frequency("7.8kHz", "1625kHz")] | None = Field(
        default=None, alias="bandwidth"
    )
    """Channel bandwidth, e.g. 125kHz."""
    coding_rate: Whole | None = Field(default=None, ge=1, le=4)
    """1 to 4 for 4/5 to 4/8."""
    preamble: Whole | None = Field(default=None, ge=4, le=65535)
    """Preamble length in symbols."""
    sync_word: Whole | None = Field(default=None, ge=0, le=255)
    """Sync word of the nodes: 0x12 in private networks, 0x34 in public ones and LoRaWAN."""
    tx_power_dbm: Whole | None = Field(default=None, ge=-9, le=30)
    """Transmit power in dBm; what the band allows is not checked."""
    sender: Literal["byte", "word", "lorawan"] | None = None
    """Who sends, where the modem does not say it: a number in the first byte of each packet, or in
    the first two, high byte first; or the packets are LoRaWAN uplinks."""
    framing: Literal["cobs", "gap"] | None = None
    """Transparent modems only: how the nodes mark where a packet ends; gap is by a silence."""
    rssi_byte: Literal["off", "full", "half"] | None = None
    """Transparent modems only: a byte of signal strength follows each packet, and its scale."""
    probe_after_ns: Annotated[int, Duration("1s", "1h")] = Field(
        default=60_000_000_000, alias="probe_after"
    )
    """The silence after which the modem is asked whether it is there and receives."""
    password: Secret | None = None
    """The network's password, by reference, for modems that have one."""

    @model_validator(mode="after")
    def _check(self, info: Info) -> Self:
        if self.bandwidth_hz is not None and self.bandwidth_hz % 1000:
            refuse([(("bandwidth",), "whole kilohertz are needed")])
        if info.context is not None and info.context.modems is not None:
            self._ask(info.context.modems[self.modem])
        return self

    def _ask(self, check: ModemCheck) -> None:
        """Have the modem's driver look at its settings, before anybody relies on them."""
        try:
            check(self.modem_settings, self.sender)
        except ValueError as error:
            told = str(error)
            for name, key in _KEYS.items():
                told = told.replace(name, key)
            key, _, why = told.partition(": ")
            if not why:
                key, why = "modem", told
            refuse([((key,), f"{self.modem}: {why}")])

    @property
    def name(self) -> str:
        """How the transport is called in frames, health and status."""
        return serial_name(str(self.device))

    @property
    def modem_settings(self) -> dict[str, int | str]:
        """What is configured of the radio, under the names modem drivers use (`SETTINGS`)."""
        settings: dict[str, int | str | None] = {
            "address": self.address,
            "network_id": self.network_id,
            "band_hz": self.band_hz,
            "spreading_factor": self.spreading_factor,
            "bandwidth_khz": None if self.bandwidth_hz is None else self.bandwidth_hz // 1000,
            "coding_rate": self.coding_rate,
            "preamble": self.preamble,
            "sync_word": self.sync_word,
            "tx_power_dbm": self.tx_power_dbm,
            "framing": self.framing,
            "rssi_byte": self.rssi_byte,
            "password": None if self.password is None else self.password.reveal(),
        }
        return {name: value for name, value in settings.items() if value is not None}


TransportSettings = Annotated[
    BleSettings | SerialSettings | ForwarderSettings | NetworkServerSettings,
    Field(discriminator="kind"),
]


def spaces_of(transport: TransportSettings) -> tuple[AddressSpace, ...]:
    """Return whose frames a transport hears."""
    if isinstance(transport, BleSettings):
        return ("ble",)
    if isinstance(transport, SerialSettings) and transport.sender != "lorawan":
        return ("lora",)
    return ("eui",)
