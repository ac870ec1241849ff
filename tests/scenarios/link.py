"""A slow way to a broker: every byte it sends back takes its time, none is lost or overtaken."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536


class SlowLink:
    """Listens on `port` and passes everything on, answers `delay_s` later."""

    def __init__(self, broker_port: int, delay_s: float) -> None:
        self.port = 0
        self._broker_port = broker_port
        self._delay_s = delay_s
        self._server: asyncio.Server | None = None
        self._ways: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        if self._ways:
            await asyncio.wait(self._ways)  # the agents have gone, so they end by themselves

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = asyncio.current_task()
        assert way is not None
        self._ways.add(way)
        way.add_done_callback(self._ways.discard)
        # Whatever ends one direction ends the connection.
        with contextlib.closing(writer), contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._broker_port)
            with contextlib.closing(back):
                out = asyncio.create_task(_pass(reader, back, 0.0), name="link out")
                home = asyncio.create_task(_pass(there, writer, self._delay_s), name="link home")
                try:
                    await asyncio.wait((out, home), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    out.cancel()
                    home.cancel()
                    await asyncio.gather(out, home, return_exceptions=True)


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(_CHUNK_BYTES):
        if delay_s:
            loop.call_later(delay_s, writer.write, data)  # equal delays keep their order
        else:
            writer.write(data)
