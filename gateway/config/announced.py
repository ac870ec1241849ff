"""What the platform is told of a gateway or a device once, not with each observation."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.quantities import Duration
from gateway.config.section import Label, Number, Section, Slug, fault
from gateway.core import terms
from gateway.core.properties import TABLE

_NAMES = [line.split(" ", 1)[0] for line in TABLE.split("\n") if line]


def _known_property(name: str) -> str:
    if not terms.known(name):
        why = f"{quoted(name)} is not in the vocabulary{did_you_mean(name, _NAMES)}"
        raise fault(why)
    return name


ObservedProperty = Annotated[str, AfterValidator(_known_property), Field(max_length=64)]


class LocationSettings(Section):
    """A place on the earth (WGS 84)."""

    lat: Number = Field(ge=-90, le=90)
    """Latitude in degrees, north positive."""
    lon: Number = Field(ge=-180, le=180)
    """Longitude in degrees, east positive."""
    alt_m: Number | None = Field(default=None, ge=-500, le=9000)
    """Altitude above sea level in metres."""
    height_above_ground_m: Number | None = Field(default=None, ge=-500, le=1000)
    """Height above ground in metres, for what hangs on a mast."""


class PropertySettings(Section):
    """What is known of one quantity a device measures, beyond its name."""

    observed_property: ObservedProperty
    """Its name in the vocabulary."""
    channel: Slug | None = None
    """The probe, axis or phase, where there is more than one."""
    statistic: Literal["instant", "mean", "min", "max", "sum", "count"] | None = None
    """What the value is, over its period."""
    period_ns: Annotated[int, Duration("1s", "31d")] | None = Field(default=None, alias="period")
    """The time a value stands for."""
    calibration: Label | None = None
    """How and when it was calibrated."""
