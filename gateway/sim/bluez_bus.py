"""The simulator's D-Bus connection: dbus-fast with a writer that may burst.

dbus-fast 5.2 writes each message by itself and takes a full socket buffer for the end of the
connection (`_MessageWriter.write_callback` catches BlockingIOError); one burst of signals is
enough. Here messages that are sent in one turn of the loop leave as one write, in order, and a
full socket is waited for.
"""

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Iterable

from dbus_fast import Message
from dbus_fast.aio.message_bus import MessageBus

from gateway.sim.bluez_wire import ChangedSignal

_CHUNK_BYTES = 64 * 1024  # messages are joined up to this: enough to make the system call cheap
_HIGH_WATER_BYTES = 1024 * 1024


def _close(unix_fds: list[int]) -> None:
    for descriptor in unix_fds:
        os.close(descriptor)


class BurstBus(MessageBus):
    """A MessageBus on which `send` never fails for a full socket and never blocks."""

    def __init__(self, address: str) -> None:
        super().__init__(bus_address=address, negotiate_unix_fd=True)
        self._outbox: deque[tuple[bytearray, list[int]]] = deque()
        self._outbox_bytes = 0
        self._scheduled = False
        self._waiters: list[asyncio.Future[None]] = []
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._done.set_result(None)

    @property
    def congested(self) -> bool:
        """Whether the bus takes less than it is given: drain or drop."""
        return self._outbox_bytes > _HIGH_WATER_BYTES

    # dbus_fast.aio itself returns a future where its base class says None.
    def send(self, msg: Message) -> asyncio.Future[None]:  # type: ignore[override]
        """Do as `post` does. The future is done already: whoever wants to wait drains."""
        self.post(msg)
        return self._done

    def post(self, msg: Message) -> None:
        """Queue a message; it leaves with the next turn of the loop that finds room.

        Its file descriptors become ours and are closed behind it.
        """
        if not msg.serial:
            msg.serial = self.next_serial()
        # The one way to a message's bytes; dbus-fast's own writer takes it too.
        data = msg._marshall(negotiate_unix_fd=True)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._append(data, list(msg.unix_fds))

    def post_changed(self, signal: ChangedSignal, changed: Iterable[bytes]) -> None:
        """Queue a signal that is marshalled by hand."""
        self._append(signal.marshalled(self.next_serial(), changed), [])

    def _append(self, data: bytes | bytearray, unix_fds: list[int]) -> None:
        if not self.connected:
            _close(unix_fds)
            return  # whoever talks to a bus that is gone finds out by `connected`
        last = self._outbox[-1] if self._outbox else None
        if last and not unix_fds and not last[1] and len(last[0]) < _CHUNK_BYTES:
            last[0].extend(data)
        else:
            self._outbox.append((bytearray(data), unix_fds))
        self._outbox_bytes += len(data)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        try:
            while self._outbox:
                self._write_first()
        except BlockingIOError:
            self._await_room()
            return
        except OSError as error:
            self._abandon()
            self._finalize(error)
            return
        self._await_nothing()
        self._scheduled = False
        self._wake()

    def _await_room(self) -> None:
        if self._fd is not None:
            self._loop.add_writer(self._fd, self._flush)

    def _await_nothing(self) -> None:
        if self._fd is not None and self.connected:
            self._loop.remove_writer(self._fd)

    def _write_first(self) -> None:
        if self._sock is None:
            cause = "not connected"
            raise ConnectionError(cause)
        data, unix_fds = self._outbox[0]
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", unix_fds))]
        sent = self._sock.sendmsg([data], rights if unix_fds else [])
        self._outbox_bytes -= sent
        _close(unix_fds)  # they go with the first byte
        if sent == len(data):
            self._outbox.popleft()
        else:
            self._outbox[0] = (data[sent:], [])

    def _abandon(self) -> None:
        for _, unix_fds in self._outbox:
            _close(unix_fds)
        self._outbox.clear()
        self._outbox_bytes = 0
        self._scheduled = False
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def drain(self) -> None:
        """Return once the socket has taken all that was sent so far, or the connection is gone."""
        if self._outbox:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def disconnect(self) -> None:
        """Close; what is not written yet is lost, as it is when a process dies."""
        self._await_nothing()
        self._abandon()
        super().disconnect()
