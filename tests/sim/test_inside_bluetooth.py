"""Bluetooth in memory hears what bleak hears of a simulated BlueZ: the same frames."""

import asyncio

import pytest

from gateway.health import Health
from gateway.model import Frame
from gateway.sim.bench import BenchOptions
from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.inside.air import InsideAir
from gateway.sim.inside.loop import run
from gateway.sim.world import World
from gateway.transport import ble
from tests.fakes import FakeClock

BTHOME, BATTERY = 0xFCD2, 0x180F
PATTERNS = ((0x16, 0, b"\xd2\xfc"), (0xFF, 0, b"\x99\x04"))
TAG, OTHER = "C0:FF:EE:00:00:01", "C0:FF:EE:00:00:02"
REPORTS = (
    Advertisement(address=TAG, rssi_dbm=-61, services={uuid_text(BTHOME): b"\x40\x01\x61"}),
    Advertisement(address=TAG, rssi_dbm=-62, services={uuid_text(BTHOME): b"\x40\x01\x62"}),
    Advertisement(address=TAG, rssi_dbm=-62, services={uuid_text(BTHOME): b"\x40\x01\x62"}),
    Advertisement(
        address=OTHER,
        rssi_dbm=-70,
        manufacturer={0x0499: b"\x05\x01", 0x004C: b"\x02"},
        uuids=(uuid_text(BATTERY),),
        name="Tag 7",
    ),
    Advertisement(address=OTHER, rssi_dbm=-75, manufacturer={0x0499: b"\x05\x02"}, name="Tag 7"),
)


class Ear:
    """An intake that takes everything."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def lists(self, address: str) -> bool:
        return bool(address)

    def admits(self, address: str, content: object, rssi_dbm: int | None = None) -> int | None:  # noqa: ARG002
        return 1

    def sender(self, uplink: bytes) -> str:
        return uplink.hex()

    def wants(self, address: str) -> bool:
        return bool(address)

    def hear(self, frame: Frame) -> None:
        self.frames.append(frame)

    @property
    def heard(self) -> list[tuple[object, ...]]:
        """Return what each frame said."""
        return [(f.address, f.source, f.rssi_dbm, f.structures, f.content) for f in self.frames]


def settings(scan: ble.BleSettings, ear: Ear) -> ble.BleTransport:
    return ble.BleTransport(scan, ear, Health(FakeClock()))


async def really(scan: ble.BleSettings, options: BluezOptions, ear: Ear) -> None:
    """Hear through bleak and D-Bus."""
    async with asyncio.timeout(30), World(bluez=options) as world:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in world.environment().items():
                patch.setenv(name, value)
            task = asyncio.create_task(settings(scan, ear).run())
            while not world.bluez.listened:  # noqa: ASYNC110 - has no event
                await asyncio.sleep(0.002)
            for report in REPORTS:
                world.advertise(report)
                await world.settle()
                await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.wait([task])


async def in_memory(scan: ble.BleSettings, options: BluezOptions, ear: Ear) -> None:
    """Hear without them."""
    loop = asyncio.get_running_loop()

    def enter(function: object, *arguments: object) -> bool:
        loop.call_soon(function, *arguments)  # type: ignore[arg-type]
        return True

    air = InsideAir(BenchOptions(bluez=options), enter)
    transport = air.ble_transport(scan, ear, Health(FakeClock()), lambda: 0.5)
    task = asyncio.create_task(transport.run())
    await asyncio.sleep(1)
    for report in REPORTS:
        air.advertise(report)
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("profile", ["5.66", "5.87", "5.88"])
@pytest.mark.parametrize("mode", ["active", "passive"])
def test_memory_and_bleak_hear_the_same(mode: ble.Scan, profile: str) -> None:
    scan = ble.BleSettings(scan=mode, patterns=PATTERNS)
    options = BluezOptions(profile=profile)
    real, memory = Ear(), Ear()
    asyncio.run(really(scan, options, real))
    run(in_memory(scan, options, memory))
    assert len(real.frames) >= 4
    assert memory.heard == real.heard
