"""The adapter of bleak's client: one connection for one poll, and nothing left of it afterwards.

bleak waits for ever for the answer to a request, and a lost link does not wake it. So every call
here has a deadline and ends with the link; and whatever hangs then, bluetoothd itself perhaps, the
poll is over when bleak's connection to D-Bus is closed.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Final, TypeVar

import msgspec
from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.exc import (
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)
from dbus_fast.errors import DBusFastError

from gateway.core import gatt
from gateway.driver import Request
from gateway.errors import TransportError

MOST_REQUESTS: Final = 256  # of one poll, lest a driver ask without end
_NOTIFICATIONS: Final = 64  # kept of one characteristic; beyond it the oldest goes
_GRACE_S: Final = 0.25  # for what was cancelled, to end in order

_FAILURES: Final = (BleakError, DBusFastError, OSError, EOFError)
_UNPAIRED: Final = (
    BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION,
    BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHORIZATION,
    BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION,
    BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION_KEY_SIZE,
)
NOT_HEARD: Final = "it is not heard: is it in range, switched on, and does it advertise?"
NO_ANSWER: Final = "it does not answer: is it in range, or connected to a phone?"
BROKEN_OFF: Final = "the connection breaks off: is it at the edge of its range?"
_UNSUPPORTED: Final = "it wants to be paired, which this gateway does not do"

T = TypeVar("T")
Requests = Generator[Request, bytes | None, bytes]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long the parts of a poll may take; their sum is what one device can cost the others."""

    connect_s: float = 20.0
    request_s: float = 5.0  # one read or write
    notify_s: float = 10.0  # one notification
    requests_s: float = 40.0  # all of them
    disconnect_s: float = 5.0  # BlueZ itself lets two seconds pass before it does it


class PollError(TransportError):
    """A poll brought nothing; `timed_out` where a deadline ended it."""

    def __init__(self, cause: str, *, timed_out: bool = False) -> None:
        super().__init__(cause)
        self.timed_out = timed_out


async def converse(adapter: str, address: str, requests: Requests, limits: Limits) -> bytes:
    """Connect, perform a driver's requests, disconnect; return what it made of the answers.

    The scan goes on: BlueZ holds it back itself while it connects. Raises PollError, and whatever
    the driver raises.
    """
    link = _Link(adapter, address, limits)
    patience_s = limits.disconnect_s
    try:
        await link.open()
        return await link.serve(requests)
    except asyncio.CancelledError:
        patience_s = _GRACE_S  # once it is told, BlueZ disconnects without us, too
        raise
    finally:
        requests.close()
        await link.close(patience_s)


class _Link:
    """One connection of bleak's."""

    def __init__(self, adapter: str, address: str, limits: Limits) -> None:
        # By its path, for BlueZ knows better than bleak which devices there are: also one that is
        # connected still, and so does not advertise, because a process before us was killed.
        path = f"/org/bluez/{adapter}/dev_{address.replace(':', '_')}"
        self._name = f"ble:{adapter} poll"
        self._limits = limits
        self._lost = asyncio.Event()
        self._heard: dict[int, asyncio.Queue[bytes]] = {}  # by handle
        self._client = BleakClient(
            BLEDevice(address, None, {"path": path}),
            disconnected_callback=lambda _: self._lost.set(),
            timeout=limits.connect_s,
            bluez={"adapter": adapter},
        )

    async def open(self) -> None:
        """Connect and have the services listed. Raises PollError."""
        self._lost.clear()
        await self._within(self._limits.connect_s, self._client.connect(), links=False)
        self._lost.clear()  # bleak has tried again by itself, perhaps
        if not self._client.is_connected:
            raise PollError(BROKEN_OFF)

    async def close(self, patience_s: float) -> None:
        """Disconnect, if there is a connection; it never fails, and never hangs."""
        try:
            await self._within(patience_s, self._client.disconnect(), links=False)
        except PollError:
            return  # the link is gone, or bluetoothd is: nothing of ours is left

    async def serve(self, requests: Requests) -> bytes:
        """Perform requests until there are no more; return the payload. Raises PollError."""
        clock_s = asyncio.get_running_loop().time
        end_s = clock_s() + self._limits.requests_s
        answer: bytes | None = None
        for _ in range(MOST_REQUESTS):
            try:
                request = requests.send(answer)
            except StopIteration as end:
                payload: bytes = end.value
                return payload
            answer = await self._perform(request, end_s - clock_s())
        cause = f"its driver asks more than {MOST_REQUESTS} times"
        raise PollError(cause)

    async def _perform(self, request: Request, left_s: float) -> bytes | None:
        what, service, uuid, data, number = request
        if self._lost.is_set():  # then bleak has forgotten what services there were
            raise PollError(BROKEN_OFF)
        found = self._find(service, uuid, number)
        if found is None:
            return None
        can = set(found.properties)
        limit_s = min(self._limits.request_s, left_s)
        if what == gatt.READ and "read" in can:
            return bytes(await self._within(limit_s, self._client.read_gatt_char(found)))
        if what == gatt.WRITE and not can.isdisjoint({"write", "write-without-response"}):
            write = self._client.write_gatt_char(found, data, response="write" in can)
            await self._within(limit_s, write)
            return b""
        if what in (gatt.LISTEN, gatt.WAIT) and not can.isdisjoint({"notify", "indicate"}):
            heard = await self._listen(found, limit_s)
            if what == gatt.WAIT:
                return await self._within(min(self._limits.notify_s, left_s), heard.get())
        return None

    def _find(self, service: str, uuid: str, number: int) -> BleakGATTCharacteristic | None:
        """Return the characteristic that is meant, None where the device has it not."""
        alike = sorted(
            (
                characteristic
                for each in self._client.services
                if each.uuid == service
                for characteristic in each.characteristics
                if characteristic.uuid == uuid
            ),
            key=lambda characteristic: characteristic.handle,
        )
        return alike[number] if number < len(alike) else None

    async def _listen(
        self, found: BleakGATTCharacteristic, limit_s: float
    ) -> asyncio.Queue[bytes]:
        """Subscribe, unless that is done; return what has come since and will come."""
        if found.handle not in self._heard:
            heard = self._heard[found.handle] = asyncio.Queue[bytes](_NOTIFICATIONS)

            def take(_: BleakGATTCharacteristic, value: bytearray) -> None:
                if heard.full():
                    heard.get_nowait()
                heard.put_nowait(bytes(value))

            await self._within(limit_s, self._client.start_notify(found, take))
        return self._heard[found.handle]

    # --------------------------------------------------------------------------------- deadlines
    async def _within(
        self, limit_s: float, call: Coroutine[Any, Any, T], *, links: bool = True
    ) -> T:
        """Return what a call of bleak's returns. Raises PollError, at its deadline too.

        `links`: it ends when the link does.
        """
        task = asyncio.create_task(call, name=self._name)
        lost = asyncio.create_task(self._lost.wait(), name=self._name)
        awaited = {task, lost} if links else {task}
        try:
            await asyncio.wait(
                awaited, timeout=max(0.0, limit_s), return_when=asyncio.FIRST_COMPLETED
            )
            if task.done():
                return _result(task)
            if links and lost.done():
                raise PollError(BROKEN_OFF)
            raise PollError(NO_ANSWER, timed_out=True)
        finally:
            lost.cancel()
            await _give_up(task)


def _result(task: "asyncio.Task[T]") -> T:
    try:
        return task.result()
    except TimeoutError:
        raise PollError(NO_ANSWER, timed_out=True) from None
    except asyncio.CancelledError:  # not ours: its connection to D-Bus was closed under it
        raise PollError(BROKEN_OFF) from None
    except _FAILURES as error:
        raise PollError(_cause(error)) from error


async def _give_up(task: "asyncio.Task[Any]") -> None:
    """End a task, which may take bleak a moment: it disconnects.

    Should that hang as well, it ends when `close` closes the connection to D-Bus.
    """
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_GRACE_S)
    task.add_done_callback(_forget)


def _forget(task: "asyncio.Task[Any]") -> None:
    """Take note of how a task ended: that has been told, or is of no interest any more."""
    if not task.cancelled():
        task.exception()


def _cause(error: BaseException) -> str:
    """Return why a poll failed, in an installer's words."""
    if isinstance(error, BleakDeviceNotFoundError):
        return NOT_HEARD
    if isinstance(error, BleakGATTProtocolError):
        code = error.code
        return _UNSUPPORTED if code in _UNPAIRED else f"it refuses a request: {code.name}"
    if isinstance(error, BleakDBusError):
        details = error.dbus_error_details or ""
        if "le-connection-abort-by-local" in details:
            return BROKEN_OFF
        return f"BlueZ refuses: {error.dbus_error} {details}".rstrip()
    text = str(error)
    return NOT_HEARD if "not found" in text else text or type(error).__name__
