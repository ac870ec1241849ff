"""A broker that does what it is told: late, lost, wrong and refused acknowledgements, all limits.

It speaks MQTT 5 and 3.1.1 to real clients, with TLS where it is given a context, and records all
that reaches it. It is strict: what it announces it enforces, and a client that does otherwise is a
violation on record. It keeps no sessions and sends nothing again: for that there is mosquitto.

    async with ScriptedBroker(Offer(receive_maximum=1)) as broker:
        broker.script.on("+/+/+/+/obs/live", Answer(reason_code=0x87), times=3)
"""

import asyncio
import ssl
from types import TracebackType
from typing import Final, NamedTuple, Self

from gateway.sim.broker_limits import TAKEN_OVER
from gateway.sim.broker_packets import Connect, Publish, matches
from gateway.sim.broker_script import Answer, Offer, Script
from gateway.sim.broker_session import Session

HOST: Final = "127.0.0.1"

__all__ = ["Answer", "Delivered", "Offer", "Publish", "ScriptedBroker"]


class Delivered(NamedTuple):
    """One message as subscribers get it: PUBLISHed and taken, or somebody's will."""

    topic: str
    payload: bytes
    retain: bool


class ScriptedBroker:
    """Listens on 127.0.0.1 while it is entered; a port of 0 is chosen then, and kept.

    `connects` is every CONNECT as it came, `received` every PUBLISH, `delivered` what subscribers
    got of those, wills included; `delivered_at_s` is when, by the loop's clock.
    `offer` may be changed, for the connections to come.
    """

    def __init__(
        self, offer: Offer | None = None, *, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.offer = offer or Offer()
        self.script = Script()
        self.port = port
        self.connects: list[Connect] = []
        self.received: list[Publish] = []
        self.delivered: list[Delivered] = []
        self.delivered_at_s: list[float] = []
        self.violations: list[str] = []
        self.awake = asyncio.Event()
        self.awake.set()
        self._tls = tls
        self._retained: dict[str, bytes] = {}
        self._sessions: set[Session] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End all connections without a word, and listen no more."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self.thaw()
        for session in self._sessions:
            session.abort()
        if self._serving:
            await asyncio.wait(self._serving)

    # ------------------------------------------------------------------------------------- at will
    def disconnect(self, code: int) -> None:
        """End all connections with a reason code, which only version 5 is told."""
        for session in list(self._sessions):
            session.disconnect(code)

    def hang_up(self) -> None:
        """End all connections without a word."""
        for session in list(self._sessions):
            session.hang_up()

    def freeze(self) -> None:
        """Read no packet and answer none, while the connections stand."""
        self.awake.clear()

    def thaw(self) -> None:
        """Go on where it stood still."""
        self.awake.set()
        for session in self._sessions:
            session.thaw()

    # ------------------------------------------------------------------------- what sessions call
    def met(self, connect: Connect) -> None:
        """Record a client, whatever becomes of it."""
        self.connects.append(connect)

    def enter(self, session: Session) -> None:
        """Let a client in; one of the same name has to go."""
        for other in list(self._sessions - {session}):
            if session.client_id and other.client_id == session.client_id:
                other.disconnect(TAKEN_OVER)

    def answer(self, message: Publish) -> Answer:
        """Record a message, and decide."""
        self.received.append(message)
        return self.script.answer(message)

    def deliver(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Hand a message to all who subscribe."""
        self.delivered.append(Delivered(topic, payload, retain))
        self.delivered_at_s.append(asyncio.get_running_loop().time())
        if retain:
            self._retained[topic] = payload
        for session in self._sessions:
            if any(matches(wanted, topic) for wanted in session.filters):
                session.send(topic, payload, retain=False)

    def subscribed(self, session: Session, filters: list[str]) -> None:
        """Hand out what is retained."""
        for topic, payload in self._retained.items():
            if payload and any(matches(wanted, topic) for wanted in filters):
                session.send(topic, payload, retain=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        session = Session(self, reader, writer)
        self._sessions.add(session)
        try:
            violation = await session.run()
        finally:
            self._sessions.discard(session)
        if violation:
            self.violations.append(violation)
