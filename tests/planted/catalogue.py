"""All planted defects, family by family."""

from collections.abc import Mapping, Sequence
from typing import Final

from tests.planted.defect import Defect
from tests.planted.families import (
    air,
    borders,
    medium,
    peers,
    power,
    process,
    uplink,
    years,
)

FAMILIES: Final[Mapping[str, Sequence[Defect]]] = {
    "peers": peers.DEFECTS,
    "power": power.DEFECTS,
    "medium": medium.DEFECTS,
    "process": process.DEFECTS,
    "uplink": uplink.DEFECTS,
    "air": air.DEFECTS,
    "borders": borders.DEFECTS,
    "years": years.DEFECTS,
}
DEFECTS: Final[Sequence[Defect]] = tuple(
    defect for defects in FAMILIES.values() for defect in defects
)
