"""Places to test a transport at: simulated hardware, the transport on it, and what it heard."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Protocol

import pytest

from gateway.clock import Clock, SystemClock
from gateway.driver import Modem
from gateway.health import Health, TransportHealth
from gateway.model import Frame, Transport, TransportState
from gateway.registry import Registry, discover
from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.sensors import LoraPacket
from gateway.sim.serial_modem import SerialModem
from gateway.sim.world import World
from gateway.transport.ble import BleSettings, BleTransport, NoWords, Radio
from gateway.transport.ble.remedies import SystemRemedies
from gateway.transport.serial import SerialSettings, SerialTransport

LIMIT_S = 20.0  # a guard against hanging: nothing here needs more than a second or two
SENSOR = "C0:FF:EE:00:00:01"
NODE = "lora:17"
BTHOME = 0xFCD2
COUNTED_BYTES = 4


class Listed:
    """An intake that keeps every frame of a listed device and counts the others."""

    def __init__(self, clock: Clock, *addresses: str) -> None:
        self.clock = clock
        self.addresses = set(addresses)
        self.frames: list[Frame] = []
        self.unlisted = 0
        self.asked: list[bytes] = []  # whose uplink it is
        self.willing = True  # to take what polls bring

    def lists(self, address: str) -> bool:
        """Whether it is listed."""
        return address in self.addresses

    def admits(self, address: str, content: object, rssi_dbm: int | None = None) -> int | None:
        """Count one heard frame."""
        assert content is None or rssi_dbm is not None  # None: the answer to a poll
        if address in self.addresses:
            return self.clock.boot_ns()
        self.unlisted += 1
        return None

    def sender(self, uplink: bytes) -> str:
        """Name the device address it bears."""
        self.asked.append(uplink)
        return "lorawan:" + uplink[4:0:-1].hex()

    def wants(self, address: str) -> bool:
        """Whether it may be polled."""
        return address in self.addresses and self.willing

    def hear(self, frame: Frame) -> None:
        """Keep it."""
        self.frames.append(frame)


async def until(
    condition: Callable[[], object], what: Callable[[], object] = str, limit_s: float = LIMIT_S
) -> None:
    """Wait for a condition, or fail with what was to be seen instead."""
    try:
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event to offer
                await asyncio.sleep(0.002)
    except TimeoutError:
        pytest.fail(f"never came: {what()}")


class HandClock(SystemClock):
    """A clock whose boot time stands still until it is put forward."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = self.boot_ns()
        self.asked = 0
        self.boot_ns = self._put

    def _put(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds, as far as it was put."""
        self.asked += 1
        return self.now_ns

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += int(seconds * 1_000_000_000)


class Place:
    """One transport and what it heard; packets sent here carry the number of their sending."""

    def __init__(self, health: Health, intake: Listed, transport: Transport) -> None:
        self.health = health
        self.intake = intake
        self.transport = transport
        self.sent = 0

    @property
    def record(self) -> TransportHealth:
        """What the transport says of itself."""
        return self.health.transports[self.transport.name]

    @property
    def counters(self) -> dict[str, int]:
        """What it has counted."""
        return self.record.counters

    def number(self) -> bytes:
        """Return the number of the next packet as text without a NUL."""
        self.sent += 1
        return b"%04d" % self.sent

    def send(self) -> None:
        """Have the listed device send one packet."""
        raise NotImplementedError

    async def hears(self) -> None:
        """Send until a packet that was sent from now on is heard."""
        before = self.sent

        def heard() -> bool:
            self.send()
            return any(_number(frame) > before for frame in self.intake.frames)

        await until(heard, lambda: f"a frame, {self.record}")

    async def is_(self, state: TransportState, cause: str = "") -> None:
        """Wait until the transport is in this state, its cause containing the text."""
        await until(
            lambda: self.record.state is state and cause in self.record.cause,
            lambda: f"{state}: {cause}, but {self.record}",
        )

    async def counts(self, counter: str, least: int = 1) -> None:
        """Wait until it has counted so many."""
        await until(
            lambda: self.counters.get(counter, 0) >= least, lambda: f"{counter}, {self.counters}"
        )


def _number(frame: Frame) -> int:
    data = frame.payload or frame.structures[0][2]
    tail = data[-COUNTED_BYTES:]
    return int(tail) if tail.isdigit() else -1  # of another device


async def stay(place: Place, scenario: Awaitable[None]) -> None:
    """Run a scenario while the transport runs; then it has to end at once and by cancellation."""
    running = asyncio.create_task(place.transport.run())
    try:
        await scenario
    finally:
        running.cancel()
        async with asyncio.timeout(LIMIT_S):
            ended = (await asyncio.gather(running, return_exceptions=True))[0]
    assert isinstance(ended, asyncio.CancelledError), ended
    left = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in left if place.transport.name in name]


# ---------------------------------------------------------------------------------- Bluetooth
class BlePlace(Place):
    """A simulated BlueZ, a transport on hci0, one listed sensor in range."""

    def __init__(
        self,
        world: World,
        settings: BleSettings,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        health, intake = Health(clock), Listed(clock, SENSOR)
        self.words = NoWords()
        remedies = SystemRemedies(off_s=0.02)  # simulated hardware needs no rest
        radio = Radio(remedies=remedies, words=self.words)
        super().__init__(
            health, intake, BleTransport(settings, intake, health, chance=chance, radio=radio)
        )
        self.world = world

    def send(self) -> None:
        """Have the listed sensor advertise."""
        self.advertise(SENSOR)

    def advertise(self, address: str) -> None:
        """Have any device advertise."""
        services = {uuid_text(BTHOME): b"\x40" + self.number()}
        self.world.advertise(Advertisement(address=address, services=services))

    async def set_flag(self, path: str, interface: str, name: str, *, value: bool) -> None:
        """Have BlueZ change a property of itself, whether or not a client may set it."""
        self.world.bluez.change(path, interface, name, value=value)
        await self.world.bluez.settle()

    def calls(self, member: str) -> int:
        """How often BlueZ was called so."""
        return sum(call.member == member for call in self.world.bluez.calls)


class AtBle(Protocol):
    """Runs a scenario at a place of its own, the transport running from the start."""

    def __call__(
        self,
        scenario: Callable[[BlePlace], Awaitable[None]],
        settings: BleSettings,
        *,
        bluez: BluezOptions | None = None,
        adapters: tuple[str, ...] = ("hci0",),
        clock: Clock | None = None,
    ) -> None:
        """Return when it has ended and nothing is left of it."""


# ------------------------------------------------------------------------------------- serial
@cache
def _registry() -> Registry:
    return discover()


def modem_driver(kind: str) -> Modem:
    """Return a driver for one connection to a modem."""
    return _registry().modem(kind).connect()


class SerialPlace(Place):
    """A simulated modem on a port, a transport on its stable path, one listed node in range."""

    def __init__(self, hardware: SerialModem, settings: SerialSettings, clock: Clock) -> None:
        health, intake = Health(clock), Listed(clock, NODE)
        transport = SerialTransport(settings, modem_driver(hardware.kind), intake, health)
        super().__init__(health, intake, transport)
        self.hardware = hardware
        self.uart = hardware.uart

    def send(self) -> None:
        """Let a packet of the listed node arrive."""
        self.transmit(17)

    def transmit(self, address: int) -> None:
        """Let a packet of any node arrive."""
        packet = LoraPacket(address=address, payload=self.number(), rssi_dbm=-97, snr_db=-3)
        self.hardware.receive(packet)


class AtSerial(Protocol):
    """Runs a scenario at a place of its own, the transport running from the start."""

    def __call__(
        self,
        scenario: Callable[[SerialPlace], Awaitable[None]],
        settings: SerialSettings | None = None,
        *,
        plugged: bool = True,
        clock: Clock | None = None,
        kind: str = "reyax-rylr998",
    ) -> None:
        """Return when it has ended and nothing is left of it."""
