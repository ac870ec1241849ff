"""A scenario: a world, what happens in it, and what is expected of the gateways in it."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from random import Random
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, model_validator
from pydantic_core import core_schema

from gateway.config import Duration, Section
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.section import Fault, Label, Whole, refuse
from gateway.sim.bench import Bench, BenchOptions, Level
from gateway.sim.scenario import staging
from gateway.sim.scenario.documents import yaml_text
from gateway.sim.scenario.expected import AnyExpectation
from gateway.sim.scenario.fields import LONGEST, NS_PER_S, Gateways, Terms
from gateway.sim.scenario.planned import AnyFault, FaultScenario, Occurrence
from gateway.sim.scenario.sensors import SensorScenario
from gateway.sim.scenario.surroundings import (
    AgentScenario,
    BluezScenario,
    BrokerScenario,
    ModemScenario,
    NoiseScenario,
)
from gateway.sim.sensors import MODELS
from gateway.sim.verbs.radios import Adapter, OnAdapter, OnDevice, OnModem
from gateway.sim.world import World

Planned = TypeVar("Planned", bound=Section)

_LEVELS: tuple[Level, ...] = ("inside", "process")


class Scenario(Section):
    """A world and what happens in it."""

    name: Label = "scenario"
    """What it is about."""
    seed: Whole = 1
    """The same seed, the same bytes."""
    duration_ns: Annotated[int, Duration("100ms", LONGEST)] | None = Field(
        default=None, alias="duration"
    )
    """How long; without one, until it is stopped."""
    gateways: Gateways = ("gw-sim",)
    """How many gateways there are, or their names; they share one broker."""
    adapters: tuple[Adapter, ...] = ("hci0",)
    """Bluetooth adapters, of each gateway."""
    bluez: BluezScenario = BluezScenario()
    """The bluetoothd that drives them."""
    modems: tuple[ModemScenario, ...] = ()
    """LoRa modems, of each gateway; each hears every packet."""
    broker: BrokerScenario = BrokerScenario()
    """The platform's broker."""
    settings: AgentScenario = AgentScenario()
    """The agent's settings, where they are not the usual ones."""
    sensors: tuple[SensorScenario, ...] = ()
    """The sensors that a site would list."""
    noise: NoiseScenario = NoiseScenario()
    """And those it would not."""
    breaks: tuple[AnyFault, ...] = Field(default=(), alias="faults")
    """What goes wrong."""
    expect: tuple[AnyExpectation, ...] = ()
    """What must hold: with it, a scenario is a test."""

    @model_validator(mode="after")
    def _check(self, info: core_schema.ValidationInfo[Any]) -> Self:
        refuse(
            chain(
                self._repeated(),
                self._misplaced(),
                self._overlapping(),
                self._elsewhere(),
                self._unexpectable(),
                self._unfit(Terms.of(info)),
            )
        )
        return self

    # ------------------------------------------------------------------------------ what is wrong
    def _misplaced(self) -> Iterator[Fault]:
        for index, planned in enumerate(self.breaks):
            targets = self.targets(planned)
            if targets is not None and not targets:
                why = f"{planned.do} needs something to break: there is none"
                yield ("faults", index, "do"), why
            elif planned.target is not None and planned.target not in (targets or ()):
                known = did_you_mean(planned.target, targets or ())
                yield (
                    ("faults", index, "on"),
                    f"there is no {quoted(planned.target)} here{known}",
                )
            if self.duration_ns is not None and planned.starts_ns >= self.duration_ns:
                yield ("faults", index, "at"), "is not before the end of the scenario"

    def _overlapping(self) -> Iterator[Fault]:
        for index, planned in enumerate(self.breaks):
            for earlier in self.breaks[:index]:
                if self._disturb(earlier, planned):
                    why = f"overlaps with the {earlier.do} above: one fault of a part at a time"
                    yield ("faults", index, "at"), why

    def _disturb(self, one: FaultScenario, other: FaultScenario) -> bool:
        """Whether two faults break the same thing at the same time; repeated ones take turns."""
        part = self._part(one)
        return (
            bool(part)
            and part == self._part(other)
            and not (one.every_ns or other.every_ns)
            and (None in (one.gateway, other.gateway) or one.gateway == other.gateway)
            and one.starts_ns <= other.end_ns
            and other.starts_ns <= one.end_ns
        )

    def _part(self, planned: FaultScenario) -> str:
        if planned.verb.part != "usb":
            return planned.verb.part
        targets = self.targets(planned) or ()
        on = planned.target or (targets[0] if targets else "")
        return "ble" if on in self.adapters else "serial"

    def _repeated(self) -> Iterator[Fault]:
        names = [modem.name for modem in self.modems]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("modems", index, "name"), "a modem above has this name already"
        for index, gateway in enumerate(self.gateways):
            if gateway in self.gateways[:index]:
                yield ("gateways", index), "a gateway above has this name already"
        seen: set[str] = set()
        for index, sensor in enumerate(self.sensors):
            addresses = {one.address for one in sensor.expand(self.seed)}
            if addresses & seen:
                yield ("sensors", index, "address"), "a sensor above has this address already"
            seen |= addresses
            if MODELS[sensor.model].medium == "lora" and not self.modems:
                yield ("sensors", index, "model"), f"{sensor.model} is not heard without a modem"

    def _elsewhere(self) -> Iterator[Fault]:
        """Yield names of gateways that there are not."""
        for where, name in self._named_gateways():
            if name not in self.gateways:
                yield (
                    where,
                    f"there is no gateway {quoted(name)}{did_you_mean(name, self.gateways)}",
                )

    def _named_gateways(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for index, planned in enumerate(self.breaks):
            if planned.gateway is not None:
                yield ("faults", index, "gateway"), planned.gateway
        for index, expected in enumerate(self.expect):
            if expected.gateway is not None:
                yield ("expect", index, "gateway"), expected.gateway
        for index, sensor in enumerate(self.sensors):
            for where, name in sensor.named_gateways():
                yield ("sensors", index, *where), name

    def _unexpectable(self) -> Iterator[Fault]:
        if self.expect and self.duration_ns is None:
            yield ("expect",), "a scenario that expects something has a duration"
        planned = {fault.verb.name for fault in self.breaks}
        aliases = {fault.do for fault in self.breaks}
        for index, expected in enumerate(self.expect):
            if expected.after is not None and expected.after not in planned | aliases:
                yield ("expect", index, "after"), f"no {expected.after} is among the faults"
            if (expected.at_ns or 0) > (self.duration_ns or expected.at_ns or 0):
                yield ("expect", index, "at"), "is after the end of the scenario"

    def _unfit(self, terms: Terms) -> Iterator[Fault]:
        if self.broker.kind == "scripted":
            return
        if terms.level == "inside":
            yield ("broker", "kind"), f"{self.broker.kind} is a real broker: on the level process"
        for index, planned in enumerate(self.breaks):
            if planned.verb.scripted:
                yield (
                    ("faults", index, "do"),
                    f"{self.broker.kind} does not do that: scripted does",
                )
        if self.broker.model_fields_set - {"kind"}:
            yield ("broker",), f"what {self.broker.kind} offers is its own: only kind is for it"

    # ---------------------------------------------------------------------------------- questions
    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels on which it can be played."""
        is_real = self.broker.kind != "scripted"
        needs = [fault.verb.levels for fault in self.breaks]
        needs += [expected.expectation.levels for expected in self.expect]
        return tuple(
            level
            for level in _LEVELS
            if all(level in each for each in needs) and not (is_real and level == "inside")
        )

    @property
    def duration_s(self) -> float | None:
        """How long, in seconds."""
        return None if self.duration_ns is None else self.duration_ns / NS_PER_S

    def targets(self, planned: FaultScenario) -> tuple[str, ...] | None:
        """Return what a fault can be on: adapters, or modems; None: on nothing of the kind."""
        modems = tuple(modem.name for modem in self.modems)
        if isinstance(planned, OnAdapter):
            return self.adapters
        if isinstance(planned, OnModem):
            return modems
        return (*self.adapters, *modems) if isinstance(planned, OnDevice) else None

    def occurrences(self, planned: FaultScenario, index: int) -> Iterator[Occurrence]:
        """Yield when a fault happens, by the seed."""
        chance = Random(f"{self.seed}/fault/{index}")  # noqa: S311 - has to be repeatable
        return planned.occurrences(chance, self.duration_ns)

    # ----------------------------------------------------------------------------------- staging
    def benches(self, *, directory: Path | None = None) -> list[BenchOptions]:
        """Return what each gateway's bench begins with; `furnish` puts in the rest."""
        return staging.benches(self, directory=directory)

    def furnish(self, bench: Bench) -> None:
        """Put into an entered bench what its options do not say: noise, journeys, settings."""
        staging.furnish(self, bench)

    def configure(self, bench: Bench) -> None:
        """Put the agent's settings into a configuration that was written without them."""
        staging.configure(self, bench)

    def world(self) -> World:
        """Make the hardware alone, for an agent that runs beside it; it is not started."""
        return staging.world_of(self)

    def faster(self, times: float) -> Self:
        """Return it with everything so many times as often and as short."""
        return self.model_copy(
            update={
                "duration_ns": _part(self.duration_ns, times),
                "sensors": tuple(sensor.faster(times) for sensor in self.sensors),
                "noise": self.noise.model_copy(
                    update={"every_ns": _part(self.noise.every_ns, times)}
                ),
                "breaks": tuple(_sooner(fault, times) for fault in self.breaks),
                "expect": tuple(_sooner(expected, times) for expected in self.expect),
            }
        )

    def to_yaml(self, comment: str = "") -> str:
        """Return it as a file that can be read again."""
        return yaml_text(self.written(), comment)

    def written(self) -> Mapping[str, Any]:
        """Return it as it stands in a file: what was given, and nothing else."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _part(span_ns: int | None, times: float) -> int | None:
    return None if span_ns is None else round(span_ns / times)


def _sooner(planned: Planned, times: float) -> Planned:
    """Return a fault or an expectation with its times shorter; how long may be waited stays."""
    names = ("at_ns", "for_ns", "every_ns", "until_ns")
    spans = {name: getattr(planned, name) for name in names if hasattr(planned, name)}
    changed = {name: _part(span_ns, times) for name, span_ns in spans.items()}
    return planned.model_copy(update=changed)
