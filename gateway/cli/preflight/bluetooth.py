"""The Bluetooth adapter: D-Bus, bluetoothd, the adapter, its power, passive scanning.

It only looks at what BlueZ shows: no scan is started, so an agent that runs is not disturbed.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import Final

from gateway.cli.preflight.verdict import Verdict
from gateway.config import BleSettings
from gateway.transport.ble.causes import Adapter, obstacle
from gateway.transport.ble.watcher import Watcher

_SYSTEM_BUS: Final = "/run/dbus/system_bus_socket"
_ACTIVE: Final = "BlueZ offers no passive scan here, so the agent will scan actively"
_EXPERIMENTAL: Final = (
    "start bluetoothd with --experimental (BlueZ 5.56, Linux 5.10), or write scan: active"
)


_NO_SERVICE_DATA: Final = (
    "powered, can scan passively, but not for service data (BTHome and others): where a sensor"
    " sends it, the agent scans actively"
)


async def look(settings: BleSettings) -> AsyncGenerator[Verdict]:
    """Say how the adapter stands."""
    adapter = await _picture(settings.adapter)
    address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or _SYSTEM_BUS
    if trouble := obstacle(adapter, settings.adapter, address):
        cause, _, remedy = trouble.partition(": ")
        yield Verdict.warning(settings.name, cause, remedy)
    elif settings.scan == "active":
        yield Verdict.ok(settings.name, "powered; scans actively, as configured")
    elif adapter.monitors and adapter.finds_service_data:
        yield Verdict.ok(settings.name, "powered, can scan passively")
    elif adapter.monitors:
        yield Verdict.ok(settings.name, _NO_SERVICE_DATA)
    else:
        yield Verdict.warning(settings.name, _ACTIVE, _EXPERIMENTAL)


async def _picture(name: str) -> Adapter:
    """Return what BlueZ shows, or that there is no bus."""
    watcher = Watcher(name)
    watching = asyncio.create_task(watcher.run(), name=f"preflight {name}")
    try:
        await watcher.changed.wait()
        return watcher.adapter
    finally:
        watching.cancel()
        await asyncio.wait([watching])
