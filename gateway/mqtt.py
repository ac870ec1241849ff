"""The one adapter of aiomqtt and paho: one connection to a broker, every PUBACK with its reason.

It never connects again and never re-sends; every message it is given ends in exactly one Outcome.
aiomqtt makes the client, and the paho beneath it speaks CONNECT, PING and DISCONNECT. The rest is
done here, which is why aiomqtt is pinned below 3:

- PUBLISH and PUBACK (`packet_socket`), for aiomqtt reports a denied message as delivered and walks
  all pending calls each time, and paho takes ten times as long as is needed.
- The socket, for aiomqtt opens it on the loop's executor, whose threads a process joins before it
  exits: a black-holed broker would hold up every shutdown.
- CONNACK and the end, for aiomqtt keeps neither the broker's limits nor its reasons, and sits out
  its timeout when a broker closes without a CONNACK.
- When to ask whether the broker lives: on a slow link the answer waits behind all that was sent.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, Self

import aiomqtt
import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.core import puback
from gateway.dial import TlsSettings, dial, why_lost
from gateway.errors import UplinkError
from gateway.model import Outcome
from gateway.packet_socket import MalformedError, PacketSocket, publish_packet
from gateway.reasons import disconnected, hint, no_answer, no_mqtt, outcome, refused
from gateway.turns import Turns

Done = Callable[[Outcome], None]

RECEIVE_MAXIMUM: Final = 65_535  # where CONNACK names none (MQTT 5, 3.2.2.3.3); MQTT 3.1.1
MAX_PACKET_BYTES: Final = 268_435_460  # Remaining Length and the fixed header (MQTT 5, 2.1)

PACKET_TOO_LARGE: Final = 0x95  # MQTT 5, 2.4
# A broker that is silent for longer than the keepalive, and than all that was sent can take at
# this rate, is gone (docs/explanation/delivery.md, Slow links).
SLOWEST_LINK: Final = 500  # bytes per second

_QOS: Final = 1
_MAX_PACKET_ID: Final = 65_535  # MQTT 5, 2.2.1
_DISCONNECT: Final = b"\xe0\0"  # normal disconnection, in both versions (MQTT 5, 3.14)
_SUCCESS: Final = Outcome(0)
_MUTE: Final = logging.Logger("paho", logging.CRITICAL + 1)  # noqa: LOG001 - all it has to say is told here
_LOOK_S: Final = 1.0  # how often paho is let look at the keepalive


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the broker. The password appears in no representation."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    keepalive_s: int = 30
    version: Literal["5", "3.1.1"] = "5"
    tls: TlsSettings | None = None
    connect_timeout_s: float = 15.0  # from the first DNS question to CONNACK

    def __repr__(self) -> str:
        return f"MqttSettings({self.client_id!r} at {self.host}:{self.port})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("client_id", self.client_id), ("host", self.host), ("port", self.port)]


class Will(msgspec.Struct, frozen=True):
    """What the broker publishes, retained, when this connection ends without leave taken."""

    topic: str
    payload: bytes


class Connection:
    """One connection: entered it is connected, left it is closed. For the loop's thread only.

    `async with` raises UplinkError when the broker cannot be reached or refuses us, and
    VersionRefusedError when it does not speak MQTT 5.
    """

    def __init__(self, settings: MqttSettings, will: Will | None) -> None:
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        self._five = settings.version == "5"
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[UplinkError | None] = self._loop.create_future()
        self._ended: asyncio.Future[UplinkError] = self._loop.create_future()
        self._leaving = ""  # why nothing more is taken
        self._idle = asyncio.Event()  # set when nothing is outstanding, while leaving
        self._outstanding: dict[int, tuple[Done, int]] = {}  # by packet id; bytes
        self._outstanding_bytes = 0
        self._held: Turns[_Message] = Turns()
        self._packet_id = 0
        self._patient_until = 0.0  # of the loop's clock: until then silence means nothing
        self._look: asyncio.TimerHandle | None = None
        self._receive_maximum = RECEIVE_MAXIMUM
        self._max_packet_bytes = MAX_PACKET_BYTES
        self._socket: PacketSocket | None = None
        self._wishes: Properties | None = None  # of a CONNECT under version 5
        client = _client(settings, will)
        # The documented exception: aiomqtt does not offer the paho client it drives.
        self._paho: Client = client._client  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._paho.on_connect, self._paho.on_disconnect = self._on_connect, self._on_disconnect
        # The socket is watched by PacketSocket, and takes whatever paho writes.
        self._paho.on_socket_open = self._paho.on_socket_close = None
        self._paho.on_socket_register_write = self._on_write_wanted
        self._paho.on_socket_unregister_write = None
        # aiomqtt would queue it for ever. Unless something is subscribed there should be none.
        self._paho.on_message = None

    @property
    def connected(self) -> bool:
        """Whether CONNACK came, and the connection neither has ended nor is about to."""
        return self._answer.done() and not self._ended.done() and not self._leaving

    @property
    def receive_maximum(self) -> int:
        """How many unacknowledged messages the broker allows (MQTT 5, 3.2.2.3.3)."""
        return self._receive_maximum

    @property
    def max_packet_bytes(self) -> int:
        """The largest packet the broker takes (MQTT 5, 3.2.2.3.6)."""
        return self._max_packet_bytes

    @property
    def outstanding_bytes(self) -> int:
        """What was handed over and not acknowledged: what is sent now comes behind it."""
        return self._outstanding_bytes + sum(len(message.payload) for message in self._held)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, turn: str = "", done: Done
    ) -> None:
        """Send with QoS 1; `done` is called once, later, from the event loop.

        What exceeds the Receive Maximum waits for a PUBACK, and kinds of message (`turn`) take
        turns. The callers' windows bound that queue: it serves brokers that allow so few that
        status and observations meet. What exceeds the broker's Maximum Packet Size ends with
        PACKET_TOO_LARGE and is not sent.
        """
        message = _Message(topic, payload, retain, done)
        if self._ended.done():
            self._finish(done, Outcome(None, str(self._ended.result())))
        elif self._leaving:
            self._finish(done, Outcome(None, self._leaving))
        elif len(self._outstanding) >= self._receive_maximum:
            self._held.add(turn, message)
        else:
            self._send(message)

    async def wait_closed(self) -> UplinkError:
        """Return, not raise, why the connection ended."""
        return await asyncio.shield(self._ended)

    async def disconnect(self, cause: str, *, within_s: float) -> None:
        """Take nothing more, wait for what is outstanding, take leave: the will stays unsaid.

        A broker that takes longer, or does not read, is dropped, and what is outstanding ends with
        the cause.
        """
        self._leaving = cause
        self._tell_idle()
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
                if self._socket is not None:
                    self._socket.write(_DISCONNECT)
                    await self._socket.drained()
        except TimeoutError:
            self.close(self._leaving)
        else:
            self._end(UplinkError(self._leaving))
            if self._socket is not None:
                self._socket.close()

    def close(self, cause: str) -> None:
        """Drop the connection at once, whatever the broker does."""
        self._end(UplinkError(cause))
        if self._socket is not None:
            self._socket.abort()

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._connect()
        except TimeoutError:
            self.close("no answer")
            raise no_answer(self._where) from None
        except BaseException:
            self.close("not connected")
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close("closed")

    async def _connect(self) -> None:
        s = self._settings
        sock = await dial(s.host, s.port, tls=s.tls, timeout_s=s.connect_timeout_s)
        self._socket = packets = PacketSocket(
            sock,
            on_puback=self._on_puback,
            on_packets=self._let_paho_read,
            on_broken=self._on_broken,
        )
        # paho would open one itself and block. TLS is the socket's business: paho only sends.
        self._paho._create_socket = lambda: packets  # type: ignore[method-assign] # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._paho.connect(s.host, s.port, s.keepalive_s, properties=self._wishes)
        refusal = await self._answer
        if refusal is not None:
            raise refusal

    # ------------------------------------------------------------------------------------ messages
    def _send(self, message: "_Message") -> None:
        packet_id = self._next_packet_id()
        packet = publish_packet(
            message.topic.encode(),
            message.payload,
            packet_id=packet_id,
            retain=message.retain,
            five=self._five,
        )
        size = len(packet)
        if size > self._max_packet_bytes:
            self._finish(message.done, Outcome(PACKET_TOO_LARGE, "Packet too large"))
            return
        if self._socket is None:
            self._finish(message.done, Outcome(None, "not connected"))
            return
        self._outstanding[packet_id] = (message.done, size)
        self._outstanding_bytes += size
        self._patient_until = self._loop.time() + self._outstanding_bytes / SLOWEST_LINK
        self._socket.write(packet)

    def _next_packet_id(self) -> int:
        self._packet_id = self._packet_id % _MAX_PACKET_ID + 1
        while self._packet_id in self._outstanding:
            self._packet_id = self._packet_id % _MAX_PACKET_ID + 1
        return self._packet_id

    def _on_puback(self, packet_id: int, code: int) -> None:
        waiting = self._outstanding.pop(packet_id, None)
        if waiting is None:  # acknowledged twice, or never sent
            return
        done, size = waiting
        self._outstanding_bytes -= size
        while self._held and len(self._outstanding) < self._receive_maximum:
            self._send(self._held.take())
        done(outcome(code) if code else _SUCCESS)
        self._tell_idle()

    def _finish(self, done: Done, outcome: Outcome) -> None:
        # By way of the loop: never within publish() or close().
        self._loop.call_soon(done, outcome)

    def _tell_idle(self) -> None:
        if self._leaving and (self._ended.done() or not self._outstanding):
            self._idle.set()

    def _end(self, error: UplinkError, code: int | None = None) -> None:
        if self._ended.done():
            return
        self._ended.set_result(error)
        if not self._answer.done():
            self._answer.set_result(error)
        if self._look is not None:
            self._look.cancel()
        for done, _ in self._outstanding.values():
            self._finish(done, Outcome(None, str(error), code))
        for message in self._held:  # it never was sent: the broker's reason cannot be about it
            self._finish(message.done, Outcome(None, str(error)))
        self._tell_idle()

    def _let_paho_read(self) -> None:
        """Have every message now: paho would keep those with QoS 2 until the broker releases them.

        Nobody asks for QoS 2, but there are brokers that subscribe their clients by themselves.
        """
        self._paho.loop_read()
        unreleased = self._paho._in_messages  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        while unreleased:
            _, message = unreleased.popitem()
            self._paho._handle_on_message(message)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    # --------------------------------------------------------------------------------- the end
    def _on_broken(self, error: Exception | None) -> None:
        if isinstance(error, MalformedError) and not self._answer.done():
            self._end(no_mqtt(self._where, error.first))
            return
        reason = why_lost(error, self._where)
        self._end(UplinkError(str(reason), reason.remedy or self._hint()))

    def _hint(self) -> str:
        return hint(accepted=self._answer.done(), tls=self._settings.tls is not None)

    # ------------------------------------------------------------------------- what paho calls
    def _on_connect(
        self, _c: Client, _u: object, _f: ConnectFlags, code: ReasonCode, limits: Properties | None
    ) -> None:
        if self._answer.done():
            return
        if code.is_failure:
            self._answer.set_result(refused(self._where, code.value))
        elif getattr(limits, "MaximumQoS", _QOS) < _QOS:
            self._answer.set_result(UplinkError(f"{self._where} offers QoS 0 only, not 1"))
        else:
            self._receive_maximum = getattr(limits, "ReceiveMaximum", RECEIVE_MAXIMUM)
            self._max_packet_bytes = getattr(limits, "MaximumPacketSize", MAX_PACKET_BYTES)
            self._answer.set_result(None)
            self._look = self._loop.call_later(_LOOK_S, self._look_alive)

    def _on_write_wanted(self, _c: Client, _u: object, _s: object) -> None:
        self._paho.loop_write()

    def _look_alive(self) -> None:
        """Let paho ask for a sign of life, or miss it, unless silence means nothing yet."""
        if not self._outstanding or self._loop.time() >= self._patient_until:
            self._paho.loop_misc()
        if not self._ended.done():
            self._look = self._loop.call_later(_LOOK_S, self._look_alive)

    def _on_disconnect(
        self,
        _c: Client,
        _u: object,
        flags: DisconnectFlags,
        code: ReasonCode,
        _p: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._end(disconnected(code.value), code.value)
        else:
            self._end(*self._unread(str(code)))

    def _unread(self, ended: str) -> tuple[UplinkError, int | None]:
        """Say why paho gave up; a broker's reason that paho does not know is a reason too."""
        code = self._socket.last_reason_code if self._socket is not None and self._five else None
        if code is None or code < puback.FAILURE:
            return UplinkError(f"the connection ended: {ended}", self._hint()), None
        if self._answer.done():
            return disconnected(code), code
        return refused(self._where, code), None


class _Message(NamedTuple):
    topic: str
    payload: bytes
    retain: bool
    done: Done


def _client(settings: MqttSettings, will: Will | None) -> aiomqtt.Client:
    """Return a new client; its session ends with the connection.

    That is the default of MQTT 5 (3.1.2.11.2) and a flag of 3.1.1.
    """
    five = settings.version == "5"
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=settings.client_id,
        username=settings.username,
        password=settings.password,
        protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
        clean_session=None if five else True,
        will=aiomqtt.Will(will.topic, will.payload, _QOS, retain=True) if will else None,
        logger=_MUTE,
    )
    # Else paho answers a refusal of 3.1.1 by opening a connection of its own, with MQTT 3.1.
    client._client._reconnect_on_failure = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return client
