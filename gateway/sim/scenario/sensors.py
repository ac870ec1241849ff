"""The sensors of a scenario: what they send, how they are heard, where they go."""

from collections.abc import Iterator
from random import Random
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway.config import Duration, Section
from gateway.config.devices import canonical_address
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.section import Fault, Label, Number, Whole, fault, refuse
from gateway.sim.models.values import faults
from gateway.sim.scenario.fields import (
    NS_PER_S,
    HexKey,
    NumberAs,
    Probability,
    Span,
    pairs,
)
from gateway.sim.scenario.surroundings import Battery, Rssi
from gateway.sim.sensors import MODELS, SensorOptions

NOWHERE = "nowhere"
_KEY_BYTES = 16
_LORA_HIGHEST = 65_535

Value = Number | bool | str | tuple[Number, Number]


def _known_model(model: str) -> str:
    if model not in MODELS:
        why = f"there is no model of a sensor {quoted(model)}{did_you_mean(model, MODELS)}"
        raise fault(why)
    return model


class MoveScenario(Section):
    """A change of place: a sensor in a tram, on a bin, behind a lorry."""

    at_ns: Span = Field(alias="at")
    """When, from the start on."""
    to: str = Field(min_length=1, max_length=64)
    """The gateway that hears it from then on, alone; or nowhere."""
    rssi: Whole | None = Field(default=None, ge=-110, le=-20)
    """How strong, in dBm; by default as before."""


class SensorScenario(Section):
    """One sensor, or several of a kind with consecutive addresses."""

    model: Annotated[str, AfterValidator(_known_model)]
    """What it sends."""
    address: Annotated[str, AfterValidator(canonical_address)]
    """Bluetooth LE "C0:FF:EE:00:00:01" (in quotes), or lora:17; the first one of several."""
    address_type: Literal["public", "random"] = "public"
    """Bluetooth LE only."""
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
    rssi: Annotated[Rssi, NumberAs("mean")] = Rssi()
    """Signal strength in dBm, about; or {mean: -78, sd: 4}."""
    snr: Whole = Field(default=8, ge=-20, le=12)
    """LoRa only: signal-to-noise ratio in dB, about."""
    payload: Literal["hex", "raw"] = "hex"
    """LoRa only: how the payload travels."""
    key: HexKey | None = None
    """Encrypted only: its key; without one, the seed gives it one."""
    values: dict[str, Value] = Field(default_factory=dict[str, Value], max_length=64)
    """Values that are fixed (temperature: 21.5) or kept between two (temperature: [2, 8])."""
    battery: Annotated[Battery, NumberAs("percent")] = Battery()
    """In percent at the start; or {percent: 80, life: 30d}."""
    heard_by: tuple[str, ...] = ()
    """The gateways that hear it; without it all."""
    moves: tuple[MoveScenario, ...] = ()
    """Where it goes, in the order of time."""

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
        for name, why in faults(MODELS[self.model], pairs(self.values)):
            yield ("values", name), why
        for index, move in enumerate(self.moves[1:]):
            if move.at_ns <= self.moves[index].at_ns:
                yield ("moves", index + 1, "at"), "not after the move above"

    def named_gateways(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield the gateways it speaks of, and where."""
        for place, name in enumerate(self.heard_by):
            yield ("heard_by", place), name
        for place, move in enumerate(self.moves):
            if move.to != NOWHERE:
                yield ("moves", place, "to"), move.to

    def expand(self, seed: int) -> Iterator[SensorOptions]:
        """Yield each of them."""
        for number in range(self.count):
            address = following(self.address, number)
            name = self.name or ""
            yield SensorOptions(
                model=self.model,
                address=address,
                address_type=self.address_type,
                every_s=self.every_ns / NS_PER_S,
                jitter=self.jitter,
                loss=self.loss,
                rssi_dbm=self.rssi.mean,
                snr_db=self.snr,
                copies=self.copies,
                key=self._key(address, seed),
                payload=self.payload,
                name=f"{name} {number + 1}" if name and self.count > 1 else name,
                values=pairs(self.values),
                **self._power(),
            )

    def faster(self, times: float) -> Self:
        """Return it so many times as often on the air, and as soon where it goes."""
        moves = tuple(
            move.model_copy(update={"at_ns": round(move.at_ns / times)}) for move in self.moves
        )
        return self.model_copy(update={"every_ns": round(self.every_ns / times), "moves": moves})

    def _power(self) -> dict[str, Any]:
        life_ns = self.battery.life_ns
        return {
            "battery_percent": self.battery.percent,
            "battery_life_s": 0.0 if life_ns is None else life_ns / NS_PER_S,
        }

    def _key(self, address: str, seed: int) -> bytes:
        if not MODELS[self.model].encrypted:
            return b""
        if self.key is not None:
            return bytes.fromhex(self.key)
        return Random(f"{seed}/key/{address}").randbytes(_KEY_BYTES)  # noqa: S311 - repeatable


def following(address: str, number: int) -> str:
    """Return the address so many further on."""
    if address.startswith("lora:"):
        return f"lora:{int(address.removeprefix('lora:')) + number}"
    value = (int(address.replace(":", ""), 16) + number) % (1 << 48)
    return value.to_bytes(6, "big").hex(":").upper()
