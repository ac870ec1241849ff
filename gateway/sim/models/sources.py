"""Where the values of a simulated sensor come from: weather, a battery, counters, what is given.

All sources of a sensor draw from its one chance, and as much whether their values are given or
not: so giving one leaves all others as they were.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final, Protocol

import msgspec

from gateway.sim.models.model import Quantity, Value
from gateway.sim.models.values import Given, type_of

_PULL: Final = 0.02  # of the way back to its mean, with each step
_STEPS: Final = 50  # from the lowest of a given range to the highest
_BATTERY_EMPTY_V: Final = 2.0
_BATTERY_V_PER_PERCENT: Final = 0.01
_LOW_PERCENT: Final = 10
_CHANGES: Final = 0.05  # of a state or a text, per frame
_TROUBLE: Final = ("calibrating", "sensor_fault", "tamper_detected")  # states of bad days alone


class _Climate(msgspec.Struct, frozen=True):
    """Where a value begins, how far it goes from one frame to the next, and where it ends."""

    begins: tuple[float, float]
    step: float
    limits: tuple[float, float]


# Of a day outside or in a room. What is not here goes over the whole range of its format.
_CLIMATE: Final[Mapping[str, _Climate]] = {
    "air_temperature": _Climate((5, 25), 0.05, (-30, 50)),
    "relative_humidity": _Climate((40, 70), 0.2, (5, 100)),
    "atmospheric_pressure": _Climate((990, 1030), 0.04, (950, 1050)),
    "probe_temperature": _Climate((20, 60), 0.1, (0, 90)),
    "target_temperature": _Climate((60, 80), 0.0, (0, 90)),
    "dew_point": _Climate((2, 8), 0.05, (-20, 20)),
    "co2": _Climate((450, 900), 4, (400, 5000)),
    "pm1": _Climate((2, 8), 0.1, (0, 80)),
    "pm2_5": _Climate((4, 12), 0.2, (0, 150)),
    "pm4": _Climate((5, 15), 0.2, (0, 200)),
    "pm10": _Climate((6, 20), 0.3, (0, 300)),
    "voc_index": _Climate((80, 150), 2, (1, 500)),
    "nox_index": _Climate((1, 5), 0.2, (1, 500)),
    "illuminance": _Climate((100, 800), 5, (0, 100_000)),
    "soil_moisture": _Climate((20, 50), 0.1, (0, 100)),
    "soil_ec": _Climate((200, 900), 2, (0, 5000)),
    "acceleration": _Climate((-1, 1), 0.02, (-20, 20)),
    "tx_power": _Climate((4, 4), 0.0, (4, 4)),
    "measured_power": _Climate((-59, -59), 0.0, (-59, -59)),
    "measurement_interval": _Climate((300, 300), 0.0, (300, 300)),
    "radon_concentration": _Climate((20, 90), 1, (0, 1000)),
    "mass": _Climate((50, 90), 0.02, (0, 150)),
    "liquid_level": _Climate((0.1, 0.3), 0.0005, (0, 1)),
    "formaldehyde_mole_fraction": _Climate((5, 30), 0.2, (0, 500)),
    "device_temperature": _Climate((10, 25), 0.1, (-20, 60)),
    "soil_temperature": _Climate((5, 20), 0.05, (-10, 40)),
    "measurement_age": _Climate((0, 300), 20, (0, 300)),
    "measurement_quality": _Climate((100, 100), 0.0, (0, 100)),
    "beacon_major": _Climate((1, 9), 0.0, (0, 65_535)),
    "beacon_minor": _Climate((1, 99), 0.0, (0, 65_535)),
}


class Power:
    """A battery that empties frame by frame."""

    def __init__(self, percent: float, per_frame: float, floor: float) -> None:
        self.percent = percent
        self._per_frame = per_frame
        self._floor = floor

    def drain(self) -> None:
        """Take what a frame takes."""
        self.percent = max(self._floor, self.percent - self._per_frame)


class Nature(msgspec.Struct, frozen=True, kw_only=True):
    """What a sensor's values are drawn from."""

    chance: Random
    power: Power
    every_s: float
    seed: str  # for chances of their own


class Source(Protocol):
    """Where a value comes from."""

    @property
    def is_fixed(self) -> bool:
        """Whether it can be the same in every frame, so that it tells none apart."""
        ...

    def next(self, serial: int, /) -> Value:
        """Return the value in the frame of this serial."""
        ...


class Walk:
    """A value that drifts: each step pulled back to its mean, none beyond its limits."""

    def __init__(
        self, chance: Random, mean: float, step: float, limits: tuple[float, float]
    ) -> None:
        self._chance = chance
        self._mean = mean
        self._step = step
        self._limits = limits
        self._value = mean
        self.is_fixed = not step

    def next(self, _serial: int = 0, /) -> float:
        """Take one step and return where it led."""
        pulled = self._value + (self._mean - self._value) * _PULL
        low, high = self._limits
        self._value = min(high, max(low, pulled + self._chance.gauss(0, self._step)))
        return self._value


class _Constant:
    """A value that is always the same."""

    is_fixed = True

    def __init__(self, value: Value) -> None:
        self._value = value

    def next(self, _serial: int, /) -> Value:
        return self._value


class _Instead:
    """A given source. What would have been drawn for the usual one is drawn, and forgotten."""

    def __init__(self, given: Source, usual: Source) -> None:
        self._given = given
        self._usual = usual
        self.is_fixed = given.is_fixed

    def next(self, serial: int, /) -> Value:
        self._usual.next(serial)
        return self._given.next(serial)


class _Called:
    """A value that follows from another."""

    is_fixed = False

    def __init__(self, value: Callable[[int], Value]) -> None:
        self._value = value

    def next(self, serial: int, /) -> Value:
        return self._value(serial)


class _State:
    """A state that changes now and then."""

    is_fixed = False

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._is_on = chance.random() < 1 / 2

    def next(self, _serial: int, /) -> bool:
        self._is_on ^= self._chance.random() < _CHANGES
        return self._is_on


class _Choice:
    """One text of several, another one now and then: no number, so it tells no frames apart."""

    is_fixed = True

    def __init__(self, chance: Random, choices: tuple[str, ...]) -> None:
        self._chance = chance
        self._choices = choices
        self._text = choices[0]

    def next(self, _serial: int, /) -> str:
        if self._chance.random() < _CHANGES:
            self._text = self._chance.choice(self._choices)
        return self._text


def source(quantity: Quantity, nature: Nature, given: Given | None) -> Source:
    """Return where a sensor has a value from; `given` instead of what the weather would be."""
    usual = _usual(quantity, nature)
    if given is None:
        return usual
    if not isinstance(given, (tuple, list)):
        return _Instead(_Constant(given), usual)
    low, high = given
    chance = Random(f"{nature.seed}/{quantity.name}")  # noqa: S311 - has to be repeatable
    walk = Walk(chance, chance.uniform(low, high), (high - low) / _STEPS, (low, high))
    return _Instead(walk, usual)


def _usual(quantity: Quantity, nature: Nature) -> Source:
    if quantity.counts:
        return _Called(lambda serial: serial % quantity.counts)
    if quantity.choices:
        return _Choice(nature.chance, quantity.choices)
    if quantity.observed_property in _TROUBLE:
        return _Constant(value=False)
    derived = _DERIVED.get(quantity.observed_property)
    if derived is not None:
        return _Called(lambda serial: derived(nature, serial, quantity))
    if type_of(quantity) == "boolean":
        return _State(nature.chance)
    return _walk(quantity, nature.chance)


def _walk(quantity: Quantity, chance: Random) -> Walk:
    """Return a drift within what the climate and the format both allow."""
    low, high = quantity.low, quantity.high
    known = _CLIMATE.get(quantity.observed_property)
    climate = known or _Climate((low, high), (high - low) / 1000, (low, high))
    limits = (_within(climate.limits[0], quantity), _within(climate.limits[1], quantity))
    mean = min(limits[1], max(limits[0], chance.uniform(*climate.begins)))
    return Walk(chance, mean, climate.step, limits)


def _within(value: float, quantity: Quantity) -> float:
    return min(quantity.high, max(quantity.low, value))


def _level(nature: Nature, _: int, quantity: Quantity) -> Value:
    return _within(nature.power.percent, quantity)


def _voltage(nature: Nature, _: int, quantity: Quantity) -> Value:
    return _within(_BATTERY_EMPTY_V + nature.power.percent * _BATTERY_V_PER_PERCENT, quantity)


def _is_low(nature: Nature, _: int, __: Quantity) -> Value:
    return nature.power.percent < _LOW_PERCENT


def _uptime(nature: Nature, serial: int, quantity: Quantity) -> Value:
    return _within(float(int(serial * nature.every_s)), quantity)


_DERIVED: Final[Mapping[str, Callable[[Nature, int, Quantity], Value]]] = {
    "battery_level": _level,
    "battery_voltage": _voltage,
    "battery_low": _is_low,
    "uptime": _uptime,
}
