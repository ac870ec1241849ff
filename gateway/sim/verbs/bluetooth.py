"""Faults of Bluetooth: the daemon, its adapters, the bus between, and a sky full of nonsense."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Final

import msgspec
from pydantic import Field

from gateway.config.section import Whole
from gateway.sim import bluez_names as names
from gateway.sim.bench import Bench, now_s
from gateway.sim.bluez_air import Advertisement
from gateway.sim.bluez_faults import Cure
from gateway.sim.emissions import Emission
from gateway.sim.sensors import Sensor, SensorOptions
from gateway.sim.verbs.radios import OnAdapter, adapter_of, bluez_of, bus_of
from gateway.sim.verbs.verb import PROCESS, SHORT_S, Arguments, Begin, Verb, verb

_FLOOD_TURN_S: Final = 0.01
_APPLE: Final = 0x004C
_NON_RESOLVABLE: Final = 0x3F  # upper bits of a random address (Core, Vol 6, Part B, 1.3.2.2)


class Flood(OnAdapter):
    """Advertisements of strangers."""

    per_second: Whole = Field(default=500, ge=1, le=50_000)
    """How many."""


class Malformed(OnAdapter):
    """Advertisements that are no such thing."""

    per_second: Whole = Field(default=10, ge=1, le=10_000)
    """How many."""


class Wedge(OnAdapter):
    """An adapter that hears nothing, and shows nothing."""

    cure: Cure = "scan"
    """What mends it: a new scan, the adapter's power off and on, or a restart of the service."""


@asynccontextmanager
async def _crash(bench: Bench, _: OnAdapter) -> AsyncGenerator[None]:
    """Kill bluetoothd; it is started again at the end."""
    await bluez_of(bench).crash()
    try:
        yield
    finally:
        await bluez_of(bench).start()


@asynccontextmanager
async def _restart(bench: Bench, _: OnAdapter) -> AsyncGenerator[None]:
    """Stop bluetoothd orderly; it is started again at the end."""
    await bluez_of(bench).stop()
    try:
        yield
    finally:
        await bluez_of(bench).start()


@asynccontextmanager
async def unplug_adapter(bench: Bench, arguments: OnAdapter) -> AsyncGenerator[None]:
    """Pull the adapter out; it is plugged in again at the end."""
    bluez, adapter = bluez_of(bench), adapter_of(bench, arguments.on)
    bluez.unplug_adapter(adapter)
    try:
        yield
    finally:
        bluez.plug_adapter(adapter)


@asynccontextmanager
async def _power_off(bench: Bench, arguments: OnAdapter) -> AsyncGenerator[None]:
    """Switch the adapter off; it is switched on again at the end."""
    bluez, adapter = bluez_of(bench), adapter_of(bench, arguments.on)
    bluez.power(adapter, on=False)
    try:
        yield
    finally:
        bluez.power(adapter, on=True)


@asynccontextmanager
async def _wedge(bench: Bench, arguments: Wedge) -> AsyncGenerator[None]:
    """Stall: scanning ends without a sign, until the agent starts it again, or does more."""
    bluez_of(bench).wedge(arguments.cure)
    yield


@asynccontextmanager
async def _busy(bench: Bench, _: OnAdapter) -> AsyncGenerator[None]:
    """Answer every StartDiscovery with InProgress."""
    bluez = bluez_of(bench)
    text = "Operation already in progress"
    fault = bluez.fail("StartDiscovery", names.IN_PROGRESS, text)
    try:
        yield
    finally:
        bluez.faults.lift(fault)


@asynccontextmanager
async def _refuse(bench: Bench, _: OnAdapter) -> AsyncGenerator[None]:
    """Answer every StartDiscovery with Failed."""
    bluez = bluez_of(bench)
    fault = bluez.fail("StartDiscovery", names.FAILED, "Input/output error")
    try:
        yield
    finally:
        bluez.faults.lift(fault)


@asynccontextmanager
async def _hang(bench: Bench, _: OnAdapter) -> AsyncGenerator[None]:
    """Leave every StartDiscovery and RegisterMonitor without an answer."""
    bluez = bluez_of(bench)
    hanging = [bluez.hang(member) for member in ("StartDiscovery", "RegisterMonitor")]
    try:
        yield
    finally:
        for fault in hanging:
            bluez.faults.lift(fault)


@asynccontextmanager
async def _flood(bench: Bench, arguments: Flood) -> AsyncGenerator[None]:
    """Fill the air with advertisements of strangers, each with an address of its own."""
    chance = _chance(bench, "flood")

    def stranger() -> Emission:
        octets = bytearray(chance.randbytes(6))
        octets[0] &= _NON_RESOLVABLE
        report = Advertisement(
            address=octets.hex(":").upper(),
            address_type="random",
            rssi_dbm=chance.randint(-95, -40),
            manufacturer={_APPLE: chance.randbytes(20)},
        )
        return Emission(address=report.address, serial=None, copies=(report,))

    def send(count: int) -> None:
        for _ in range(count):
            bench.air.transmit(stranger())

    async with _meanwhile(send, arguments.per_second):
        yield


@asynccontextmanager
async def _malformed(bench: Bench, arguments: Malformed) -> AsyncGenerator[None]:
    """Send advertisements in the names of the listed sensors that are cut off after a byte."""
    chance = _chance(bench, "malformed")
    listed = [one.options for one in bench.air.sensors if ":" in one.options.address]
    reports = [report for one in listed if (report := _cut_off(one)) is not None]

    def send(count: int) -> None:
        for _ in range(count if reports else 0):
            bench.air.advertise(chance.choice(reports))

    async with _meanwhile(send, arguments.per_second):
        yield


def _cut_off(options: SensorOptions) -> Advertisement | None:
    """Return what a sensor sends, but for nearly all of its content; None: it advertises none."""
    copies = Sensor(options, seed=1).emit().copies
    if not copies or not isinstance(copies[0], Advertisement):
        return None
    whole = copies[0]
    manufacturer = {company: data[:1] for company, data in whole.manufacturer.items()}
    services = {uuid: data[:1] for uuid, data in whole.services.items()}
    return msgspec.structs.replace(whole, manufacturer=manufacturer, services=services)


@asynccontextmanager
async def _meanwhile(send: Callable[[int], None], per_second: int) -> AsyncGenerator[None]:
    """Send so many a second, in bursts of a hundredth of it."""
    task = asyncio.create_task(_send_on(send, per_second), name="fault.air")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _send_on(send: Callable[[int], None], per_second: int) -> None:
    start_s, sent = now_s(), 0
    while True:
        due = int((now_s() - start_s) * per_second) + 1
        send(due - sent)
        sent = due
        await asyncio.sleep(max(_FLOOD_TURN_S, 1 / per_second))


@asynccontextmanager
async def _dbus(bench: Bench, _: OnAdapter) -> AsyncGenerator[None]:
    """Stop the D-Bus daemon, and bluetoothd with it; both are started again at the end."""
    bluez, bus = bluez_of(bench), bus_of(bench)
    await bluez.crash()
    await bus.stop()
    try:
        yield
    finally:
        await bus.start()
        await bluez.start()


def _chance(bench: Bench, name: str) -> Random:
    return Random(f"{bench.options.seed}/{name}")  # noqa: S311 - has to be repeatable


def _ble(
    name: str,
    arguments: type[Arguments],
    begin: Begin[Arguments],
    *,
    lasting: bool = True,
    aliases: tuple[str, ...] = (),
) -> Verb:
    part = "ble"
    return verb(
        name, arguments, begin, part=part, lasting=lasting, usual_s=SHORT_S, aliases=aliases
    )


VERBS: Final = (
    _ble("ble.crash", OnAdapter, _crash),
    _ble("ble.restart", OnAdapter, _restart),
    _ble("ble.unplug", OnAdapter, unplug_adapter),
    _ble("ble.power_off", OnAdapter, _power_off, aliases=("ble.power-off",)),
    _ble("ble.wedge", Wedge, _wedge, lasting=False),
    _ble("ble.busy", OnAdapter, _busy),
    _ble("ble.refuse", OnAdapter, _refuse),
    _ble("ble.hang", OnAdapter, _hang),
    verb("ble.flood", Flood, _flood, part="ble.flood", usual_s=SHORT_S),
    verb("ble.malformed", Malformed, _malformed, part="ble.malformed", usual_s=SHORT_S),
    verb("dbus.restart", OnAdapter, _dbus, part="ble", levels=PROCESS, usual_s=SHORT_S),
)
