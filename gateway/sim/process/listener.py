"""Who listens beside the agent: a subscriber of everything that a real broker delivers.

Its session outlives its connections and the broker's restarts, so what the broker has acknowledged
arrives here. It speaks MQTT 5 by itself, for the agent's own adapter is under test.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

from gateway.errors import SimulatorError
from gateway.sim import broker_packets as packets
from gateway.sim.broker import Delivered
from gateway.sim.broker_packets import Connect
from gateway.sim.broker_script import FAILURE

_HOST: Final = "127.0.0.1"
_AGAIN_S: Final = 0.02  # after an end, until the broker is back
_LIMIT_S: Final = 30.0  # for the first subscription: no promise, the end of a hopeless wait
_EXPIRY, _FOR_EVER = 0x11, 0xFFFF_FFFF  # Session Expiry Interval (MQTT 5, 3.1.2.11.2)
_SUBSCRIBE_FLAGS: Final = 0x02  # MQTT 5, 3.8.1
# Subscription options (MQTT 5, 3.8.3.1): QoS 1; retained messages as such, as a broker's own
# record has them; what is retained comes with a new subscription only.
_OPTIONS: Final = 0x01 | 0x08 | 0x10


class Listener:
    """An async context; entered, it is subscribed. `delivered_at_s` is by the loop's clock.

    Entering raises SimulatorError when the broker does not take the subscription.
    """

    def __init__(self, port: int, *, name: str = "ugw-sim-listener") -> None:
        self.delivered: list[Delivered] = []
        self.delivered_at_s: list[float] = []
        self._port = port
        self._who = Connect(version=packets.VERSION_5, client_id=name, keepalive_s=0)
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen(), name="listener")
        try:
            await asyncio.wait_for(self._subscribed.wait(), _LIMIT_S)
        except BaseException as error:
            await self.__aexit__(None, None, None)
            if isinstance(error, TimeoutError):
                cause = f"the broker on port {self._port} takes no subscription of everything"
                raise SimulatorError(cause, "it has to let anybody in, to read #") from None
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(_HOST, self._port)
                try:
                    await self._talk(reader, writer)
                finally:
                    writer.close()
            await asyncio.sleep(_AGAIN_S)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_hello(self._who) + _subscription())
        while True:
            kind, flags, body = await _packet(reader)
            if kind == packets.SUBACK and body[-1] < FAILURE:
                self._subscribed.set()
            elif kind == packets.PUBLISH:
                self._take(flags, body, writer)
            elif kind == packets.DISCONNECT:
                return

    def _take(self, flags: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        message = packets.publish(flags, body, connect=self._who, size=len(body))
        self.delivered.append(Delivered(message.topic, message.payload, message.retain))
        self.delivered_at_s.append(asyncio.get_running_loop().time())
        if message.qos:
            writer.write(packets.puback(packets.VERSION_5, message.packet_id, 0))


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first >> 4, first & 0x0F, await reader.readexactly(length)


def _hello(who: Connect) -> bytes:
    """Return a CONNECT that takes up its session where it was (MQTT 5, 3.1)."""
    expiry = bytes((_EXPIRY,)) + _FOR_EVER.to_bytes(4, "big")
    head = packets.text("MQTT") + bytes((who.version, 0)) + who.keepalive_s.to_bytes(2, "big")
    body = head + bytes((len(expiry),)) + expiry + packets.text(who.client_id)
    return packets.packet(packets.CONNECT, body)


def _subscription() -> bytes:
    body = (1).to_bytes(2, "big") + b"\0" + packets.text("#") + bytes((_OPTIONS,))
    return packets.packet(packets.SUBSCRIBE, body, _SUBSCRIBE_FLAGS)
