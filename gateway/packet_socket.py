"""A broker's socket, read and written by whole packets: PUBACKs to us, the others to paho.

PUBLISH and PUBACK are what a gateway does all day, and paho takes ten times as long over them as
is needed. To paho this is a socket that takes everything at once; what the kernel does not take is
kept here, bounded by the callers' window.

A failed write ends nothing: the broker's last word, the reason why it hung up, may still lie in
the receive buffer, and whoever closes first never reads it.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final

MAX_INCOMING_BYTES: Final = 65_536  # nothing we are sent is larger than a CONNACK

_PUBACK: Final = 0x40  # MQTT 5, 2.1.2: packet id, reason code, properties (3.4)
_ID_BYTES: Final = 2
_PUBLISH_QOS_1: Final = 0x32
_RETAIN: Final = 0x01
_READ_BYTES: Final = 65_536  # more than a TLS record holds: none of it stays behind in OpenSSL
_MAX_VARINT_BYTES: Final = 4  # Variable Byte Integer (MQTT 5, 1.5.5)
_MORE: Final = 0x80
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger, socket(7)
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def publish_packet(
    topic: bytes, payload: bytes, *, packet_id: int, retain: bool, five: bool
) -> bytes:
    """Return a PUBLISH with QoS 1 (MQTT 5, 3.3), under version 5 without properties."""
    properties = b"\0" if five else b""
    head = b"%b%b%b%b" % (
        len(topic).to_bytes(2, "big"),
        topic,
        packet_id.to_bytes(2, "big"),
        properties,
    )
    first = _PUBLISH_QOS_1 | (_RETAIN if retain else 0)
    return b"%c%b%b%b" % (first, _varint(len(head) + len(payload)), head, payload)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= _MORE:
        out.append(number & 0x7F | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


class MalformedError(ValueError):
    """What came is no MQTT, or nothing that a broker may send us."""

    def __init__(self) -> None:
        super().__init__("the peer sent something that is not MQTT")


class PacketSocket:
    """A connected socket, non-blocking, on the running loop, until `close`.

    `on_puback` is called with packet id and reason code, `on_packets` when there is something for
    paho to `recv`, `on_broken` once, with the error or with None at the end of the stream. All are
    called from the loop, never from within `write`.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        on_puback: Callable[[int, int], None],
        on_packets: Callable[[], object],
        on_broken: Callable[[Exception | None], None],
    ) -> None:
        sock.settimeout(0)
        self._sock = sock
        self._fd = sock.fileno()
        self._loop = asyncio.get_running_loop()
        self._on_puback = on_puback
        self._on_packets = on_packets
        self._on_broken = on_broken
        self._incoming = bytearray()  # no whole packet yet
        self._for_paho = bytearray()
        self._outgoing = bytearray()  # what the kernel has not taken
        self._drained: asyncio.Future[None] | None = None
        self._writing = False
        self._closed = False
        self._loop.add_reader(self._fd, self._read)

    # --------------------------------------------------------------------------------------- write
    def write(self, packet: bytes | bytearray) -> None:
        """Send now what the kernel takes now, the rest as soon as it can be."""
        if self._closed:
            return
        if self._outgoing:
            self._outgoing += packet
            return
        sent = self._send(packet)
        if sent < len(packet):
            self._outgoing += memoryview(packet)[sent:]
            self._want_to_write()

    async def drained(self) -> None:
        """Return when the kernel has taken everything, or the socket is closed."""
        if self._outgoing and not self._closed:
            self._drained = self._loop.create_future()
            await self._drained

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._sock.send(data)
        except _NOT_NOW:
            return 0
        except OSError as error:
            self._loop.call_soon(self._read_the_rest, error)
            return len(data)  # it goes nowhere any more

    def _want_to_write(self) -> None:
        if not self._writing:
            self._writing = True
            self._loop.add_writer(self._fd, self._write_more)

    def _write_more(self) -> None:
        del self._outgoing[: self._send(self._outgoing)]
        if self._outgoing:
            return
        self._writing = False
        self._loop.remove_writer(self._fd)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # ---------------------------------------------------------------------------------------- read
    def _read(self) -> None:
        if self._closed:
            return
        try:
            data = self._sock.recv(_READ_BYTES)
        except _NOT_NOW:
            return
        except OSError as error:
            self._break(error)
            return
        if data:
            self._incoming += data
            self._split()
        else:
            self._break(None)

    def _read_the_rest(self, error: OSError) -> None:
        self._read()
        self._break(error)

    def _split(self) -> None:
        while not self._closed:
            try:
                packet, body = self._next_packet()
            except MalformedError as error:
                self._break(error)
                return
            if not packet:
                return
            if packet[0] == _PUBACK:
                code = body[_ID_BYTES] if len(body) > _ID_BYTES else 0
                self._on_puback(body[0] << 8 | body[1], code)
            else:
                self._for_paho += packet
                while self._for_paho and not self._closed:
                    self._on_packets()

    def _next_packet(self) -> tuple[bytes, bytes]:
        """Take the first packet and its body out of the buffer; empty while it is not whole."""
        head = self._incoming[: 1 + _MAX_VARINT_BYTES]
        length = 0
        for index, byte in enumerate(head[1:]):
            length |= (byte & 0x7F) << 7 * index
            if byte < _MORE:
                break
        else:
            if len(head) > _MAX_VARINT_BYTES:
                raise MalformedError
            return b"", b""
        start = index + 2
        if length > MAX_INCOMING_BYTES or (head[0] == _PUBACK and length < _ID_BYTES):
            raise MalformedError
        if len(self._incoming) < start + length:
            return b"", b""
        packet = bytes(self._incoming[: start + length])
        del self._incoming[: start + length]
        return packet, packet[start:]

    def _break(self, error: Exception | None) -> None:
        if not self._closed:
            self.close()
            self._on_broken(error)

    # ----------------------------------------------------------------------------- as paho sees it
    def recv(self, buffer_size: int) -> bytes:
        """Return bytes of packets that are paho's."""
        if not self._for_paho:
            raise BlockingIOError
        data = bytes(self._for_paho[:buffer_size])
        del self._for_paho[:buffer_size]
        return data

    def send(self, buffer: bytes | bytearray) -> int:
        """Take everything."""
        self.write(buffer)
        return len(buffer)

    def fileno(self) -> int:
        """Return the descriptor, which nobody but this object may watch."""
        return self._fd

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - as a socket has it
        """Stay non-blocking."""

    # ----------------------------------------------------------------------------------------- end
    def abort(self) -> None:
        """Close with a reset.

        Else the kernel goes on sending what is no longer ours, over a slow link for minutes.
        """
        if not self._closed:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.close()

    def close(self) -> None:
        """Close; what the kernel has taken is still sent. Without effect the second time."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._sock.close()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
