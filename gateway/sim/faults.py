"""The faults of a world by name, as scenarios write them: `do: ble.crash`.

A fault is an async context: entering it breaks something, leaving it makes it whole again. Some
have no end: they are over at once, and it is the agent's business to get over them.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from types import MappingProxyType

import msgspec

from gateway.sim import bluez_names as names
from gateway.sim.world import World

_GARBAGE_BYTES = 64

Begin = Callable[[World, str], AbstractAsyncContextManager[None]]  # the second: adapter or modem


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault; `part` is what it breaks: "ble", "adapter" or "serial"."""

    begin: Begin
    part: str
    lasting: bool = True  # it has an end, so a duration makes sense


@asynccontextmanager
async def ble_crash(world: World, _: str) -> AsyncGenerator[None]:
    """Kill bluetoothd; it is started again at the end."""
    await world.bluez.crash()
    yield
    await world.bluez.start()


@asynccontextmanager
async def ble_restart(world: World, _: str) -> AsyncGenerator[None]:
    """Stop bluetoothd orderly; it is started again at the end."""
    await world.bluez.stop()
    yield
    await world.bluez.start()


@asynccontextmanager
async def ble_unplug(world: World, adapter: str) -> AsyncGenerator[None]:
    """Pull the adapter out; it is plugged in again at the end."""
    world.bluez.unplug_adapter(adapter)
    yield
    world.bluez.plug_adapter(adapter)


@asynccontextmanager
async def ble_power_off(world: World, adapter: str) -> AsyncGenerator[None]:
    """Switch the adapter off; it is switched on again at the end."""
    world.bluez.power(adapter, on=False)
    yield
    world.bluez.power(adapter, on=True)


@asynccontextmanager
async def ble_wedge(world: World, _: str) -> AsyncGenerator[None]:
    """Stall: scanning ends without a sign, until the agent starts it again."""
    world.bluez.wedge()
    yield


@asynccontextmanager
async def ble_busy(world: World, _: str) -> AsyncGenerator[None]:
    """Answer every StartDiscovery with InProgress."""
    text = "Operation already in progress"
    fault = world.bluez.fail("StartDiscovery", names.IN_PROGRESS, text)
    yield
    world.bluez.faults.lift(fault)


@asynccontextmanager
async def ble_refuse(world: World, _: str) -> AsyncGenerator[None]:
    """Answer every StartDiscovery with Failed."""
    fault = world.bluez.fail("StartDiscovery", names.FAILED, "Input/output error")
    yield
    world.bluez.faults.lift(fault)


@asynccontextmanager
async def ble_hang(world: World, _: str) -> AsyncGenerator[None]:
    """Leave every StartDiscovery and RegisterMonitor without an answer."""
    hanging = [world.bluez.hang(member) for member in ("StartDiscovery", "RegisterMonitor")]
    yield
    for fault in hanging:
        world.bluez.faults.lift(fault)


@asynccontextmanager
async def dbus_restart(world: World, _: str) -> AsyncGenerator[None]:
    """Stop the D-Bus daemon, and bluetoothd with it; both are started again at the end."""
    await world.bluez.crash()
    await world.bus.stop()
    yield
    await world.bus.start()
    await world.bluez.start()


@asynccontextmanager
async def serial_unplug(world: World, modem: str) -> AsyncGenerator[None]:
    """Pull the modem out; it is plugged in again at the end, under another tty name."""
    world.modems[modem].unplug()
    yield
    world.modems[modem].plug()


@asynccontextmanager
async def serial_silent(world: World, modem: str) -> AsyncGenerator[None]:
    """Let the modem hang: it takes everything and says nothing."""
    world.modems[modem].uart.silent = True
    yield
    world.modems[modem].uart.silent = False


@asynccontextmanager
async def serial_garbage(world: World, modem: str) -> AsyncGenerator[None]:
    """Put some noise on the line."""
    chance = Random(world.seed)  # noqa: S311 - has to be repeatable
    world.modems[modem].uart.write(chance.randbytes(_GARBAGE_BYTES))
    yield


@asynccontextmanager
async def serial_reset(world: World, modem: str) -> AsyncGenerator[None]:
    """Restart the modem without a warning: it says so and has forgotten its password."""
    world.modems[modem].uart.write(world.modems[modem].model.boot())
    yield


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "ble.crash": Verb(begin=ble_crash, part="ble"),
        "ble.restart": Verb(begin=ble_restart, part="ble"),
        "ble.unplug": Verb(begin=ble_unplug, part="adapter"),
        "ble.power-off": Verb(begin=ble_power_off, part="adapter"),
        "ble.wedge": Verb(begin=ble_wedge, part="ble", lasting=False),
        "ble.busy": Verb(begin=ble_busy, part="ble"),
        "ble.refuse": Verb(begin=ble_refuse, part="ble"),
        "ble.hang": Verb(begin=ble_hang, part="ble"),
        "dbus.restart": Verb(begin=dbus_restart, part="ble"),
        "serial.unplug": Verb(begin=serial_unplug, part="serial"),
        "serial.silent": Verb(begin=serial_silent, part="serial"),
        "serial.garbage": Verb(begin=serial_garbage, part="serial", lasting=False),
        "serial.reset": Verb(begin=serial_reset, part="serial", lasting=False),
    }
)
