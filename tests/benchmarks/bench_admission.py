"""What an advertisement costs that is not for us: unlisted, or a repeat.

Rounds of unmodified bleak with an empty callback tell what bleak takes for one; rounds with ours
in its place alternate with them. What we add is timed inside those rounds, call by call, with the
processor's caches as cold as they then are, less what the same clock says of the empty callback. A
loop over our callback alone would be warm and flatter us several times over: the note says by how
much. The difference of the rounds is noisier; it stands in the note too.

Advertisements come one by one, as one radio hears them. Ten that wait in the socket together cost
bleak about half of that each, and us less too: that share is in the note.
"""

import asyncio
import time
from collections.abc import Callable
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

import msgspec
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
_CALLS: Final = 50_000
_UNINTERRUPTED: Final = 98  # percent of the calls
LISTED: Final = {"unlisted": 0, "repeated": STEADY_DEVICES}  # -> devices that are listed

Callback = Callable[[BLEDevice, AdvertisementData], None]


class Switch:
    """The callback bleak is given: counts, and passes on to whoever is measured now."""

    def __init__(self) -> None:
        self.target: Callback = empty
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


class Timed:
    """A callback under the clock."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self.last: tuple[BLEDevice, AdvertisementData] | None = None
        self._took_ns: list[int] = []

    def __call__(self, device: BLEDevice, data: AdvertisementData) -> None:
        before = time.perf_counter_ns()
        self.callback(device, data)
        self._took_ns.append(time.perf_counter_ns() - before)
        self.last = device, data

    def take_mean_ns(self) -> float:
        """Return the mean since the last call, without the slowest: there we were interrupted."""
        took, self._took_ns = sorted(self._took_ns), []
        return fmean(took[: len(took) * _UNINTERRUPTED // 100])


class Costs(msgspec.Struct, frozen=True):
    """What one round costs per advertisement: all of it, and the callback alone."""

    whole_ns: float
    callback_ns: float


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

    def flush(self) -> float:
        """Have nothing to let go."""
        return 0.0


def measure(*, quick: bool) -> list[Row]:
    """Measure both."""
    return asyncio.run(_measure(rounds=2 if quick else 11, count=1000))


async def _measure(rounds: int, count: int) -> list[Row]:
    switch = Switch()
    targets = {name: Timed(_ours(listed)) for name, listed in LISTED.items()}
    targets["bleak"] = Timed(empty)
    costs: dict[tuple[str, int], list[Costs]] = {}
    async with simulated_air() as air, scanner(switch):
        await _round(air, switch, targets["bleak"], count, 1)
        for burst in (1, _TOGETHER) * rounds:
            for name, target in targets.items():
                cost = await _round(air, switch, target, count, burst)
                costs.setdefault((name, burst), []).append(cost)
    medians = {
        key: Costs(median(c.whole_ns for c in of), median(c.callback_ns for c in of))
        for key, of in costs.items()
    }
    return [_row(name, targets[name], medians) for name in LISTED]


async def _round(air: Air, switch: Switch, target: Timed, count: int, burst: int) -> Costs:
    """Send so many; what each took of this process's CPU."""
    switch.target = target
    switch.expect(count)
    order = Order(kind="steady", count=count, per_second=_PER_SECOND, burst=burst)
    before = time.process_time_ns()
    await air.send(order)
    await switch.complete()
    whole_ns = (time.process_time_ns() - before) / count
    return Costs(whole_ns, target.take_mean_ns())


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
    return Scanner("hci0", "ble:hci0", pipeline).on_advertisement


def _row(name: str, target: Timed, costs: dict[tuple[str, int], Costs]) -> Row:
    def added_ns(burst: int) -> float:
        return costs[name, burst].callback_ns - costs["bleak", burst].callback_ns

    bleak_ns, together_ns = (costs["bleak", burst].whole_ns for burst in (1, _TOGETHER))
    note = (
        f"callback {added_ns(1) / 1000:.1f} us (warm {_warm_ns(target) / 1000:.1f} us), bleak"
        f" {bleak_ns / 1000:.1f} us; difference of rounds"
        f" {(costs[name, 1].whole_ns - bleak_ns) / 1000:+.1f} us;"
        f" ten at once {100 * added_ns(_TOGETHER) / together_ns:.1f} %"
    )
    title = f"CPU for {name} advertisements, beyond bleak's"
    return at_most(title, LIMIT_PERCENT, 100 * added_ns(1) / bleak_ns, "% of bleak's", note)


def _warm_ns(target: Timed) -> float:
    """Return the time of the callback in a loop of its own."""
    assert target.last is not None
    device, data = target.last
    before = time.process_time_ns()
    for _ in range(_CALLS):
        target.callback(device, data)
    return (time.process_time_ns() - before) / _CALLS
