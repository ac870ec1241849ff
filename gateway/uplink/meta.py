"""The announcements: what the gateway is, and each of its devices, said once and retained.

They say what the configuration says, and of each device the properties that were observed. What
nobody configured is left out.
"""

import binascii
import decimal
from collections.abc import Collection, Iterator
from typing import Final

from gateway.config import DeviceSettings, LocationSettings, PropertySettings, Settings
from gateway.core import document, vocabulary
from gateway.core.document import Decimal, Fields, Items
from gateway.uplink.state import Key
from gateway.uplink.status import Pair

DEVICE_SCHEMA: Final = "ugw.device/1"
GATEWAY_SCHEMA: Final = "ugw.gateway/1"

MOST_PROPERTIES: Final = 64  # of a device; those that are configured come first

_NS_SCALE: Final = 9  # nanoseconds as decimals of a second


def device(urn: str, given: DeviceSettings, seen: Collection[Key]) -> bytes:
    """Render a device's announcement; `seen` are the properties observed so far.

    `metaRev` is the CRC-32 of all the rest: equal announcements have equal numbers, on every
    gateway and after every restart, and nobody has to remember one.
    """
    properties = _properties(given.properties, seen)
    content = (*_about(given), *_given(("properties", properties)))
    head: tuple[Pair, ...] = (("schema", DEVICE_SCHEMA), ("device", urn))
    revision = max(1, binascii.crc32(document.render((*head, *content)).encode()))
    return document.render((*head, ("metaRev", revision), *content)).encode()


def device_parts(given: DeviceSettings) -> tuple[str, list[tuple[str, str, str]]]:
    """Render what a device's announcement says of it, for an ESP32, which puts it together.

    The fields between `metaRev` and `properties`, each after a comma; of each property that is
    configured its name, its channel, and what is known beyond its unit, each after a comma.
    """
    properties = [
        (each.observed_property, each.channel or "", _after_comma(tuple(_known(each))))
        for each in given.properties
    ]
    return _after_comma(tuple(_about(given))), properties


def _after_comma(pairs: tuple[Pair, ...]) -> str:
    return "," + document.render(pairs)[1:-1] if pairs else ""


def gateway(settings: Settings, software: str) -> bytes:
    """Render the gateway's announcement; `software` is its name and version."""
    given = settings.gateway
    transports = [Fields(("name", t.name), ("kind", t.kind)) for t in settings.transports]
    pairs: tuple[Pair, ...] = (
        ("schema", GATEWAY_SCHEMA),
        ("org", given.org),
        ("gateway", given.id),
        *_given(
            ("name", given.name),
            ("location", _location(given.location)),
            ("hardware", given.hardware),
        ),
        ("software", software),
        ("transports", Items(*transports)),
        ("devices", len(settings.devices)),
    )
    return document.render(pairs).encode()


def _about(given: DeviceSettings) -> Iterator[Pair]:
    return _given(
        ("name", given.name),
        ("driver", given.driver),
        ("model", given.model),
        ("manufacturer", given.manufacturer),
        ("firmware", given.firmware),
        ("medium", given.medium),
        ("class", given.klass),
        ("expectedIntervalS", _seconds(given.expected_interval_ns)),
        ("location", _location(given.location)),
        ("site", given.site),
    )


def _given(*pairs: Pair) -> Iterator[Pair]:
    return (pair for pair in pairs if pair[1] is not None)


def _properties(given: Collection[PropertySettings], seen: Collection[Key]) -> Items | None:
    configured = {(each.observed_property, each.channel or ""): each for each in given}
    known = [*configured, *(key for key in seen if key not in configured)][:MOST_PROPERTIES]
    told = [_property(key, configured.get(key)) for key in sorted(known)]
    return Items(*told) if told else None


def _property(key: Key, given: PropertySettings | None) -> Fields:
    name, channel = key
    pairs = [
        ("observedProperty", name),
        ("channel", channel or None),
        ("unit", vocabulary.unit(name)),
    ]
    return Fields(*_given(*pairs), *(() if given is None else _known(given)))


def _known(given: PropertySettings) -> Iterator[Pair]:
    return _given(
        ("statistic", given.statistic),
        ("periodS", _seconds(given.period_ns)),
        ("calibration", given.calibration),
    )


def _location(given: LocationSettings | None) -> Fields | None:
    if given is None:
        return None
    pairs = (
        ("lat", _number(given.lat)),
        ("lon", _number(given.lon)),
        ("altM", _number(given.alt_m)),
        ("heightAboveGroundM", _number(given.height_above_ground_m)),
    )
    return Fields(*_given(*pairs))


def _seconds(ns: int | None) -> Decimal | None:
    return None if ns is None else Decimal(ns, _NS_SCALE)


def _number(configured: float | None) -> Decimal | None:
    """Return the decimal that was written: the shortest that reads as this float is it."""
    if configured is None:
        return None
    sign, digits, exponent = decimal.Decimal(repr(configured)).as_tuple()
    if not isinstance(exponent, int):  # the configuration takes no infinity, and no NaN
        message = f"{configured} is no number to tell"
        raise TypeError(message)
    mantissa = int("".join(map(str, digits)))
    return Decimal(-mantissa if sign else mantissa, -exponent)
