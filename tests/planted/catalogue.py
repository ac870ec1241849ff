"""All planted defects, family by family."""

from collections.abc import Sequence
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

DEFECTS: Final[Sequence[Defect]] = (
    *peers.DEFECTS,
    *power.DEFECTS,
    *medium.DEFECTS,
    *process.DEFECTS,
    *uplink.DEFECTS,
    *air.DEFECTS,
    *borders.DEFECTS,
    *years.DEFECTS,
)
