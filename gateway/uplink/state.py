"""The state message: the last values of one device, flat, for dashboards.

A property once seen is always there, or templates that read it would break: null says that its
newest value is bad or missing. A last good value in its place would look as if it were of now.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core import document, wire
from gateway.core.document import Decimal
from gateway.model import Result

_WITHOUT_VALUE: Final = ("bad", "missing")

Key = tuple[str, str]  # observed property and channel, "" for the first


class Timing(msgspec.Struct, frozen=True):
    """When the newest values were heard: Unix time, None exactly if `quality` is `unknown`."""

    quality: str
    unix_ms: int | None = None


def render(
    device: str, timing: Timing, rssi_dbm: int | None, values: Mapping[Key, Result]
) -> bytes:
    """Render the newest result of each property and channel, in alphabetical order."""
    pairs: list[tuple[str, object]] = [("device", device)]
    if timing.unix_ms is not None:
        pairs.append(("time", wire.rfc3339_ms(timing.unix_ms)))
    pairs.append(("timeQuality", timing.quality))
    if rssi_dbm is not None:
        pairs.append(("rssi", rssi_dbm))
    pairs += sorted((name(key), _value(result)) for key, result in values.items())
    return document.render(pairs).encode()


def name(key: Key) -> str:
    """Return a property with its channel in one word: `air_temperature`, `acceleration.x`."""
    observed_property, channel = key
    return f"{observed_property}.{channel}" if channel else observed_property


def _value(result: Result) -> object:
    _, value, scale, _, quality, _ = result
    if quality in _WITHOUT_VALUE:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value, scale)
    return value
