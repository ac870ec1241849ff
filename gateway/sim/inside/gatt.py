"""Devices in memory that have to be connected to: a poll's requests, answered by their services.

Not modelled: notifications, pairing, a link that breaks while it is used.
"""

import asyncio
from collections.abc import Iterator

from gateway.core import gatt
from gateway.driver import Request
from gateway.sim.bluez_air import Characteristic, Peripheral
from gateway.sim.inside.bluetooth import InsideBluez
from gateway.transport.ble.causes import ScanError
from gateway.transport.ble.connection import (
    BROKEN_OFF,
    MOST_REQUESTS,
    NO_ANSWER,
    NOT_HEARD,
    Limits,
    PollError,
    Requests,
)


class InsideGatt:
    """The devices around one gateway, by their addresses."""

    def __init__(self, bluez: InsideBluez) -> None:
        self._bluez = bluez
        self._peripherals: dict[str, Peripheral] = {}

    def place(self, peripheral: Peripheral) -> None:
        """Let there be a device."""
        self._peripherals[peripheral.address.upper()] = peripheral

    async def converse(
        self, adapter: str, address: str, requests: Requests, limits: Limits
    ) -> bytes:
        """Connect, perform a driver's requests, disconnect: as gateway.transport.ble's `converse`.

        Raises PollError, and whatever the driver raises.
        """
        try:
            peripheral = await self._connect(adapter, address, limits)
            return _serve(peripheral, requests)
        finally:
            requests.close()

    async def _connect(self, adapter: str, address: str, limits: Limits) -> Peripheral:
        peripheral = self._peripherals.get(address)
        if peripheral is None or not self._bluez.picture(adapter).powered:
            raise PollError(NOT_HEARD)
        try:
            async with asyncio.timeout(limits.connect_s):
                await self._bluez.call("Connect", adapter)
                await asyncio.sleep(peripheral.connect_s + peripheral.resolve_s)
        except TimeoutError:
            raise PollError(NO_ANSWER, timed_out=True) from None
        except ScanError as error:
            raise PollError(str(error)) from error
        if peripheral.aborts:
            peripheral.aborts -= 1
            raise PollError(BROKEN_OFF)
        return peripheral


def _serve(peripheral: Peripheral, requests: Requests) -> bytes:
    answer: bytes | None = None
    for _ in range(MOST_REQUESTS):
        try:
            request = requests.send(answer)
        except StopIteration as end:
            payload: bytes = end.value
            return payload
        answer = _perform(peripheral, request)
    cause = f"its driver asks more than {MOST_REQUESTS} times"
    raise PollError(cause)


def _perform(peripheral: Peripheral, request: Request) -> bytes | None:
    what, service, uuid, data, number = request
    alike = list(_characteristics(peripheral, service, uuid))
    if number >= len(alike):
        return None
    found = alike[number]
    can = set(found.flags)
    if what == gatt.READ and "read" in can:
        return found.on_read() if found.on_read else found.value
    if what == gatt.WRITE and not can.isdisjoint({"write", "write-without-response"}):
        found.value = data
        if found.on_write:
            found.on_write(data)
        return b""
    if what == gatt.WAIT and not can.isdisjoint({"notify", "indicate"}):
        raise PollError(NO_ANSWER, timed_out=True)
    return None


def _characteristics(peripheral: Peripheral, service: str, uuid: str) -> Iterator[Characteristic]:
    for each in peripheral.services:
        if each.uuid == service:
            yield from (one for one in each.characteristics if one.uuid == uuid)
