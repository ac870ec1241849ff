"""Devices that an ESP32 in the simulator connects to: the answers to its GATT client.

Handles are given in the order of services and characteristics, as a device's own table has them;
each characteristic that notifies has a configuration descriptor (CCCD) after its value.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from gateway.sim.bluez_air import Characteristic, Peripheral, Service

Event = Callable[[bytes], None]

_CONNECTED, _DISCONNECTED = 7, 8  # docs.micropython.org/en/v1.25.0/library/bluetooth.html
_SERVICE, _SERVICES_DONE = 9, 10
_CHARACTERISTIC, _CHARACTERISTICS_DONE = 11, 12
_DESCRIPTOR, _DESCRIPTORS_DONE = 13, 14
_READ, _READ_DONE, _WRITTEN, _NOTIFIED, _MTU = 15, 16, 17, 18, 21
_REQUEST: Final = struct.Struct("<cHHH")
_CCCD: Final = 0x2902
_NOT_FOUND: Final = 0x10A  # NimBLE's for the ATT error: attribute not found
_NOTIFY: Final = b"\x01\x00"
_NO_CONNECTION: Final = 0xFFFF
_BASE: Final = "-0000-1000-8000-00805f9b34fb"
_FLAGS: Final = {"read": 2, "write-without-response": 4, "write": 8, "notify": 16, "indicate": 32}
_MTU_BYTES: Final = 23  # until another is agreed upon; a value has one less
_BYTES: Final = 200  # of a value at most: a message of the stream holds no more


class _Attribute(NamedTuple):
    """A characteristic where it stands in a device's table."""

    service: int  # handle
    last: int  # handle of the service's last attribute
    value: int  # handle
    what: Characteristic


Fault = str | int
SILENCE: Final = "silence"  # a request is not answered
BREAK: Final = "break"  # the connection breaks instead


class Peripherals:
    """Answers requests of one board; `send` hands it an event.

    `faults` of a device, by its address and the letter of what is asked: SILENCE, BREAK, or, of
    reads and writes, the status that comes instead.
    """

    def __init__(self, send: Event) -> None:
        self._send = send
        self._present: dict[str, Peripheral] = {}
        self._connected: dict[int, str] = {}
        self._listening: set[tuple[int, int]] = set()  # connection, handle of a value
        self._next = 1
        self._wide: set[int] = set()  # connections whose MTU was exchanged
        self._attempt: bytes | None = None  # the address that is tried, until cancelled
        self.faults: dict[tuple[str, bytes], Fault] = {}
        self.kinds: dict[str, int] = {}  # of the address by which each was last connected to
        self.asked: list[tuple[str, bytes]] = []  # all that was asked of devices, as in `faults`

    @property
    def connected(self) -> list[str]:
        """Return the devices to which there are connections."""
        return list(self._connected.values())

    def add(self, peripheral: Peripheral) -> None:
        """Put a device within reach."""
        self._present[peripheral.address] = peripheral

    def remove(self, address: str) -> None:
        """Take it away: its connections break."""
        self._present.pop(address, None)
        for connection in [number for number, at in self._connected.items() if at == address]:
            self._leave(connection)

    def notify(self, address: str, uuid: str, data: bytes) -> bool:
        """Let a device notify; whether the board is connected and has subscribed."""
        told = False
        for connection, at in self._connected.items():
            for one in _attributes(self._present[address]) if at == address else ():
                if one.what.uuid == uuid and (connection, one.value) in self._listening:
                    self._tell(_NOTIFIED, connection, one.value, data=data)
                    told = True
        return told

    def forget(self) -> None:
        """Forget all connections: the board is without power."""
        self._connected.clear()
        self._listening.clear()
        self._wide.clear()
        self._attempt = None

    # ------------------------------------------------------------------------------------- answers
    def answer(self, request: bytes) -> None:
        """Answer what a board asks for."""
        call, connection, one, two = _REQUEST.unpack_from(request)
        data = request[_REQUEST.size :]
        if call == b"c":
            self._connect(one, data)
        elif call == b"x":
            self._cancel()
        elif call == b"d":
            self._leave(connection)
        elif connection in self._connected and not self._spoilt(call, connection, one):
            device = self._present[self._connected[connection]]
            answers = {
                b"m": self._exchange,
                b"s": self._services,
                b"h": self._characteristics,
                b"e": self._descriptors,
                b"r": self._read,
                b"w": self._write,
            }
            answers[call](connection, device, (one, two), data)

    def _spoilt(self, call: bytes, connection: int, handle: int) -> bool:
        """Do what is wrong with a request, if something is."""
        at = self._connected[connection]
        self.asked.append((at, call))
        fault = self.faults.get((at, call))
        if fault == BREAK:
            self._leave(connection)
        elif isinstance(fault, int):
            self._tell(_READ_DONE if call == b"r" else _WRITTEN, connection, handle, fault)
        return fault is not None

    def _cancel(self) -> None:
        if self._attempt is not None:
            self._attempt = None
            self._tell(_DISCONNECTED, _NO_CONNECTION, 255, data=bytes(6))

    def _connect(self, kind: int, address: bytes) -> None:
        at = address.hex(":").upper()
        self.asked.append((at, b"c"))
        self.kinds[at] = kind
        if (at, b"c") in self.faults:
            self._attempt = address
            return
        if at not in self._present:
            self._tell(_DISCONNECTED, _NO_CONNECTION, kind, data=address)
            return
        connection, self._next = self._next, self._next + 1
        self._connected[connection] = at
        self._tell(_CONNECTED, connection, kind, data=address)

    def _leave(self, connection: int) -> None:
        at = self._connected.pop(connection, None)
        if at is not None:
            self._listening = {one for one in self._listening if one[0] != connection}
            address = bytes.fromhex(at.replace(":", ""))
            self._tell(_DISCONNECTED, connection, 0, data=address)

    def _exchange(self, number: int, device: Peripheral, _: tuple[int, int], __: bytes) -> None:
        self._wide.add(number)
        self._tell(_MTU, number, device.mtu)

    def _services(self, number: int, device: Peripheral, _: tuple[int, int], uuid: bytes) -> None:
        for start, last, service in _services(device):
            if uuid in (b"", _uuid(service.uuid)):
                self._tell(_SERVICE, number, start, last, uuid=service.uuid)
        self._tell(_SERVICES_DONE, number, 0)

    def _characteristics(
        self, number: int, device: Peripheral, span: tuple[int, int], uuid: bytes
    ) -> None:
        for one in _attributes(device):
            if span[0] <= one.value <= span[1] and uuid in (b"", _uuid(one.what.uuid)):
                flags = sum(_FLAGS.get(flag, 0) for flag in one.what.flags)
                end = one.value + _notifies(one.what)
                self._tell(_CHARACTERISTIC, number, end, one.value, flags, uuid=one.what.uuid)
        self._tell(_CHARACTERISTICS_DONE, number, 0)

    def _descriptors(
        self, number: int, device: Peripheral, span: tuple[int, int], _: bytes
    ) -> None:
        for one in _attributes(device):
            if _notifies(one.what) and span[0] <= one.value + 1 <= span[1]:
                self._tell(_DESCRIPTOR, number, one.value + 1, uuid=f"{_CCCD:08x}{_BASE}")
        self._tell(_DESCRIPTORS_DONE, number, 0)

    def _read(self, number: int, device: Peripheral, at: tuple[int, int], _: bytes) -> None:
        found = [one.what for one in _attributes(device) if one.value == at[0]]
        if found:
            value = found[0].on_read() if found[0].on_read else found[0].value
            most = min(device.mtu if number in self._wide else _MTU_BYTES, _BYTES + 1) - 1
            self._tell(_READ, number, at[0], data=value[:most])
        self._tell(_READ_DONE, number, at[0], 0 if found else _NOT_FOUND)

    def _write(self, number: int, device: Peripheral, at: tuple[int, int], data: bytes) -> None:
        handle, mode = at
        status = _NOT_FOUND
        for one in _attributes(device):
            if handle == one.value + 1 and _notifies(one.what):
                change = self._listening.add if data == _NOTIFY else self._listening.discard
                change((number, one.value))
                status = 0
            elif handle == one.value:
                status = 0
                if one.what.on_write:
                    one.what.on_write(data)
        if mode:
            self._tell(_WRITTEN, number, handle, status)

    def _tell(self, event: int, *numbers: int, data: bytes | None = None, uuid: str = "") -> None:
        head = struct.pack(f"<BB{len(numbers)}H", event, len(numbers), *numbers)
        if uuid:
            self._send(head + b"u" + _uuid(uuid))
        else:
            self._send(head + (b"n" if data is None else b"d" + data))


def _services(device: Peripheral) -> Iterator[tuple[int, int, Service]]:
    """Yield each service with the handles of its first and its last attribute."""
    handle = 1
    for service in device.services:
        size = sum(2 + _notifies(one) for one in service.characteristics)
        yield handle, handle + size, service
        handle += size + 1


def _attributes(device: Peripheral) -> Iterator[_Attribute]:
    for start, last, service in _services(device):
        handle = start + 1
        for one in service.characteristics:
            yield _Attribute(start, last, handle + 1, one)  # its declaration comes first
            handle += 2 + _notifies(one)


def _notifies(one: Characteristic) -> bool:
    return "notify" in one.flags or "indicate" in one.flags


def _uuid(text: str) -> bytes:
    """Return a UUID's bytes as they go over the air: two of them, or sixteen."""
    if text.endswith(_BASE) and text.startswith("0000"):
        return bytes.fromhex(text[4:8])[::-1]
    return bytes.fromhex(text.replace("-", ""))[::-1]
