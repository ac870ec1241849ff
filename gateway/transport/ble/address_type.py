"""Whether the address of a device is public or random, as BlueZ knows it from its advertisements.

A random address says nothing of who made the device, may change, and is never published.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from dbus_fast import Message

from gateway.transport.ble.bus import BusLostError, RefusedError, SystemBus

_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_DEVICE: Final = "org.bluez.Device1"
_KNOWN: Final = ("public", "random")


def _ignore(_signal: Message) -> None:
    """Nothing was subscribed to."""


async def address_types(adapter: str, addresses: Iterable[str]) -> dict[str, str]:
    """Ask BlueZ of devices it shows now: "public" or "random"; others are left out."""
    bus = SystemBus(_ignore)
    found: dict[str, str] = {}
    try:
        await bus.connect()
    except BusLostError:
        return found
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.serve(), name="address types")
        try:
            for address in addresses:
                kind = await _ask(bus, adapter, address)
                if kind in _KNOWN:
                    found[address] = kind
        except BusLostError:
            return found
        finally:
            await bus.close()
    return found


async def _ask(bus: SystemBus, adapter: str, address: str) -> str:
    path = f"/org/bluez/{adapter}/dev_{address.replace(':', '_')}"
    try:
        (answer,) = await bus.ask(
            _PROPERTIES, "Get", "ss", [_DEVICE, "AddressType"], at=("org.bluez", path)
        )
    except RefusedError:  # it is not shown any more
        return ""
    return str(answer.value)
