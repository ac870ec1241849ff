"""The devices a site listens to. What is not listed here is counted and forgotten."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict
from pydantic_core import core_schema

from gateway.config.announced import LocationSettings, PropertySettings
from gateway.config.codec import CodecSettings
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.lorawan import SessionSettings
from gateway.config.quantities import Duration
from gateway.config.secrets import Key
from gateway.config.section import (
    Fault,
    Label,
    Number,
    Section,
    Slug,
    Surroundings,
    Whole,
    Written,
    fault,
)
from gateway.core.identity import eui64_urn, node_urn
from gateway.model import Medium, ObservationClass

Info = core_schema.ValidationInfo[Surroundings | None]

_BLE_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_LORA_ADDRESS = re.compile(r"LORA:(0|[1-9][0-9]{0,4})")
_LORA_HIGHEST = 65535
_EUI_ADDRESS = re.compile(r"EUI:[0-9A-F]{16}")
_ADDRESS_SCHEMA: JsonDict = {
    "pattern": (
        r"^([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|lora:(0|[1-9][0-9]{0,4})|eui:[0-9A-Fa-f]{16})$"
    )
}

AddressSpace = Literal["ble", "lora", "eui"]


def canonical_address(text: str) -> str:
    """Return `C0:FF:EE:00:00:01`, `lora:17` or `eui:70b3d57ed0001234`, in the case shown.

    Raises ValueError for anything else.
    """
    upper = text.upper()
    if _BLE_ADDRESS.fullmatch(upper):
        return upper
    lora = _LORA_ADDRESS.fullmatch(upper)
    if lora is not None and int(lora[1]) <= _LORA_HIGHEST:
        return upper.lower()
    if _EUI_ADDRESS.fullmatch(upper):
        return upper.lower()
    message = (
        'an address is needed: "C0:FF:EE:00:00:01", lora:0 to lora:65535,'
        " or eui: and 16 hexadecimal digits"
    )
    raise ValueError(message)


def _address(text: str) -> str:
    try:
        return canonical_address(text)
    except ValueError as error:
        raise fault(str(error)) from None


def _known_driver(name: str, info: Info) -> str:
    known = info.context.drivers if info.context is not None else None
    if known is not None and name not in known:
        why = f"there is no driver {quoted(name)}{did_you_mean(name, known)}"
        raise fault(why)
    return name


def _known_poller(name: str, info: Info) -> str:
    known = info.context.pollers if info.context is not None else None
    if known is not None and name not in known:
        some = ", ".join(sorted(known)) or "none"
        why = f"the driver {name} polls nothing: it belongs in driver. Those that do: {some}"
        raise fault(why)
    return name


def _usual_payload(data: dict[str, Any]) -> Literal["hex"] | None:
    # NUL bytes are unsafe on modems with line protocols, so LoRa payloads travel as hexadecimal.
    return "hex" if str(data.get("address", "")).startswith("lora:") else None


def address_space(address: str) -> AddressSpace:
    """Return what kind of address it is."""
    scheme = address.lower().partition(":")[0]
    return "lora" if scheme == "lora" else "eui" if scheme == "eui" else "ble"


class RateSettings(Section):
    """How many frames of one device are let in. What is not given is as in `intake`."""

    burst: Whole | None = Field(default=None, ge=1, le=10_000)
    """Frames let in at once after a quiet time."""
    per_second: Number | None = Field(default=None, ge=0.001, le=1000)
    """Frames let in per second in the long run."""


class PollSettings(Section):
    """A device that is connected to and read."""

    driver: Annotated[str, AfterValidator(_known_driver), AfterValidator(_known_poller)]
    """The driver that reads it."""
    every_ns: Annotated[int, Duration("10s", "31d")] | None = Field(default=None, alias="every")
    """How often; by default as its driver says. Every connection costs the device's battery."""


class DeviceSettings(Section):
    """One sensor."""

    address: Annotated[str, AfterValidator(_address), Field(json_schema_extra=_ADDRESS_SCHEMA)]
    """Bluetooth LE "C0:FF:EE:00:00:01" (in quotes), the address on the LoRa modem, lora:17, or the
    DevEUI of a LoRaWAN node, eui:70b3d57ed0001234."""
    name: Label | None = None
    """What people call it."""
    driver: Annotated[str, AfterValidator(_known_driver)] | None = None
    """The driver that decodes it; usually found by what the device sends. LoRa devices need it, or
    a codec."""
    codec: CodecSettings | None = None
    """LoRa and LoRaWAN only: a vendor's JavaScript codec, instead of a driver."""
    key: Key | None = None
    """The key of an encrypted device, by reference: 32 hexadecimal digits."""
    lorawan: SessionSettings | None = None
    """LoRaWAN only: the session of a node that is heard without a network server."""
    poll: PollSettings | None = None
    """Bluetooth LE only: connect to it and read it, beside listening to what it advertises."""
    payload: Literal["hex", "raw"] | None = Field(default_factory=_usual_payload)
    """LoRa only: how the payload travels, hexadecimal text (the default) or bytes as they are."""
    klass: ObservationClass = Field(default="routine", alias="class")
    """Events are the last to be dropped when the store is full."""
    id: Slug | None = None
    """The device's name in topics and messages, instead of one made of its address."""
    address_type: Literal["public", "random"] = "public"
    """Bluetooth LE only: random addresses are never published, so they need an id."""
    rate: RateSettings = RateSettings()
    """Limits of this device alone."""
    expected_interval_ns: Annotated[int, Duration("1s", "31d")] | None = Field(
        default=None, alias="expected_interval"
    )
    """How often it should be heard; silent for three times as long, it is reported."""
    manufacturer: Label | None = None
    """Who made it."""
    model: Label | None = None
    """What its maker calls it."""
    firmware: Label | None = None
    """The version of its firmware."""
    location: LocationSettings | None = None
    """Where it hangs."""
    site: Label | None = None
    """The place as people call it."""
    properties: list[PropertySettings] = Field(
        default_factory=list[PropertySettings], max_length=64
    )
    """What is known of the quantities it measures."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse what the device's medium does not have."""
        address = written.get("address")
        if not isinstance(address, str):
            return
        space = address_space(address)
        if space != "lora" and written.get("payload") is not None:
            yield ("payload",), "only LoRa devices have a payload format, LoRaWAN nodes do not"
        if space != "eui" and written.get("lorawan") is not None:
            yield ("lorawan",), "only LoRaWAN nodes have it: their address is eui: and the DevEUI"
        yield from cls._faults_of_ble(written) if space == "ble" else cls._faults_of_lora(written)

    @staticmethod
    def _faults_of_ble(written: Written) -> Iterator[Fault]:
        if written.get("codec") is not None:
            yield ("codec",), "only LoRa and LoRaWAN devices have a codec"
        if written.get("address_type") == "random" and written.get("id") is None:
            yield ("id",), "a random address is never published, so the device needs an id"
        if written.get("poll") is not None and written.get("key") is not None:
            yield ("poll",), "a device with a key is not polled: what it answers is not encrypted"

    @staticmethod
    def _faults_of_lora(written: Written) -> Iterator[Fault]:
        named = [key for key in ("driver", "codec") if written.get(key) is not None]
        if not named:
            why = "a LoRa device needs a driver or a codec: its frames do not say what they are"
            yield ("driver",), why
        if len(named) > 1:
            yield ("codec",), "either a driver decodes it or a codec"
        if written.get("key") is not None:
            yield ("key",), "only Bluetooth LE devices can have a key; LoRaWAN nodes have lorawan"
        if written.get("address_type") == "random":
            yield ("address_type",), "only Bluetooth LE addresses are random"
        if written.get("poll") is not None:
            yield ("poll",), "only Bluetooth LE devices can be connected to"

    @property
    def medium(self) -> Medium:
        """How the device is heard."""
        return "ble" if self.space == "ble" else "lora"

    @property
    def space(self) -> AddressSpace:
        """What kind of address it has."""
        return address_space(self.address)

    def urn(self, org: str, gateway_id: str) -> str:
        """Return the device's name in messages."""
        if self.id is not None:
            return node_urn(org, self.id)
        if self.space == "eui":
            return eui64_urn(self.address.removeprefix("eui:"))
        if self.space == "lora":
            return node_urn(org, f"{gateway_id}-{self.address.replace(':', '-')}")
        return eui64_urn(self.address)
