"""A broker's socket, read and written by whole packets: PUBACKs to us, the others to paho.

PUBLISH and PUBACK are what a gateway does all day, and paho takes ten times as long over them as
is needed. To paho this is a socket that takes everything at once; what the kernel does not take is
kept here, bounded by the callers' window.

A message that is too large to be kept is let pass: some brokers subscribe their clients by
themselves, and one that sends such a thing again after each connection must not end them all.

A failed write ends nothing: the broker's last word, the reason why it hung up, may still lie in
the receive buffer, and whoever closes first never reads it.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final

MAX_INCOMING_BYTES: Final = 65_536  # nothing we ask for is larger than a CONNACK

_MAX_ANSWERS_BYTES: Final = 65_536  # that a peer may ask for without reading any of them

_PUBACK: Final = 0x40  # MQTT 5, 2.1.2: packet id, reason code, properties (3.4)
_ID_BYTES: Final = 2
_PUBLISH_QOS_1: Final = 0x32
_RETAIN: Final = 0x01
_READ_BYTES: Final = 65_536  # more than a TLS record holds: none of it stays behind in OpenSSL
_MAX_VARINT_BYTES: Final = 4  # Variable Byte Integer (MQTT 5, 1.5.5)
_MORE: Final = 0x80
_CONNACK: Final = 0x20
_DISCONNECT: Final = 0xE0
# What a packet for a client may begin with: its type, and flags as they must be (MQTT 5, 2.1.3).
# A web page, a banner and a TLS alert begin otherwise, and are told by their first byte.
_PUBLISHES: Final = frozenset(range(0x30, 0x40)) - {0x36, 0x37, 0x3E, 0x3F}  # there is no QoS 3
_FIRST_BYTES: Final = _PUBLISHES | frozenset(
    (_CONNACK, _PUBACK, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xC0, 0xD0, _DISCONNECT, 0xF0)
)
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


def _body(head: bytes | bytearray) -> tuple[int, int]:
    """Return where the body of a packet begins and its length, zeros while that is not known."""
    length = 0
    for index, byte in enumerate(head[1:]):
        length |= (byte & 0x7F) << 7 * index
        if byte < _MORE:
            return index + 2, length
    if len(head) > _MAX_VARINT_BYTES:
        raise MalformedError(head[0])
    return 0, 0


class MalformedError(ValueError):
    """What came is no MQTT, or nothing that a broker may send us; `first` is its first byte."""

    def __init__(self, first: int) -> None:
        super().__init__("the peer sent something that is not MQTT")
        self.first = first


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
        self._passing = 0  # bytes that are still to come of a message nobody wants
        self._for_paho = bytearray()
        self._outgoing = bytearray()  # what the kernel has not taken
        self._drained: asyncio.Future[None] | None = None
        self._answers = 0  # bytes of paho's since the kernel had taken everything
        self._last = (0, b"")  # of the packets that are paho's: first byte and body
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
        self._answers = 0
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
            self._let_pass()
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
                self._last = (packet[0], body)
                self._for_paho += packet
                while self._for_paho and not self._closed:
                    self._on_packets()

    def _next_packet(self) -> tuple[bytes, bytes]:
        """Take the first packet and its body out of the buffer; empty while it is not whole."""
        head = self._incoming[: 1 + _MAX_VARINT_BYTES]
        if head and head[0] not in _FIRST_BYTES:
            raise MalformedError(head[0])
        start, length = _body(head)
        if length > MAX_INCOMING_BYTES and head[0] in _PUBLISHES:
            self._passing = start + length
            self._let_pass()
            return self._next_packet()
        if length > MAX_INCOMING_BYTES or (start and head[0] == _PUBACK and length < _ID_BYTES):
            raise MalformedError(head[0])
        if not start or len(self._incoming) < start + length:
            return b"", b""
        packet = bytes(self._incoming[: start + length])
        del self._incoming[: start + length]
        return packet, packet[start:]

    def _let_pass(self) -> None:
        """Forget what has come of a message that is too large, unread and unanswered."""
        gone = min(self._passing, len(self._incoming))
        del self._incoming[:gone]
        self._passing -= gone

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
        """Take everything: a peer that only asks and never reads is no broker."""
        self.write(buffer)
        self._answers = self._answers + len(buffer) if self._outgoing else 0
        if self._answers > _MAX_ANSWERS_BYTES:
            self._loop.call_soon(self._break, MalformedError(self._last[0]))
        return len(buffer)

    def fileno(self) -> int:
        """Return the descriptor, which nobody but this object may watch."""
        return self._fd

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - as a socket has it
        """Stay non-blocking."""

    @property
    def last_reason_code(self) -> int | None:
        """The code of the CONNACK or DISCONNECT that came last (MQTT 5, 3.2.2.2 and 3.14.2.1)."""
        first, body = self._last
        at = {_CONNACK: 1, _DISCONNECT: 0}.get(first)
        return body[at] if at is not None and len(body) > at else None

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
