"""A cable that ends in a TCP socket, for one host at a time. It knows no speed and no lines."""

import asyncio
import socket
from typing import Final

from gateway.sim.esp_rom.chip import SimulatedChip

_UNSENT_BYTES: Final = 65536  # beyond, what does not wait is lost


class SocketWire:
    """A listening socket whose other end is a chip."""

    def __init__(self, chip: SimulatedChip) -> None:
        self.chip = chip
        self.server: asyncio.Server | None = None  # that listens
        self.host: asyncio.Transport | None = None  # that is connected

    @property
    def baud(self) -> int | None:
        """None: a socket has no speed."""
        return None

    def connection(self) -> asyncio.Protocol:
        """Return what speaks with a host that connects."""
        return _Connection(self)

    def send(self, data: bytes, *, waits: bool) -> None:
        """Send bytes to the host, if there is one."""
        if self.host is not None and (waits or self.host.get_write_buffer_size() < _UNSENT_BYTES):
            self.host.write(self.wrapped(data))

    def unplug(self) -> None:
        """Be gone: nobody can connect any more, and who is connected reads the end."""
        if self.server is not None:
            self.server.close()
        if self.host is not None:
            self.host.abort()

    # ----------------------------------------------------------------------------------- differing
    def joined(self) -> None:
        """Begin with a host that has just connected."""

    def left(self) -> None:
        """Note that there is no host any more."""

    def wrapped(self, data: bytes) -> bytes:
        """Return what goes over the socket for what the chip says."""
        return data

    def arrived(self, data: bytes) -> None:
        """Take what came over the socket."""
        self.chip.take(data)


class _Connection(asyncio.Protocol):
    """One host. A second one at the same time is sent away: a port is opened once."""

    def __init__(self, wire: SocketWire) -> None:
        self._wire = wire
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP
        if self._wire.host is not None:
            transport.abort()
            return
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = self._wire.host = transport
        self._wire.joined()

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._wire.arrived(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._transport is not None:
            self._wire.host = None
            self._wire.left()
