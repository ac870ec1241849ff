"""The platform's ear: a subscriber whose session outlives its connections.

What a broker has acknowledged to a gateway it owes to this one too, also when the node it hung on
has gone. It speaks MQTT 5, or 3.1.1 where that is refused, acknowledges with QoS 1, and takes its
session away when it leaves.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from gateway.dial import client_context
from gateway.errors import UplinkError
from gateway.mqtt import MqttSettings
from gateway.sim import broker_packets as packets
from gateway.sim.broker_packets import VERSION_3_1_1, VERSION_5, MalformedError
from gateway.sim.fleet import listener_packets as ours

Take = Callable[[str, bytes, float], None]  # topic, payload, Unix time

_KEEPALIVE_S: Final = 30
_SILENCE_S: Final = 15.0  # of a broker that is asked every third of that: it is gone
_AGAIN_S: Final = 0.5
_FAREWELL_S: Final = 1.0
_SESSION_S: Final = 3600
_READ_BYTES: Final = 262_144
_UNKNOWN_VERSION: Final = frozenset({0x01, 0x84})  # of 3.1.1, of 5 (CONNACK)
_NOT_NOW: Final = frozenset({0x03, 0x88, 0x89})  # unavailable, busy: trying again may help
_FAILURE: Final = 0x80
_LOST: Final = (OSError, EOFError, MalformedError)

Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RefusedError(UplinkError):
    """The broker does not let us listen; trying again would not help."""


class Listener:
    """Subscribes to one filter, at one of the brokers; when that goes, at the next."""

    def __init__(
        self,
        settings: MqttSettings,
        brokers: Sequence[tuple[str, int]],
        topic_filter: str,
        take: Take,
    ) -> None:
        self.connects = 0
        self.forgotten = 0  # times the broker had no session of ours any more
        self.cause = ""  # why it has no connection
        self.subscribed = asyncio.Event()
        self._settings = settings
        self._brokers = brokers
        self._filter = topic_filter
        self._take = take
        self._version = VERSION_5 if settings.version == "5" else VERSION_3_1_1
        self._turn = 0

    # ------------------------------------------------------------------------------ its life
    async def run(self) -> None:
        """Listen until cancelled. Raises RefusedError when the broker does not want that."""
        while not await self._managed(self.forget()):  # what an earlier run has left is not ours
            await self._wait()
        while True:
            await self._managed(self._listen())
            await self._wait()

    async def _managed(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether it came to its end before the connection did."""
        try:
            await work
        except _LOST as error:
            refused = isinstance(error, ConnectionRefusedError)
            self.cause = "connections are refused" if refused else str(error) or "no answer"
            return False
        return True

    async def _wait(self) -> None:
        self._turn += 1
        await asyncio.sleep(_AGAIN_S)

    async def forget(self) -> None:
        """Have the broker forget the session. Raises OSError, EOFError, RefusedError."""
        async with self._connected(clean=True) as (_, writer):
            writer.write(ours.disconnect())
            await writer.drain()

    async def _listen(self) -> None:
        async with self._connected(clean=False) as (reader, writer):
            writer.write(ours.subscribe(self._version, 1, self._filter))
            self.connects += 1
            splitter = ours.Splitter()
            while data := await self._read(reader, writer):
                answers = [self._on(*packet) for packet in splitter.feed(data)]
                writer.write(b"".join(answers))
                await writer.drain()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Return what comes; ask for a sign of life where nothing does. Raises EOFError."""
        for _ in range(3):
            try:
                async with asyncio.timeout(_SILENCE_S / 3):
                    return await reader.read(_READ_BYTES)
            except TimeoutError:
                writer.write(ours.ping())
        raise EOFError

    def _on(self, kind: int, flags: int, body: bytes) -> bytes:
        """Take a packet; what it is answered with."""
        if kind == packets.PUBLISH:
            message = ours.message(self._version, flags, body)
            self._take(message.topic, message.payload, time.time())
            if message.packet_id:
                return packets.puback(self._version, message.packet_id, 0)
        elif kind == packets.SUBACK:
            code = ours.granted(self._version, body)
            if code >= _FAILURE:
                cause = f"the broker refuses the subscription of {self._filter} ({code:#04x})"
                raise RefusedError(cause, "may this user read it?")
            self.subscribed.set()
        return b""

    # ---------------------------------------------------------------------------- a connection
    @asynccontextmanager
    async def _connected(self, *, clean: bool) -> AsyncGenerator[Connected]:
        """Connect; close at the end. Raises OSError, EOFError, MalformedError, RefusedError."""
        reader, writer = await self._open()
        try:
            code, known = await self._greet(reader, writer, clean=clean)
            if code in _UNKNOWN_VERSION and self._version == VERSION_5:
                self._version = VERSION_3_1_1
                await _close(writer)
                reader, writer = await self._open()
                code, known = await self._greet(reader, writer, clean=clean)
            self._judge(code)
            self.forgotten += self.subscribed.is_set() and not (known or clean)
            yield reader, writer
        finally:
            await _close(writer)

    async def _open(self) -> Connected:
        host, port = self._brokers[self._turn % len(self._brokers)]
        tls = self._settings.tls
        context = client_context(tls) if tls else None
        async with asyncio.timeout(_SILENCE_S):
            return await asyncio.open_connection(host, port, ssl=context)

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, clean: bool
    ) -> tuple[int, bool]:
        greeting = ours.Greeting(
            client_id=self._settings.client_id,
            clean=clean,
            keepalive_s=_KEEPALIVE_S,
            session_s=0 if clean else _SESSION_S,
            username=self._settings.username,
            password=self._settings.password,
        )
        writer.write(ours.connect(self._version, greeting))
        async with asyncio.timeout(_SILENCE_S):
            head = await reader.readexactly(2)  # CONNACK is short (MQTT 5, 3.2): one length byte
            body = await reader.readexactly(head[1])
        known, code = ours.acknowledged(body)
        return code, known

    def _judge(self, code: int) -> None:
        if code in _NOT_NOW:
            raise EOFError
        if code:
            cause = f"the broker does not let the listener in ({code:#04x})"
            raise RefusedError(cause, "does it admit this user, and this client id?")


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close; what was written is still sent, but a peer that takes its time is not waited for."""
    writer.close()
    with contextlib.suppress(*_LOST):
        async with asyncio.timeout(_FAREWELL_S):
            await writer.wait_closed()
    writer.transport.abort()
    await asyncio.sleep(0)
