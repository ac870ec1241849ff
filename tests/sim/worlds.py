"""A simulated world per test, in a loop of its own, and what bleak hears in it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypedDict, Unpack

import pytest
from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.world import World

HANG_GUARD_S = 30.0
ADDRESS = "C0:FF:EE:00:00:01"
OTHER = "C0:FF:EE:00:00:02"
BTHOME = uuid_text(0xFCD2)
PATTERN = OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xd2\xfc")

Body = Callable[[World], Awaitable[None]]


class Options(TypedDict, total=False):
    """What a world can be made with."""

    adapters: tuple[str, ...]
    modems: tuple[str, ...]
    bluez: BluezOptions
    seed: int


class InWorld:
    """Runs an async test body in a started world that bleak takes for the machine's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, body: Body, **options: Unpack[Options]) -> None:
        """Start a world with these options, run the body, stop the world."""
        asyncio.run(self._live(body, options))

    async def _live(self, body: Body, options: Options) -> None:
        async with asyncio.timeout(HANG_GUARD_S):
            async with World(**options) as world:
                for name, value in world.environment().items():
                    self._monkeypatch.setenv(name, value)
                await body(world)
            # bleak keeps its connection per loop; it ends when the bus has gone.
            await until(lambda: len(asyncio.all_tasks()) == 1)


async def until(condition: Callable[[], bool]) -> None:
    """Return once it holds; the world's guard ends a hopeless wait."""
    while not condition():  # noqa: ASYNC110 - what is waited for is somebody else's
        await asyncio.sleep(0.002)


class Heard:
    """What a scanner's callback was given."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, AdvertisementData]] = []

    def __call__(self, device: BLEDevice, data: AdvertisementData) -> None:
        """Note one report."""
        self.reports.append((device.address, data))

    def __len__(self) -> int:
        return len(self.reports)

    @property
    def addresses(self) -> list[str]:
        """Who was heard, report by report."""
        return [address for address, _ in self.reports]

    @property
    def manufacturer_data(self) -> list[dict[int, bytes]]:
        """What was heard of manufacturer data, report by report."""
        return [data.manufacturer_data for _, data in self.reports]


def active(heard: Heard, *, duplicates: bool = True, adapter: str = "hci0") -> BleakScanner:
    """Make an active scanner."""
    filters: BlueZScannerArgs = {"filters": {"DuplicateData": True}} if duplicates else {}
    return BleakScanner(heard, bluez={**filters, "adapter": adapter})


def passive(heard: Heard) -> BleakScanner:
    """Make a passive scanner for BTHome service data."""
    return BleakScanner(heard, scanning_mode="passive", bluez={"or_patterns": [PATTERN]})


def bthome(number: int, address: str = ADDRESS, rssi_dbm: int = -60) -> Advertisement:
    """Make an advertisement that differs from the last one."""
    return Advertisement(
        address=address, rssi_dbm=rssi_dbm, services={BTHOME: bytes([0x40, 0x00, number & 0xFF])}
    )


def monitored(world: World) -> bool:
    """Whether a passive scanner's monitor has been accepted."""
    return world.bluez.monitor_count > 0
