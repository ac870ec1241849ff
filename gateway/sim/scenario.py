"""A scenario: a world and what happens in it, as a YAML file says it.

All that is wrong with the file is reported at once, with file:line:column.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway.config import Duration, Section, load_model, read_file
from gateway.config.devices import canonical_address
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.section import Fault, Label, Number, Pattern, Whole, fault, refuse
from gateway.sim.bluez import BluezOptions
from gateway.sim.faults import VERBS
from gateway.sim.modems import MODEMS
from gateway.sim.sensors import MODELS, Phone, SensorOptions
from gateway.sim.world import World

_NS_PER_S = 1e9
_USUAL_FAULT_NS = 1_000_000_000
_KEY_BYTES = 16
_LORA_HIGHEST = 65535

Adapter = Annotated[str, Pattern(r"hci[0-9]{1,3}", "an adapter is named hci0, hci1, ...")]
PortName = Annotated[
    str,
    Pattern(r"[A-Za-z0-9_.:-]{1,64}", "a port is named as in /dev/serial/by-id, e.g. usb-lora"),
]
HexKey = Annotated[str, Pattern(r"[0-9a-fA-F]{32}", "a key is 32 hexadecimal digits")]
Probability = Annotated[Number, Field(ge=0, le=1)]


class BluezScenario(Section):
    """Which bluetoothd it is."""

    monitors: bool = True
    """Whether it offers advertisement monitors, so that passive scanning works."""
    rssi: Literal["every-report", "needs-change"] = "every-report"
    """Whether every report is signalled for its RSSI (up to BlueZ 5.87), or only one 8 dB off."""
    temporary_timeout_ns: Annotated[int, Duration("100ms", "1h")] = Field(
        default=30_000_000_000, alias="temporary_timeout"
    )
    """How long a device is shown after it was heard last."""


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


class SensorScenario(Section):
    """One sensor, or several of a kind with consecutive addresses."""

    model: Literal["bthome-v2", "bthome-v2-encrypted", "ruuvi-rawv2", "cayenne-lpp"]
    """What it sends."""
    address: Annotated[str, AfterValidator(canonical_address)]
    """Bluetooth LE "C0:FF:EE:00:00:01" (in quotes), or lora:17; the first one of several."""
    count: Whole = Field(default=1, ge=1, le=10_000)
    """How many."""
    name: Label | None = None
    """What people call it; numbered, where there are more."""
    every_ns: Annotated[int, Duration("10ms", "1d")] = Field(default=60_000_000_000, alias="every")
    """The interval."""
    jitter: Probability = 0.1
    """How much the interval varies, as a part of it."""
    loss: Probability = 0.0
    """The part of its frames that is lost on the air."""
    copies: Whole = Field(default=1, ge=1, le=100)
    """How often each advertisement is repeated."""
    rssi: Whole = Field(default=-70, ge=-110, le=-20)
    """Signal strength in dBm, about."""
    snr: Whole = Field(default=8, ge=-20, le=12)
    """LoRa only: signal-to-noise ratio in dB, about."""
    payload: Literal["hex", "raw"] = "hex"
    """LoRa only: how the payload travels."""
    key: HexKey | None = None
    """Encrypted only: its key; without one, the seed gives it one."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[Fault]:
        lora = self.address.startswith("lora:")
        if lora != (MODELS[self.model].medium == "lora"):
            yield ("address",), f"{self.model} does not send by {'LoRa' if lora else 'Bluetooth'}"
        if lora and int(self.address.removeprefix("lora:")) + self.count - 1 > _LORA_HIGHEST:
            yield ("count",), f"addresses beyond lora:{_LORA_HIGHEST}"
        if self.key is not None and not MODELS[self.model].encrypted:
            yield ("key",), f"{self.model} is not encrypted"
        if lora and self.copies != 1:
            yield ("copies",), "only advertisements are repeated"

    def expand(self, seed: int) -> Iterator[SensorOptions]:
        """Yield each of them."""
        for number in range(self.count):
            address = _following(self.address, number)
            name = self.name or ""
            yield SensorOptions(
                model=self.model,
                address=address,
                every_s=self.every_ns / _NS_PER_S,
                jitter=self.jitter,
                loss=self.loss,
                rssi_dbm=self.rssi,
                snr_db=self.snr,
                copies=self.copies,
                key=self._key(address, seed),
                payload=self.payload,
                name=f"{name} {number + 1}" if name and self.count > 1 else name,
            )

    def _key(self, address: str, seed: int) -> bytes:
        if not MODELS[self.model].encrypted:
            return b""
        if self.key is not None:
            return bytes.fromhex(self.key)
        return Random(f"{seed}/key/{address}").randbytes(_KEY_BYTES)  # noqa: S311 - repeatable


class NoiseScenario(Section):
    """Strangers on the air."""

    phones: Whole = Field(default=0, ge=0, le=100_000)
    """Phones of passers-by."""
    every_ns: Annotated[int, Duration("10ms", "1d")] = Field(default=1_000_000_000, alias="every")
    """The interval of each, about."""
    rotate: Whole = Field(default=20, ge=1)
    """After so many advertisements a phone takes another address."""


def _known_verb(verb: str) -> str:
    if verb not in VERBS:
        why = f"there is no fault {quoted(verb)}{did_you_mean(verb, VERBS)}"
        raise fault(why)
    return verb


class FaultScenario(Section):
    """Something that breaks."""

    at_ns: Annotated[int, Duration("0ms", "1d")] = Field(alias="at")
    """When, after the start."""
    do: Annotated[str, AfterValidator(_known_verb)]
    """What, e.g. ble.crash."""
    for_ns: Annotated[int, Duration("0ms", "1d")] | None = Field(default=None, alias="for")
    """How long; a second, where nothing is said."""
    on: str | None = None
    """Which adapter or modem; the first, where nothing is said."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.for_ns is not None and not VERBS[self.do].lasting:
            refuse([(("for",), f"{self.do} is over at once")])
        return self

    @property
    def part(self) -> str:
        """What it breaks; two faults of one part may not overlap."""
        part = VERBS[self.do].part
        return "ble" if part == "adapter" else part

    @property
    def end_ns(self) -> int:
        """When it is over."""
        if not VERBS[self.do].lasting:
            return self.at_ns
        return self.at_ns + (_USUAL_FAULT_NS if self.for_ns is None else self.for_ns)


class Scenario(Section):
    """A world and what happens in it."""

    name: Label = "scenario"
    """What it is about."""
    seed: Whole = 1
    """The same seed, the same bytes."""
    duration_ns: Annotated[int, Duration("100ms", "30d")] | None = Field(
        default=None, alias="duration"
    )
    """How long; without one, until it is stopped."""
    adapters: tuple[Adapter, ...] = ("hci0",)
    """Bluetooth adapters."""
    bluez: BluezScenario = BluezScenario()
    """The bluetoothd that drives them."""
    modems: tuple[ModemScenario, ...] = ()
    """LoRa modems; each hears every packet."""
    sensors: tuple[SensorScenario, ...] = ()
    """The sensors that a site would list."""
    noise: NoiseScenario = NoiseScenario()
    """And those it would not."""
    breaks: tuple[FaultScenario, ...] = Field(default=(), alias="faults")
    """What goes wrong."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[Fault]:
        for index, planned in enumerate(self.breaks):
            yield from self._misplaced(index, planned)
        yield from self._repeated()

    def _misplaced(self, index: int, planned: FaultScenario) -> Iterator[Fault]:
        targets = self.targets(planned)
        if planned.on is not None and planned.on not in targets:
            what = f"there is no {quoted(planned.on)} here{did_you_mean(planned.on, targets)}"
            yield ("faults", index, "on"), what
        elif not targets:
            yield ("faults", index, "do"), f"{planned.do} needs something to break: there is none"
        for earlier in self.breaks[:index]:
            if (
                earlier.part == planned.part
                and earlier.at_ns <= planned.end_ns
                and planned.at_ns <= earlier.end_ns
            ):
                what = f"overlaps with the {earlier.do} above: one fault of a part at a time"
                yield ("faults", index, "at"), what

    def _repeated(self) -> Iterator[Fault]:
        names = [modem.name for modem in self.modems]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("modems", index, "name"), "a modem above has this name already"
        seen: set[str] = set()
        for index, sensor in enumerate(self.sensors):
            addresses = {one.address for one in sensor.expand(self.seed)}
            if addresses & seen:
                yield ("sensors", index, "address"), "a sensor above has this address already"
            seen |= addresses
            if MODELS[sensor.model].medium == "lora" and not self.modems:
                yield ("sensors", index, "model"), f"{sensor.model} is not heard without a modem"

    def targets(self, planned: FaultScenario) -> tuple[str, ...]:
        """Return what a fault can be on: adapters, or modems."""
        if VERBS[planned.do].part == "serial":
            return tuple(modem.name for modem in self.modems)
        return self.adapters

    def world(self) -> World:
        """Make the world, with its sensors and its noise; it is not started."""
        options = BluezOptions(
            monitors=self.bluez.monitors,
            rssi_needs_change=self.bluez.rssi == "needs-change",
            temporary_timeout_s=self.bluez.temporary_timeout_ns / _NS_PER_S,
        )
        kinds = {modem.name: modem.model for modem in self.modems}
        world = World(adapters=self.adapters, modems=kinds, bluez=options, seed=self.seed)
        for modem in self.modems:
            world.modems[modem.name].model.spurious_errors = modem.spurious_errors
        for sensor in self.sensors:
            for one in sensor.expand(self.seed):
                world.add_sensor(one)
        every_s = self.noise.every_ns / _NS_PER_S
        for number in range(self.noise.phones):
            phone = Phone(number, every_s=every_s, rotate=self.noise.rotate, seed=self.seed)
            world.noise.append(phone)
        return world


def load_scenario(path: Path) -> Scenario:
    """Read a scenario. Raises ConfigError with every fault of the file."""
    return load_model(read_file(path), str(path), Scenario)


def _following(address: str, number: int) -> str:
    """Return the address so many further on."""
    if address.startswith("lora:"):
        return f"lora:{int(address.removeprefix('lora:')) + number}"
    value = (int(address.replace(":", ""), 16) + number) % (1 << 48)
    return value.to_bytes(6, "big").hex(":").upper()
