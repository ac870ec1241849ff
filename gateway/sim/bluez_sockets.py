"""The sockets that AcquireNotify and AcquireWrite give to clients: a packet for each value."""

import asyncio
import socket
from collections.abc import Callable

from dbus_fast import Message, MessageType

from gateway.sim.bluez_call import Call

_MAX_ATT_VALUE = 512  # Bluetooth Core, Vol 3, Part F, 3.2.9


class AcquiredSocket:
    """Our end. `taken` is given each value that a client writes; `closed` is called at its end."""

    def __init__(
        self, ours: socket.socket, taken: Callable[[bytes], None], closed: Callable[[], None]
    ) -> None:
        self._socket = ours
        self._taken = taken
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(ours, self._read)

    def _read(self) -> None:
        try:
            value = self._socket.recv(_MAX_ATT_VALUE)
        except ConnectionError:
            value = b""
        if value:
            self._taken(value)
        else:
            self._closed()

    def send(self, value: bytes) -> bool:
        """Send a value; false when it is lost, for the client does not read or has gone."""
        try:
            self._socket.send(value)
        except (BlockingIOError, ConnectionError):
            return False
        return True

    def close(self) -> None:
        """Close it."""
        self._loop.remove_reader(self._socket)
        self._socket.close()


def hand_out(
    call: Call, mtu: int, *, taken: Callable[[bytes], None], closed: Callable[[], None]
) -> tuple[AcquiredSocket, Message]:
    """Return our end and the reply that carries the other one to the client."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)  # noqa: FBT003 - the socket module has it so
    reply = Message(
        message_type=MessageType.METHOD_RETURN,
        reply_serial=call.message.serial,
        destination=call.sender,
        signature="hq",
        body=[0, mtu],
        unix_fds=[theirs.detach()],
    )
    return AcquiredSocket(ours, taken, closed), reply
