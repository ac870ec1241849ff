"""From a scenario to what it is played on: benches, or bare hardware for an agent beside it."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec
from ruamel.yaml import YAML

from gateway.sim.air import Air
from gateway.sim.bench import Bench, BenchOptions
from gateway.sim.emissions import Emission
from gateway.sim.scenario.fields import NS_PER_S
from gateway.sim.scenario.sensors import SensorScenario, following
from gateway.sim.sensors import Beacon, Phone, Sensor, SensorOptions
from gateway.sim.verbs.radios import modems_of
from gateway.sim.world import World

if TYPE_CHECKING:
    from gateway.sim.scenario.model import Scenario

_RSSI_RANGE: Final = (-110, -20)
_NEIGHBOUR: Final = "D0:0D:AD:00:00:01"  # and the following
_LAUNCHED: Final = ("disk.", "clock.")  # faults that a real process needs a launcher for


class Stay(NamedTuple):
    """Where a sensor is from a time on. `rssi_dbm` None: as it is everywhere."""

    from_s: float
    is_heard: bool
    rssi_dbm: int | None


class Wanderer(Sensor):
    """A sensor that comes and goes, or is heard now better and now worse.

    It sends the same bytes at the same times as one that stays; who does not hear it, gets
    nothing.
    """

    def __init__(
        self, options: SensorOptions, *, seed: int, stays: tuple[Stay, ...], sd_db: float | None
    ) -> None:
        super().__init__(options, seed=seed)
        self._stays = stays  # the newest that has begun counts; before the first, it is heard
        self._sd_db = sd_db
        self._spread = Random(f"{seed}/rssi/{options.address}")  # noqa: S311 - repeatable
        self._at_s = 0.0

    def first_s(self) -> float:
        """Return a phase of its own within the first interval."""
        self._at_s = super().first_s()
        return self._at_s

    def gap_s(self) -> float:
        """Return the interval, give or take the jitter."""
        gap_s = super().gap_s()
        self._at_s += gap_s
        return gap_s

    def emit(self) -> Emission:
        """Measure and send, and be heard or not."""
        emission = super().emit()
        stay = self._stay()
        if not stay.is_heard:
            return msgspec.structs.replace(emission, copies=())
        if stay.rssi_dbm is None and self._sd_db is None:
            return emission
        copies = (
            msgspec.structs.replace(one, rssi_dbm=self._rssi_dbm(stay)) for one in emission.copies
        )
        return msgspec.structs.replace(emission, copies=tuple(copies))

    def _stay(self) -> Stay:
        begun = [one for one in self._stays if one.from_s <= self._at_s]
        return begun[-1] if begun else Stay(0.0, is_heard=True, rssi_dbm=None)

    def _rssi_dbm(self, stay: Stay) -> int:
        mean = self.options.rssi_dbm if stay.rssi_dbm is None else stay.rssi_dbm
        drawn = self._spread.gauss(mean, 2.5 if self._sd_db is None else self._sd_db)
        return round(min(_RSSI_RANGE[1], max(_RSSI_RANGE[0], drawn)))


class Neighbour(Sensor):
    """A sensor of a known kind that the site does not list: a stranger."""

    def emit(self) -> Emission:
        """Send; nobody of ours waits for it."""
        return msgspec.structs.replace(super().emit(), serial=None)


# ----------------------------------------------------------------------------------------- benches
def benches(scenario: "Scenario", *, directory: Path | None = None) -> list[BenchOptions]:
    """Return what each gateway's bench begins with."""
    listed = [one for sensor in scenario.sensors for one in sensor.expand(scenario.seed)]
    return [
        BenchOptions(
            seed=scenario.seed,
            gateway=gateway,
            adapters=scenario.adapters,
            modems={modem.name: modem.model for modem in scenario.modems},
            sensors=listed,
            bluez=scenario.bluez.options(),
            broker=scenario.broker.kind,
            offer=scenario.broker.offer(),
            directory=None if directory is None else directory / gateway,
            launcher=any(fault.do.startswith(_LAUNCHED) for fault in scenario.breaks),
        )
        for gateway in scenario.gateways
    ]


def furnish(scenario: "Scenario", bench: Bench) -> None:
    """Put into an entered bench what its options do not say: noise, journeys, settings."""
    _furnish_air(scenario, bench.air, bench.options.gateway)
    for modem in scenario.modems:
        modems_of(bench)[modem.name].model.spurious_errors = modem.spurious_errors
    configure(scenario, bench)


def configure(scenario: "Scenario", bench: Bench) -> None:
    """Put the agent's settings into a configuration that was written without them."""
    settings = scenario.settings.written()
    if settings:
        _merge_into(bench.config, settings)


def _furnish_air(scenario: "Scenario", air: Air, gateway: str) -> None:
    travelling = dict(_wanderers(scenario, gateway))
    for index, sensor in enumerate(air.sensors):
        air.sensors[index] = travelling.get(sensor.options.address, sensor)
    every_s = scenario.noise.every_ns / NS_PER_S
    for number in range(scenario.noise.phones):
        rotate = scenario.noise.rotate
        air.noise.append(Phone(number, every_s=every_s, rotate=rotate, seed=scenario.seed))
    for number in range(scenario.noise.beacons):
        air.noise.append(Beacon(number, every_s=every_s, seed=scenario.seed))
    for number in range(scenario.noise.neighbours):
        address = following(_NEIGHBOUR, number)
        options = SensorOptions(model="bthome-v2", address=address, every_s=every_s)
        air.noise.append(Neighbour(options, seed=scenario.seed))


def _wanderers(scenario: "Scenario", gateway: str) -> Iterator[tuple[str, Wanderer]]:
    for sensor in scenario.sensors:
        stays = tuple(_stays(sensor, gateway))
        if stays or sensor.rssi.sd is not None:
            for options in sensor.expand(scenario.seed):
                sd_db = sensor.rssi.sd
                one = Wanderer(options, seed=scenario.seed, stays=stays, sd_db=sd_db)
                yield options.address, one


def _stays(sensor: SensorScenario, gateway: str) -> Iterator[Stay]:
    if sensor.heard_by:
        yield Stay(0.0, is_heard=gateway in sensor.heard_by, rssi_dbm=None)
    for move in sensor.moves:
        yield Stay(move.at_ns / NS_PER_S, is_heard=move.to == gateway, rssi_dbm=move.rssi)


def _merge_into(config: Path, settings: Mapping[str, Any]) -> None:
    """Write settings into a configuration, each where it belongs."""
    yaml = YAML(typ="safe", pure=True)
    document = cast("dict[str, Any]", yaml.load(config.read_text()))  # pyright: ignore[reportUnknownMemberType]
    _merge(document, settings)
    text = io.StringIO()
    yaml.dump(document, text)  # pyright: ignore[reportUnknownMemberType]
    config.write_text(text.getvalue())


def _merge(document: dict[str, Any], settings: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        before = document.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            _merge(cast("dict[str, Any]", before), cast("dict[str, Any]", value))
        else:
            document[key] = value


# -------------------------------------------------------------------------- for an agent beside it
def world_of(scenario: "Scenario") -> World:
    """Make the hardware of the first gateway, with its sensors and its noise; not started."""
    world = World(
        adapters=scenario.adapters,
        modems={modem.name: modem.model for modem in scenario.modems},
        bluez=scenario.bluez.options(),
        seed=scenario.seed,
    )
    for modem in scenario.modems:
        world.modems[modem.name].model.spurious_errors = modem.spurious_errors
    for sensor in scenario.sensors:
        for one in sensor.expand(scenario.seed):
            world.add_sensor(one)
    _furnish_air(scenario, world, scenario.gateways[0])
    return world
