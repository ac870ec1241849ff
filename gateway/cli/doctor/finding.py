"""What was found about one link of the chain, as a number of the catalogue and its values.

A finding has no language: `language.tell` puts it into words. No chain is green in which the
broker has not acknowledged an observation.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Light(StrEnum):
    """How a link is, and the whole chain."""

    GREEN = "green"
    YELLOW = "yellow"
    """It works, but somebody should see to it."""
    RED = "red"
    """Nothing gets through here, or will be lost."""
    UNKNOWN = "unknown"
    """It was not tried, cannot be known, or is not there and need not be."""


class Link(StrEnum):
    """The links, in the order in which one looks at them."""

    POWER = "power"
    DISK = "disk"
    TIME = "time"
    NETWORK = "network"
    NAME = "name"
    TLS = "tls"
    BROKER = "broker"
    AGENT = "agent"
    ACKNOWLEDGEMENT = "acknowledgement"
    BLUETOOTH = "bluetooth"
    LORA = "lora"
    SENSOR = "sensor"


Value = str | int | float


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One link, its light, and what is to be said: `id` is a sentence of the catalogue.

    `about` tells several of one link apart: which radio, which sensor.
    """

    link: Link
    light: Light
    id: str
    about: str = ""
    values: Mapping[str, Value] = msgspec.field(default_factory=dict[str, Value])


_WORST: Final = (Light.RED, Light.YELLOW)


def overall(findings: Iterable[Finding]) -> Light:
    """Return the light of the chain: the worst of its links, green only with an acknowledgement.

    What is not known changes nothing.
    """
    seen = {finding.light for finding in findings}
    acknowledged = is_acknowledged(findings)
    return next((light for light in _WORST if light in seen), None) or (
        Light.GREEN if acknowledged else Light.RED
    )


def is_acknowledged(findings: Iterable[Finding]) -> bool:
    """Whether the broker has acknowledged an observation of this gateway, end to end."""
    return any(
        finding.link is Link.ACKNOWLEDGEMENT and finding.light is Light.GREEN
        for finding in findings
    )
