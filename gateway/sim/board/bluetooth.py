"""Bluetooth LE as NimBLE's bindings give it: scans in windows, reports in memory that is reused.

What a handler is given is true until it returns; then the same memory holds something else, so a
handler that keeps a reference sees it. An exception in a handler ends it, as on the chip: it is
printed once, and no report comes any more.
"""

import errno
import struct
import sys
import time

import board

FLAG_READ = 0x0002
FLAG_WRITE_NO_RESPONSE = 0x0004
FLAG_WRITE = 0x0008
FLAG_NOTIFY = 0x0010
FLAG_INDICATE = 0x0020

_SCAN_RESULT = 5
_SCAN_DONE = 6
_CONNECTED = 7
_DISCONNECTED = 8
_EBUSY = 16  # which MicroPython's errno does not name
_SCAN_RESPONSE = 4  # the kind of report that only an active scan asks for
_LEGACY_BYTES = 31  # all an ESP32 can hear of an advertisement
_STALE = b"\xdb" * 64


class UUID(bytes):
    """Of 16 or 128 bits, made of a number, a text or bytes; its bytes as they go over the air."""

    def __init__(self, value) -> None:
        if isinstance(value, int):
            value = struct.pack("<H", value)
        elif isinstance(value, str):
            value = bytes(reversed(bytes.fromhex(value.replace("-", ""))))
        super().__init__(value)


class BLE:
    """The radio; one, whoever asks for it."""

    def __new__(cls):
        if board.radio is None:
            board.radio = object.__new__(cls)
            board.radio.set_up()
        return board.radio

    def set_up(self) -> None:
        """Make it as it is after a reset."""
        self._active = self._scans = self._asks = self._connects = False
        self._handler = None
        self._end = None
        self._interval = self._window = 0
        self._buffer = bytearray(6 + _LEGACY_BYTES)
        self._view = memoryview(self._buffer)
        self._address = self._view[:6]
        self._contents = [None] * (_LEGACY_BYTES + 1)  # a view of each length, made when needed

    def active(self, *wanted):
        if wanted:
            self._active = bool(wanted[0])
            if not self._active:
                self._scans = self._connects = False
        return self._active

    def config(self, *names, **settings):
        return (0, b"\x24\x0a\xc4\x00\x00\x02") if names else None  # "mac"

    def irq(self, handler) -> None:
        self._handler = handler

    def gap_scan(self, duration, interval: int = 1280000, window: int = 11250, active=False):
        if not self._active:
            raise OSError(errno.ENODEV)
        if duration is None:
            if self._scans:
                self._done()
            return
        if self._scans:
            raise OSError(errno.EALREADY)
        if self._connects:
            raise OSError(_EBUSY)
        self._scans, self._asks = True, active
        self._interval, self._window = interval // 1000, window // 1000
        self._end = time.ticks_add(time.ticks_ms(), duration) if duration else None

    def tick(self) -> None:
        """End the window when its time is over; the board's beat calls it."""
        if self._scans and self._end is not None and self._left_ms() <= 0:
            self._done()

    def _left_ms(self) -> int:
        return time.ticks_diff(self._end, time.ticks_ms())

    def _done(self) -> None:
        self._scans = False
        self._call(_SCAN_DONE, ())

    def hear(self, view, at: int, stop: int) -> int:
        """Hand on one report of the world's: whether the scan heard it."""
        kind, size = view[at + 7], stop - at - 9
        if not self._scans or self._handler is None or size > _LEGACY_BYTES:
            return 0
        if kind == _SCAN_RESPONSE and not self._asks:
            return 0
        if self._window < self._interval and time.ticks_ms() % self._interval >= self._window:
            return 0
        rssi = view[at + 8]
        self._view[:6] = view[at + 1 : at + 7]
        self._view[6 : 6 + size] = view[at + 9 : stop]
        if self._contents[size] is None:
            self._contents[size] = self._view[6 : 6 + size]
        rssi = rssi - 256 if rssi > 127 else rssi
        self._call(_SCAN_RESULT, (view[at], self._address, kind, rssi, self._contents[size]))
        self._buffer[:] = _STALE[: len(self._buffer)]
        return 1

    def _call(self, event: int, data) -> None:
        try:
            if self._handler is not None:
                self._handler(event, data)
        except Exception as error:  # noqa: BLE001 - whatever it is, as the chip does
            print("Unhandled exception in IRQ callback handler")
            sys.print_exception(error)
            self._handler = None

    # ------------------------------------------------------------------------------- GATT client
    # Each call is asked of the world (struct below) and answered by events, as on the chip:
    # letter of the call, connection, two numbers, then bytes.
    def _ask(self, call: bytes, connection: int, one: int, two: int, data: bytes = b"") -> None:
        if not self._active:
            raise OSError(errno.ENODEV)
        board.say(0x47, struct.pack("<sHHH", call, connection, one, two) + data)

    def gap_connect(self, kind, address=None, scan_ms: int = 2000, *intervals) -> None:
        if kind is None:
            self._ask(b"x", 0, 0, 0)
            return
        if self._scans:
            self._done()
        self._ask(b"c", 0, kind, scan_ms, bytes(address))
        self._connects = True

    def gap_disconnect(self, connection: int) -> bool:
        self._ask(b"d", connection, 0, 0)
        return True

    def gattc_exchange_mtu(self, connection: int) -> None:
        self._ask(b"m", connection, 0, 0)

    def gattc_discover_services(self, connection: int, uuid=None) -> None:
        self._ask(b"s", connection, 0, 0, bytes(uuid) if uuid else b"")

    def gattc_discover_characteristics(
        self, connection: int, start: int, end: int, uuid=None
    ) -> None:
        self._ask(b"h", connection, start, end, bytes(uuid) if uuid else b"")

    def gattc_discover_descriptors(self, connection: int, start: int, end: int) -> None:
        self._ask(b"e", connection, start, end)

    def gattc_read(self, connection: int, handle: int) -> None:
        self._ask(b"r", connection, handle, 0)

    def gattc_write(self, connection: int, handle: int, data, mode: int = 0) -> None:
        self._ask(b"w", connection, handle, mode, bytes(data))

    def report(self, message) -> None:
        """Hand on an event: its number, how many numbers, them, what follows them.

        What follows is a letter and bytes: n nothing, d data or an address, u a UUID.
        """
        event, count = message[0], message[1]
        if event in (_CONNECTED, _DISCONNECTED):
            self._connects = False
        data = list(struct.unpack(f"<{count}H", bytes(message[2 : 2 + 2 * count])))
        what, rest = message[2 + 2 * count], bytes(message[3 + 2 * count :])
        if what == 0x75:
            data.append(UUID(rest))
        elif what == 0x64:
            data.append(memoryview(bytearray(rest)))
        self._call(event, tuple(data))
