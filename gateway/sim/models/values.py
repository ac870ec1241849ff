"""Values that are given to a simulated sensor, in the words of the vocabulary or of people.

What a model does not measure, or cannot send, is refused here, by name and with the reason.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.core import vocabulary
from gateway.sim.models.model import Model, Quantity, Value

Given = Value | tuple[float, float] | list[float]  # constant, or between two

_BOUNDS: Final = 2  # lowest and highest

# What people say, and the properties that they may mean, the likeliest first.
_SPOKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "temperature": (
        "air_temperature",
        "probe_temperature",
        "water_temperature",
        "body_temperature",
    ),
    "humidity": ("relative_humidity",),
    "pressure": ("atmospheric_pressure",),
    "battery": ("battery_level", "battery_voltage"),
    "moisture": ("soil_moisture",),
    "motion": ("motion_detected",),
    "radon": ("radon_concentration",),
}


def type_of(quantity: Quantity) -> str:
    """Return what the vocabulary says it is: number, integer, boolean or string."""
    try:
        return vocabulary.lookup(quantity.observed_property).type
    except KeyError:
        return "number"


def meant(model: Model, name: str) -> Quantity | None:
    """Return what somebody means who says a value's name: `temperature` will do; None: nothing."""
    by_name = {one.name: one for one in model.sends}
    for candidate in (name, *_SPOKEN.get(name, ())):
        if candidate in by_name:
            return by_name[candidate]
    return None


def faults(model: Model, values: Mapping[str, Given]) -> Iterator[tuple[str, str]]:
    """Yield (name, what is wrong) of values that are given: not measured, or not to be sent."""
    for name, given in values.items():
        quantity = meant(model, name)
        if quantity is None:
            known = ", ".join(one.name for one in model.sends)
            yield name, f"it does not measure that; it measures {known}"
        elif quantity.counts:
            yield name, "it counts its frames there, so that they can be told apart"
        else:
            yield from ((name, what) for what in _misfits(quantity, given))


def _misfits(quantity: Quantity, given: Given) -> Iterator[str]:
    kind = type_of(quantity)
    if kind == "boolean":
        if not isinstance(given, bool):
            yield "it is true or false"
    elif kind == "string":
        if given not in quantity.choices:
            yield f"it is one of {', '.join(quantity.choices)}"
    elif isinstance(given, (str, bool)):
        yield "it is a number, or the lowest and the highest: [18, 24]"
    else:
        yield from _out_of_range(quantity, given)


def _out_of_range(
    quantity: Quantity, given: float | tuple[float, float] | list[float]
) -> Iterator[str]:
    bounds = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
    if len(bounds) != _BOUNDS:
        yield "it is a number, or the lowest and the highest: [18, 24]"
    elif not quantity.low <= bounds[0] <= bounds[1] <= quantity.high:
        yield f"it sends {quantity.low:g} to {quantity.high:g}, the lower one first"
