"""A sensor read over a connection, by the Pi's rules (gateway/transport/ble/poller.py).

An overlay, run when a poll is due: one device, one connection, half a minute at most, and nothing
is left of it. The scan has to hear the device first: that says what kind of address it has, and
the scan is held for no device that is away, only while a connection is made.
"""

import asyncio
import gc
import random

from gateway.core import backoff, gatt
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.esp32.console import say

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gateway.esp32.ble import Scanner
    from gateway.esp32.devices import Device
    from gateway.esp32.main import Agent

    Found = tuple[Any, ...]  # numbers, then a UUID

_SCAN_RESULT = 5  # events of the firmware: extmod/modbluetooth.h
_CONNECTED = 7
_DISCONNECTED = 8
_SERVICE, _SERVICES_DONE = 9, 10
_CHARACTERISTIC, _CHARACTERISTICS_DONE = 11, 12
_DESCRIPTOR, _DESCRIPTORS_DONE = 13, 14
_VALUE, _READ_DONE = 15, 16
_WRITTEN = 17
_NOTIFIED, _INDICATED = 18, 19
_WIDENED = 21

_READS, _WRITES_BLINDLY, _WRITES, _NOTIFIES, _INDICATES = 2, 4, 8, 16, 32  # properties
_CONFIGURATION = b"\x02\x29"  # the descriptor that subscribes
_NARROW = 22  # bytes: a longer value is cut off, until the MTU is exchanged
_SHORT_UUID = b"\xfb\x34\x9b\x5f\x80\x00\x00\x80\x00\x10\x00\x00"

_TICK_MS = 20
_HEAR_MS = 8_000
_CONNECT_MS = 5_000
_REQUEST_MS = 5_000  # one of them
_ALL_MS = 30_000
_DISCONNECT_MS = 2_000
_MOST_REQUESTS = 256
_MOST_FOUND = 48  # services, characteristics of one, descriptors of one
_MOST_NEWS = 16  # notifications; beyond it the oldest goes

_ROOM_BYTES = 12_000  # of memory: for a driver, a connection, and all that goes on meanwhile
_PUT_OFF_MS = 5_000  # while there is no use for more
_RETRY_MS = 5_000  # the least wait after a failure
_MOST_RETRY_MS = 900_000
_TOLD_FROM = 2  # failures in a row: one is nothing

_OF_THE_HOST = 0x100  # statuses below are NimBLE's own, those above the device's
_TIMED_OUT = 13
_UNPAIRED = (0x105, 0x108, 0x10C, 0x10F)
_NOT_HEARD = "it is not heard: is it in range, switched on, and does it advertise?"
_NO_ANSWER = "it does not answer: is it in range, or connected to a phone?"
_BROKEN_OFF = "the connection breaks off: is it at the edge of its range?"
_NO_DRIVER = "its driver cannot be loaded: is it on the board, and is there memory for it?"
_NO_MEMORY = "this board has no memory left for it: use one with PSRAM"
_TOO_MANY = "its driver asks without end"
_NO_PAYLOAD = "its driver returns no bytes"
_UNSUPPORTED = "it wants to be paired, which this gateway does not do"


class PollError(Exception):
    """A poll brought nothing; it says why, in an installer's words."""


async def work(agent: "Agent") -> None:
    """Poll the device that is due longest, if there is use for what it says."""
    device = min(
        [each for each in agent.devices() if each.poll_s], key=lambda device: device.poll_ms
    )
    now = agent.clock.now()
    radio = _radio(agent)
    delivery = agent.delivery
    if radio is None or not delivery.has_room or device.thins(delivery.level, now):
        device.poll_ms = now + _PUT_OFF_MS
        return
    if _free() < _ROOM_BYTES:  # rather no value than a start anew
        _failed(device, now, _NO_MEMORY)
        return
    link = _Link(agent, radio, device.address)
    try:
        payload = await _converse(agent, link, device)
    except PollError as error:
        _failed(device, agent.clock.now(), str(error))
    else:
        _answered(agent, device, link.rssi, payload)


def _free() -> int:
    gc.collect()
    return gc.mem_free()  # type: ignore[attr-defined,no-any-return]


def _radio(agent: "Agent") -> "Scanner | None":
    for radio in agent.radios:
        if radio.kind == "ble" and radio.state == "up":
            return radio  # type: ignore[return-value]  # its kind says what it is
    return None


async def _converse(agent: "Agent", link: "_Link", device: "Device") -> bytes:
    """Connect, perform what the driver asks, disconnect; return what it made of the answers."""
    try:
        drivers = agent.intake.load(device.poll)
        requests = drivers[0].poll(Context(device.address)) if drivers else None
    except Exception as error:  # noqa: BLE001 - a driver is anybody's
        raise PollError(_blame(error)) from None
    if requests is None:
        raise PollError(_NO_DRIVER)
    try:
        await link.open()
        return await link.serve(requests)
    finally:
        await link.close()


def _answered(agent: "Agent", device: "Device", rssi: int, payload: bytes) -> None:
    """Hand over what was read: to the pipeline it is a frame as any other."""
    now = agent.clock.now()
    every_ms = device.poll_s * 1000
    device.poll_failures = 0
    device.poll_ms = now + every_ms - int(random.random() * (every_ms >> 5))  # noqa: S311
    _tell(device, "")
    agent.counts.heard += 1
    agent.intake.admit(device.address, None, (now, rssi, None, payload))


def _failed(device: "Device", now: int, cause: str) -> None:
    """Try again later, and later each time."""
    wait_ms = backoff.delay_s(
        device.poll_failures,
        random.random(),  # noqa: S311 - only spreads attempts
        first_s=2 * _RETRY_MS,
        most_s=_MOST_RETRY_MS,
    )
    device.poll_failures += 1
    device.poll_ms = now + _RETRY_MS + int(wait_ms)
    if device.poll_failures >= _TOLD_FROM:
        _tell(device, cause)


def _tell(device: "Device", cause: str) -> None:
    """Say why a device cannot be read, or that it can, once."""
    if cause == device.unread:
        return
    device.unread = cause
    if cause:
        say("sensor cannot be read", device=device.urn, cause=cause)
    else:
        say("sensor is read again", device=device.urn)


class _Link:
    """One connection: what the firmware says of it comes by `_on`, within its interrupt."""

    rssi = 0
    _kind: int | None = None  # of its address, once it is heard
    _number: int | None = None  # of the connection, once there is one
    _is_trying = _is_lost = _is_wide = False
    _done = _status = 0  # the event that ended the last request, and how
    _value = b""

    def __init__(self, agent: "Agent", radio: "Scanner", address: bytes) -> None:
        self._clock, self._beat = agent.clock, agent.vitals.beat
        self._radio, self._ble = radio, radio.radio
        self._address = address
        self._end_ms = agent.clock.now() + _ALL_MS
        self._found: list[Found] = []  # by the request that is being performed
        self._news: list[tuple[int, bytes]] = []  # handle of the value, what was notified
        self._services: list[Found] | None = None
        self._within: dict[int, list[Found]] = {}  # handle of a service: its characteristics
        self._followed: list[int] = []

    # ------------------------------------------------------------------------------ the firmware's
    def _on(self, event: int, data: "tuple[Any, ...]") -> None:
        """Take an event; the firmware uses its buffers again as soon as this returns."""
        try:
            if event == _SCAN_RESULT:
                if self._kind is None and bytes(data[1]) == self._address:
                    self._kind, self.rssi = data[0], data[3]
            elif event == _CONNECTED:
                self._number, self._is_trying = data[0], False
            elif event == _DISCONNECTED:
                if self._number == (None if self._is_trying else data[0]):
                    self._is_lost = True
            elif _SERVICE <= event <= _WIDENED and data[0] == self._number:
                self._take(event, data)
        except MemoryError:
            self._is_lost = True  # then the task ends it

    def _take(self, event: int, data: "tuple[Any, ...]") -> None:
        if event in (_SERVICE, _CHARACTERISTIC, _DESCRIPTOR):
            if len(self._found) < _MOST_FOUND:
                self._found.append(data[1:-1] + (bytes(data[-1]),))  # noqa: RUF005 - MicroPython
        elif event == _VALUE:
            self._value = bytes(data[2])
        elif event in (_NOTIFIED, _INDICATED):
            if len(self._news) == _MOST_NEWS:
                self._news.pop(0)
            self._news.append((data[1], bytes(data[2])))
        else:
            self._status = 0 if event == _WIDENED else data[-1]
            self._done = event

    # ------------------------------------------------------------------------------- the task's
    async def open(self) -> None:
        """Hear the device, and connect. Raises PollError."""
        radio = self._radio
        radio.listener = self._on
        await self._until(lambda: self._kind is not None, _HEAR_MS, _NOT_HEARD)
        self._call(radio.hold)
        self._is_trying = True
        self._call(self._ble.gap_connect, self._kind, self._address, _CONNECT_MS)
        await self._until(lambda: not self._is_trying, _CONNECT_MS + 500)
        radio.is_held = False

    async def close(self) -> None:
        """Leave nothing of it; it never fails, and never hangs."""
        radio = self._radio
        self._end_ms = self._clock.now() + _DISCONNECT_MS
        try:
            if self._is_trying and not self._is_lost:
                self._call(self._ble.gap_connect, None)
                await self._until(lambda: self._is_lost or not self._is_trying, _DISCONNECT_MS)
            if self._number is not None and not self._is_lost:
                self._call(self._ble.gap_disconnect, self._number)
                await self._until(lambda: self._is_lost, _DISCONNECT_MS)
        except PollError:
            pass  # the firmware knows of no connection, or ends it by itself
        radio.listener, radio.is_held = None, False

    async def serve(self, requests: "Any") -> bytes:  # noqa: ANN401 - a driver's generator
        """Perform requests until there are no more; return the payload. Raises PollError."""
        answer = None
        for _ in range(_MOST_REQUESTS):
            try:
                what, service, uuid, data, number = requests.send(answer)
                service, uuid = _wire(service), _wire(uuid)
            except StopIteration as end:
                if isinstance(end.value, bytes):
                    return end.value
                raise PollError(_NO_PAYLOAD) from None
            except Exception as error:  # noqa: BLE001 - a driver is anybody's
                raise PollError(_blame(error)) from None
            found = await self._find(service, uuid, number)
            answer = None if found is None else await self._perform(what, found, data)
        raise PollError(_TOO_MANY)

    async def _perform(self, what: int, found: "Found", data: bytes) -> "bytes | None":
        last, handle, can, _ = found
        if what == gatt.READ and can & _READS:
            return await self._read(handle)
        if what == gatt.WRITE and can & _WRITES:
            await self._ask(_WRITTEN, self._ble.gattc_write, handle, data, 1)
            return b""
        if what == gatt.WRITE and can & _WRITES_BLINDLY:
            self._call(self._ble.gattc_write, self._number, handle, data, 0)
            return b""
        if what in (gatt.LISTEN, gatt.WAIT) and can & (_NOTIFIES | _INDICATES):
            await self._follow(handle, last, b"\x01\x00" if can & _NOTIFIES else b"\x02\x00")
            if what == gatt.WAIT:
                return await self._next(handle)
        return None

    async def _find(self, service: bytes, uuid: bytes, number: int) -> "Found | None":
        """Return the characteristic that is meant, None where the device has it not."""
        if self._services is None:
            await self._ask(_SERVICES_DONE, self._ble.gattc_discover_services)
            self._services = self._found
        for first, last, name in self._services:
            if _short(name) != service:
                continue
            if first not in self._within:
                search = self._ble.gattc_discover_characteristics
                await self._ask(_CHARACTERISTICS_DONE, search, first, last)
                self._within[first] = self._found
            for found in self._within[first]:
                if _short(found[3]) == uuid:
                    if not number:
                        return found
                    number -= 1
        return None

    async def _read(self, handle: int) -> bytes:
        self._value = b""
        await self._ask(_READ_DONE, self._ble.gattc_read, handle)
        if len(self._value) == _NARROW and not self._is_wide:  # maybe there is more of it
            self._is_wide = True
            try:
                await self._ask(_WIDENED, self._ble.gattc_exchange_mtu)
            except PollError:
                pass  # it is as wide as it can be, or lost, as the next request finds
            return await self._read(handle)
        return self._value

    async def _follow(self, handle: int, last: int, how: bytes) -> None:
        """Subscribe, unless that is done."""
        if handle in self._followed:
            return
        await self._ask(_DESCRIPTORS_DONE, self._ble.gattc_discover_descriptors, handle, last)
        for at, name in self._found:
            if _short(name) == _CONFIGURATION:
                await self._ask(_WRITTEN, self._ble.gattc_write, at, how, 1)
        self._followed.append(handle)

    async def _next(self, handle: int) -> bytes:
        """Return the oldest notification that was not taken yet, or the next one."""

        def waiting() -> "list[tuple[int, bytes]]":
            return [news for news in self._news if news[0] == handle]

        await self._until(waiting, _ALL_MS)
        news = waiting()[0]
        self._news.remove(news)
        return news[1]

    async def _ask(self, done: int, function: "Callable[..., Any]", *args: "Any") -> None:  # noqa: ANN401
        """Ask for something and wait for its end. Raises PollError."""
        self._done, self._found = 0, []
        self._call(function, self._number, *args)
        await self._until(lambda: self._done == done, _REQUEST_MS)
        if self._status:
            raise PollError(_cause(self._status))

    def _call(self, function: "Callable[..., Any]", *args: "Any") -> None:  # noqa: ANN401
        if self._is_lost:
            raise PollError(_BROKEN_OFF)
        try:
            function(*args)
        except OSError as error:
            raise PollError("the radio refuses: " + str(error)) from None

    async def _until(
        self, is_so: "Callable[[], object]", limit_ms: int, cause: str = _NO_ANSWER
    ) -> None:
        """Wait until something is so. Raises PollError when it will not be."""
        clock = self._clock
        end_ms = min(clock.now() + limit_ms, self._end_ms)
        while not is_so():
            if self._is_lost:
                raise PollError(cause if self._number is None else _BROKEN_OFF)
            if clock.now() >= end_ms:
                raise PollError(cause)
            self._beat(1)
            await asyncio.sleep_ms(_TICK_MS)


def _blame(error: Exception) -> str:
    if isinstance(error, DecodeError):
        return "its driver refuses it: " + error.reason
    return f"its driver fails: {error!r}"


def _cause(status: int) -> str:
    if status in _UNPAIRED:
        return _UNSUPPORTED
    if status < _OF_THE_HOST:
        return _NO_ANSWER if status == _TIMED_OUT else _BROKEN_OFF
    return f"it refuses a request: error {status - _OF_THE_HOST}"


def _wire(uuid: str) -> bytes:
    """Return a UUID's bytes as they go over the air, as short as they can be."""
    return _short(bytes(reversed(bytes.fromhex(uuid.replace("-", "")))))


def _short(uuid: bytes) -> bytes:
    is_short = len(uuid) == 16 and uuid[:12] == _SHORT_UUID and not any(uuid[14:])
    return uuid[12:14] if is_short else uuid
