"""How long an observation travels: from the air to a subscriber, through the real command.

It includes the simulated bluetoothd, the D-Bus daemon, bleak, the pace of 20 ms, and mosquitto on
both sides; sensors send 100 advertisements a second, unevenly.
"""

import asyncio
from collections.abc import Iterator, Mapping
from statistics import quantiles
from typing import Final

import msgspec

from gateway.sim.agent_config import device_name
from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.surroundings import Arrival, Site, site, thermometers
from tests.benchmarks.waiting import until

P50_MS: Final = 15.0
P99_MS: Final = 40.0
_SENSORS: Final = 100
_EVERY_S: Final = 1.0
_POLL_S: Final = 0.1


class _Result(msgspec.Struct, rename="camel"):
    observed_property: str
    result: int | float


class _Observation(msgspec.Struct):
    device: str
    results: list[_Result]


class _Bundle(msgspec.Struct):
    observations: list[_Observation]


def measure(*, quick: bool) -> list[Row]:
    """Measure both percentiles."""
    latencies_ms = asyncio.run(_measure(10.0 if quick else 30.0))
    percentiles = quantiles(latencies_ms, n=100)
    note = f"{len(latencies_ms):,} observations, the slowest {max(latencies_ms):.1f} ms"
    return [
        at_most("heard -> subscriber at 100/s, p50", P50_MS, percentiles[49], "ms", note),
        at_most("heard -> subscriber at 100/s, p99", P99_MS, percentiles[98], "ms"),
    ]


async def _measure(duration_s: float) -> list[float]:
    async with site(thermometers(_SENSORS, every_s=_EVERY_S)) as place, place.agent():
        await place.hears()
        place.world.sent_at_ns.clear()
        await place.world.run(duration_s)
        names = _names(place)
        sent = {(names[addr], serial) for addr, serial in place.world.sent_at_ns}
        await until(lambda: sent <= _arrived(place.arrivals).keys(), poll_s=_POLL_S)
        arrived = _arrived(place.arrivals)
        return [
            (arrived[names[addr], serial] - at_ns) / 1e6
            for (addr, serial), at_ns in place.world.sent_at_ns.items()
        ]


def _names(place: Site) -> Mapping[str, str]:
    """Return what messages call each sensor."""
    world = place.world
    return {s.options.address: device_name(s.options, world.agent) for s in world.sensors}


def _arrived(arrivals: list[Arrival]) -> Mapping[tuple[str, int], int]:
    """Return when each (device, serial) arrived; the serial is its property `count`."""
    return {key: arrival.at_ns for arrival in arrivals for key in _keys(arrival.payload)}


def _keys(payload: bytes) -> Iterator[tuple[str, int]]:
    for observation in msgspec.json.decode(payload, type=_Bundle).observations:
        for result in observation.results:
            if result.observed_property == "count":
                yield observation.device, int(result.result)
