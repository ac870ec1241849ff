"""Places where sensors are connected to: simulated BlueZ, transport, what came of it."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import pytest

from drivers.ble import environmental_sensing
from gateway.clock import Clock, SystemClock
from gateway.core import gatt
from gateway.driver import LoadedDriver, codec
from gateway.model import Frame, TransportState
from gateway.sim import bluez_names as names
from gateway.sim.bluez_faults import MethodFault
from gateway.sim.polled import WeatherStation, hello
from gateway.sim.world import World
from gateway.transport.ble import BleSettings, Limits, Poll, Polls
from tests.brokers import strict_run
from tests.transport.places import BlePlace, stay, until

UP, DOWN = TransportState.UP, TransportState.DOWN
ONE, TWO, THREE = "C4:7C:8D:00:00:01", "C4:7C:8D:00:00:02", "C4:7C:8D:00:00:03"
STATION: Final = codec(environmental_sensing, foreign=False)
NEVER_S: Final = 1e6
SHORT: Final = Limits(connect_s=0.6, request_s=0.3, notify_s=0.5, requests_s=1.0, disconnect_s=0.3)
PATIENT: Final = Limits(connect_s=NEVER_S, request_s=NEVER_S, requests_s=NEVER_S)
DEVICE: Final = names.device_path("hci0", ONE)
SERVICE, COMMAND, ANSWER = gatt.uuid(0xFFF0), gatt.uuid(0xFFF1), gatt.uuid(0xFFF2)

Scenario = Callable[[BlePlace], Awaitable[None]]


def polls(
    *addresses: str,
    driver: LoadedDriver = STATION,
    limits: Limits = SHORT,
    every_s: float = 0.05,
) -> Polls:
    """Return polls that come in quick succession."""
    assert driver.poll is not None
    ask = driver.poll
    return Polls(
        each=tuple(
            Poll(address=one, device=f"urn:{one}", ask=ask, every_ns=int(every_s * 1e9))
            for one in addresses
        ),
        limits=limits,
        spread_s=0.0,
        retry_s=0.05,
        most_retry_s=0.1,
        look_again_s=0.02,
    )


class Visit:
    """Runs a scenario at a place with polls, and sees that no connection is left afterwards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(
        self,
        scenario: Scenario,
        wanted: Polls,
        *,
        scan: str = "passive",
        clock: Clock | None = None,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        strict_run(self._visit(scenario, wanted, scan, clock or SystemClock(), chance))

    async def _visit(
        self,
        scenario: Scenario,
        wanted: Polls,
        scan: str,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        flags = tuple((0x01, 0, bytes((value,))) for value in (4, 5, 6))
        settings = BleSettings(patterns=flags, polls=wanted)
        if scan == "active":
            settings = msgspec.structs.replace(settings, scan="active")
        async with World() as world:
            for name, value in world.environment().items():
                self._monkeypatch.setenv(name, value)
            place = BlePlace(world, settings, clock, chance)
            place.intake.addresses |= {poll.address for poll in wanted.each}
            await stay(place, scenario(place))
            assert world.bluez.connected == []
            assert place.health.unread == {}
            assert f"{place.transport.name} poller" not in place.health.vitals.names


def station(place: BlePlace, address: str = ONE, *, connect_s: float = 0.0) -> WeatherStation:
    """Put a weather station into range."""
    sensor = WeatherStation(address, connect_s=connect_s)
    place.world.bluez.place(sensor.peripheral)
    place.world.advertise(hello(address))
    return sensor


def answers(place: BlePlace, address: str = ONE) -> list[Frame]:
    """Return what polls of a device brought."""
    return [frame for frame in place.intake.frames if frame.polled and frame.address == address]


async def is_read(place: BlePlace, address: str = ONE, more: int = 1) -> Frame:
    """Return the newest answer when so many more have come."""
    enough = len(answers(place, address)) + more
    await until(
        lambda: len(answers(place, address)) >= enough,
        lambda: f"{address}: {place.health.unread}, {place.record}",
    )
    return answers(place, address)[-1]


async def is_unread(place: BlePlace, cause: str, address: str = ONE) -> None:
    """Return when it is told that a device cannot be read, and why."""
    await until(
        lambda: cause in place.health.unread.get(f"urn:{address}", ""),
        lambda: f"{cause}, but {place.health.unread}, {place.record}",
    )


async def ready(place: BlePlace) -> None:
    """Return when devices that advertise are found."""
    await place.is_(UP)


def hang(place: BlePlace, member: str, address: str = ONE) -> MethodFault:
    """Let a method of one device never be answered."""
    path = f"{names.device_path('hci0', address)}*"
    return place.world.bluez.faults.add(MethodFault(member=member, hang=True, path=path))
