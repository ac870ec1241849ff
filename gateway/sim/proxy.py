"""A way to a broker as bad as one likes: slow, late, cut, swallowing, half open, refused.

Bytes are never lost, changed or overtaken while it passes them on; what one side does not take
holds up the other, as on a real line.
"""

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Final, Self

import msgspec

HOST: Final = "127.0.0.1"

_CHUNK_BYTES: Final = 1024
_CHUNKS_ON_THE_LINE: Final = 1024
_BUFFER_BYTES: Final = 4096  # of sockets: a slow line has no room for a megabyte
_LOOK_S: Final = 0.01  # at the end, for connections that are only just being taken
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger, socket(7)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What a line does, each way; it may be changed while it is in use.

    0 bytes/s means no limit. `swallows`: takes everything from the client and passes nothing on,
    nor anything back, and says nothing of it.
    """

    up_bytes_per_s: int = 0
    down_bytes_per_s: int = 0
    latency_s: float = 0.0  # each way
    swallows: bool = False


class Proxy:
    """Listens on 127.0.0.1 and passes everything on to a broker's port there.

    `broker_port` may be changed, for the connections to come.
    """

    def __init__(self, broker_port: int, line: Line | None = None) -> None:
        self.port = 0
        self.broker_port = broker_port
        self._line = line or Line()
        self._changed = asyncio.Event()  # set for those who wait for the line as it was
        self.passed_up = 0  # bytes, of all connections
        self.passed_down = 0
        self._holder: socket.socket | None = None  # of the port: refused, it is still ours
        self._listener: socket.socket | None = None
        self._refused = self._broker_away = False
        self._serving: set[asyncio.Task[None]] = set()
        self._ways: dict[asyncio.Task[None], _Way] = {}

    async def __aenter__(self) -> Self:
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind((HOST, 0))
        self.port = self._holder.getsockname()[1]
        self._listen_or_not()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None
        self._listen_or_not()
        while self._serving:
            self.cut()
            await asyncio.wait(self._serving, timeout=_LOOK_S)

    @property
    def refused(self) -> bool:
        """Whether nothing listens there, so that every new connection is refused at once."""
        return self._refused

    @refused.setter
    def refused(self, refused: bool) -> None:
        self._refused = refused
        self._listen_or_not()

    @property
    def broker_away(self) -> bool:
        """Whether no broker stands behind it: then too they are refused, as by its own port."""
        return self._broker_away

    @broker_away.setter
    def broker_away(self, broker_away: bool) -> None:
        self._broker_away = broker_away
        self._listen_or_not()

    def _listen_or_not(self) -> None:
        wanted = self._holder is not None and not (self._refused or self._broker_away)
        listener = self._listener
        if wanted and listener is None:
            self._listen()
        elif listener is not None and not wanted:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
            self._listener = None

    def _listen(self) -> None:
        self._listener = listener = socket.create_server((HOST, self.port))
        # Inherited by what it accepts: set later, the window would have been promised already.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        listener.settimeout(0)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:  # it has gone already
            return
        client.settimeout(0)
        task = asyncio.create_task(self._serve(client), name="proxy.serve")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    @property
    def line(self) -> Line:
        """What the line does; a change counts for what is on it already."""
        return self._line

    @line.setter
    def line(self, line: Line) -> None:
        self._line = line
        self._changed.set()
        self._changed = asyncio.Event()

    async def pass_time(self, bytes_per_s: int, size: int) -> None:
        """Wait for as long as so many bytes take on the line, or until it is another."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(size / bytes_per_s):
                await self._changed.wait()

    def cut(self) -> None:
        """Break all connections: both sides see a reset."""
        for task in self._ways:
            task.cancel()

    def forget_clients(self) -> None:
        """Break the clients' side of all connections; the broker's stays, half open and silent."""
        for way in self._ways.values():
            way.forget_client()

    async def _serve(self, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client, limit=_CHUNK_BYTES)
        task = asyncio.current_task()
        if task is None:
            return
        way = self._ways[task] = _Way(self, reader, writer)
        try:
            await way.run(self.broker_port)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            del self._ways[task]
            writer.close()


class _Way:
    """One connection through the proxy."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._half_open = False

    def forget_client(self) -> None:
        """Let the client go and keep the broker's side."""
        self._half_open = True
        _reset(self._writer)

    async def run(self, broker_port: int) -> None:
        """Pass on both ways until a side ends; raises OSError when the broker is not there."""
        there, back = await asyncio.open_connection(HOST, broker_port, limit=_CHUNK_BYTES)
        tasks = (
            asyncio.create_task(self._pass(self._reader, back, up=True), name="proxy.up"),
            asyncio.create_task(self._pass(there, self._writer, up=False), name="proxy.down"),
        )
        try:
            # Whatever ends one direction ends the connection.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._half_open:
                await asyncio.get_running_loop().create_future()  # until it is cut
        except asyncio.CancelledError:
            _reset(back)
            raise
        finally:
            for task in tasks:
                task.cancel()
            back.close()  # before the wait, in which it may be cut
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        writer.transport.set_write_buffer_limits(high=_CHUNK_BYTES)
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_ON_THE_LINE)
        arriving = asyncio.create_task(_arrive(line, writer), name="proxy.arrive")
        try:
            await self._depart(reader, line, up=up)
            await line.join()
        finally:
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)

    async def _depart(
        self, reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]], *, up: bool
    ) -> None:
        """Put on the line what comes, as fast as the line takes it."""
        proxy, clock_s = self._proxy, asyncio.get_running_loop().time
        while data := await reader.read(_CHUNK_BYTES):
            now = proxy.line
            if now.swallows:
                continue
            rate = now.up_bytes_per_s if up else now.down_bytes_per_s
            if rate:
                await proxy.pass_time(rate, len(data))
            await line.put((clock_s() + now.latency_s, data))
            if up:
                proxy.passed_up += len(data)
            else:
                proxy.passed_down += len(data)


async def _arrive(line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    clock_s = asyncio.get_running_loop().time
    while True:
        due_s, data = await line.get()
        if due_s > clock_s():
            await asyncio.sleep(due_s - clock_s())
        writer.write(data)
        with contextlib.suppress(OSError):
            await writer.drain()
        line.task_done()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset."""
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
