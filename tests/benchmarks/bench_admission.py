"""What an advertisement costs that is not for us: unlisted, or a repeat.

Rounds of unmodified bleak with an empty callback tell what bleak takes for one. What we add is
measured twice: as the difference of rounds with our callback, which is honest and noisy, and as
the time of the callback itself on what bleak has just handed over. The verdict is the second's.

Advertisements come one by one, as one radio hears them. Ten that wait in the socket together cost
bleak about half of that each, so the same callback is then twice the share: the note says it.
"""

import asyncio
import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Final

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from gateway import assembly
from gateway.admission import Device
from gateway.clock import SystemClock
from gateway.health import Health
from gateway.model import Observation
from gateway.pipeline import Pipeline
from gateway.registry import discover
from gateway.transport.ble.scanner import Scanner
from tests.benchmarks import traffic
from tests.benchmarks.air import STEADY_DEVICES, Air, Order, simulated_air
from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.waiting import HANG_S

if TYPE_CHECKING:
    from bleak.args.bluez import BlueZScannerArgs

LIMIT_PERCENT: Final = 5.0
_PER_SECOND: Final = 1000.0
_TOGETHER: Final = 10
_CALLS: Final = 20_000

Callback = Callable[[BLEDevice, AdvertisementData], None]


class Switch:
    """The callback bleak is given: counts, and passes on to whoever is measured now."""

    def __init__(self) -> None:
        self.target: Callback = empty
        self.seen: list[tuple[BLEDevice, AdvertisementData]] = []
        self._missing = 0
        self._complete = asyncio.Event()

    def __call__(self, device: BLEDevice, data: AdvertisementData) -> None:
        self.target(device, data)
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    def expect(self, count: int) -> None:
        """Begin a round of so many."""
        self._missing = count
        self._complete.clear()

    async def complete(self) -> None:
        """Return when all of the round have come."""
        await asyncio.wait_for(self._complete.wait(), HANG_S)

    def collect(self, device: BLEDevice, data: AdvertisementData) -> None:
        """Keep what bleak hands over: a callback of its own."""
        self.seen.append((device, data))


def empty(_device: BLEDevice, _data: AdvertisementData) -> None:
    """Do nothing: what is left is bleak."""


def scanner(callback: Callback) -> BleakScanner:
    """Return bleak as the transport sets it up for an active scan."""
    arguments: BlueZScannerArgs = {"adapter": "hci0", "filters": {"DuplicateData": True}}
    return BleakScanner(callback, scanning_mode="active", bluez=arguments)


class NoSink:
    """Delivery that must never be reached."""

    has_room = True

    async def room(self) -> None:
        """Never wait."""

    def offer(self, observation: Observation) -> None:
        """Fail: an observation came of what had to be turned away."""
        raise AssertionError(observation)


def measure(*, quick: bool) -> list[Row]:
    """Measure both."""
    return asyncio.run(_measure(rounds=3 if quick else 15, count=1000))


async def _measure(rounds: int, count: int) -> list[Row]:
    switch = Switch()
    targets = {"bleak": empty, "unlisted": _ours(0), "repeated": _ours(STEADY_DEVICES)}
    costs: dict[str, list[float]] = {name: [] for name in (*targets, "together")}
    async with simulated_air() as air, scanner(switch):
        switch.target = switch.collect
        await _round(air, switch, count)
        for _ in range(rounds):
            for name, target in targets.items():
                switch.target = target
                costs[name].append(await _round(air, switch, count))
            switch.target = empty
            costs["together"].append(await _round(air, switch, count, _TOGETHER))
    pairs = switch.seen
    assert len(pairs) == count
    costs_ns = {name: median(rounds_ns) for name, rounds_ns in costs.items()}
    empty_ns = _per_call(empty, pairs)
    return [
        _row(name, _per_call(targets[name], pairs) - empty_ns, costs_ns)
        for name in ("unlisted", "repeated")
    ]


async def _round(air: Air, switch: Switch, count: int, burst: int = 1) -> float:
    """Return this process's CPU time per advertisement, in ns."""
    switch.expect(count)
    order = Order(kind="steady", count=count, per_second=_PER_SECOND, burst=burst)
    before = time.process_time_ns()
    await air.send(order)
    await switch.complete()
    return (time.process_time_ns() - before) / count


def _ours(listed: int) -> Callback:
    """Return our callback, in front of a pipeline that lists so many of the devices."""
    clock = SystemClock("system")
    pipeline = Pipeline(
        [Device(address=traffic.address(n), urn=f"ugw:kiel:{n}") for n in range(listed)],
        registry=discover(),
        streams={stream.klass: stream for stream in assembly.mint_streams()},
        sink=NoSink(),
        health=Health(clock),
    )
    # What it hands to bleak; there is no other way to call it as bleak does.
    return Scanner("hci0", "ble:hci0", pipeline, clock)._on_advertisement  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def _row(name: str, ours_ns: float, costs_ns: dict[str, float]) -> Row:
    bleak_ns = costs_ns["bleak"]
    note = (
        f"callback {ours_ns / 1000:.2f} us, bleak {bleak_ns / 1000:.1f} us;"
        f" difference of rounds {(costs_ns[name] - bleak_ns) / 1000:+.1f} us;"
        f" ten at once {100 * ours_ns / costs_ns['together']:.1f} %"
    )
    title = f"CPU for {name} advertisements, beyond bleak's"
    return at_most(title, LIMIT_PERCENT, 100 * ours_ns / bleak_ns, "% of bleak's", note)


def _per_call(callback: Callback, pairs: list[tuple[BLEDevice, AdvertisementData]]) -> float:
    """Return the CPU time of one call, in ns: the median of eleven runs."""
    return median(_timed(callback, pairs) for _ in range(11))


def _timed(callback: Callback, pairs: list[tuple[BLEDevice, AdvertisementData]]) -> float:
    turns = _CALLS // len(pairs)
    before = time.process_time_ns()
    for _ in range(turns):
        for device, data in pairs:
            callback(device, data)
    return (time.process_time_ns() - before) / (turns * len(pairs))
