"""All faults, family by family, in the order in which the page tells them."""

from collections.abc import Mapping, Sequence
from typing import Final

from tests.survival.families import air, borders, medium, power, process, uplink, years
from tests.survival.fault import Fault, Later

FAMILIES: Final[Mapping[str, Sequence[Fault]]] = {
    "The uplink: broker, network, names, certificates": uplink.FAULTS,
    "Power": power.FAULTS,
    "The medium": medium.FAULTS,
    "The process, and the computer it runs on": process.FAULTS,
    "The air and the wires": air.FAULTS,
    "Whatever comes in": borders.FAULTS,
    "Years": years.FAULTS,
}
LATER: Final[Sequence[Later]] = (*uplink.LATER, *borders.LATER)
