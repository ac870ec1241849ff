"""Fixtures that run a scenario at a place (tests.transport.places)."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.clock import Clock, SystemClock
from gateway.sim.bluez import BluezOptions
from gateway.sim.serial_modem import SerialModem
from gateway.sim.world import World
from gateway.transport.ble import BleSettings
from gateway.transport.serial import SerialSettings
from tests.brokers import strict_run
from tests.transport.places import AtBle, AtSerial, BlePlace, SerialPlace, stay
from tests.transport.poll_places import Visit


@pytest.fixture
def at_ble(monkeypatch: pytest.MonkeyPatch) -> AtBle:
    async def visit(
        scenario: Callable[[BlePlace], Awaitable[None]],
        settings: BleSettings,
        world: World,
        clock: Clock,
    ) -> None:
        async with world:
            for name, value in world.environment().items():
                monkeypatch.setenv(name, value)
            place = BlePlace(world, settings, clock)
            await stay(place, scenario(place))

    def run(
        scenario: Callable[[BlePlace], Awaitable[None]],
        settings: BleSettings,
        *,
        bluez: BluezOptions | None = None,
        adapters: tuple[str, ...] = ("hci0",),
        clock: Clock | None = None,
    ) -> None:
        world = World(bluez=bluez, adapters=adapters)
        strict_run(visit(scenario, settings, world, clock or SystemClock()))

    return run


@pytest.fixture
def port(tmp_path: Path) -> Path:
    """Return the stable path of the port at the serial place."""
    return tmp_path / "by-id" / "usb-lora"


@pytest.fixture
def at_serial(port: Path) -> AtSerial:
    async def visit(
        scenario: Callable[[SerialPlace], Awaitable[None]],
        settings: SerialSettings,
        clock: Clock,
        *,
        plugged: bool,
        kind: str,
    ) -> None:
        hardware = SerialModem(port, kind)
        if plugged:
            hardware.plug()
        try:
            place = SerialPlace(hardware, settings, clock)
            await stay(place, scenario(place))
        finally:
            hardware.unplug()

    def run(
        scenario: Callable[[SerialPlace], Awaitable[None]],
        settings: SerialSettings | None = None,
        *,
        plugged: bool = True,
        clock: Clock | None = None,
        kind: str = "reyax-rylr998",
    ) -> None:
        given = settings or SerialSettings(device=str(port))
        strict_run(visit(scenario, given, clock or SystemClock(), plugged=plugged, kind=kind))

    return run


@pytest.fixture
def visit_polls(monkeypatch: pytest.MonkeyPatch) -> Visit:
    """Return what runs a scenario at a place with polls."""
    return Visit(monkeypatch)
