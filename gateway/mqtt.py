"""The one adapter of aiomqtt and paho: one connection to a broker, every PUBACK with its reason.

It never connects again and never re-sends; every message it is given ends in exactly one Outcome.
aiomqtt drives paho from the event loop. Three things are done on the paho client beneath it, which
is why aiomqtt is pinned below 3:

- PUBLISH, for aiomqtt reports a denied message as delivered and walks all pending calls each time.
- The socket, for aiomqtt opens it on the loop's executor, whose threads a process joins before it
  exits: a black-holed broker would hold up every shutdown.
- CONNACK and the end, for aiomqtt keeps neither the broker's limits nor its reasons, and sits out
  its timeout when a broker closes without a CONNACK.
"""

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import aiomqtt
import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.dial import TlsSettings, dial
from gateway.errors import UplinkError
from gateway.model import Outcome

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike  # exists for type checkers alone

Done = Callable[[Outcome], None]

RECEIVE_MAXIMUM: Final = 65_535  # where CONNACK names none (MQTT 5, 3.2.2.3.3); MQTT 3.1.1
MAX_PACKET_BYTES: Final = 268_435_460  # Remaining Length and the fixed header (MQTT 5, 2.1)

_QOS: Final = 1
_UNSPECIFIED: Final = 0x80
_UNSUPPORTED_VERSION: Final = 0x84
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger, socket(7)

# Reason codes of CONNACK and DISCONNECT (MQTT 5, 2.4) -> remedy.
_REMEDY: Final = {
    0x85: "choose another mqtt.client_id",
    0x86: "check mqtt.username and mqtt.password",
    0x87: "check mqtt.username and mqtt.password; or the broker does not admit this client id",
    0x8A: "the broker has banned this gateway",
    0x8E: "another client uses the same mqtt.client_id: give each gateway its own",
    0x9A: "the broker must allow retained messages: status is one",
}


class VersionRefusedError(UplinkError):
    """The broker says in so many words that it does not speak MQTT 5."""


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

    def __init__(self, settings: MqttSettings, will: Will) -> None:
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[UplinkError | None] = self._loop.create_future()
        self._ended: asyncio.Future[UplinkError] = self._loop.create_future()
        self._outstanding: dict[int, Done] = {}
        self._held: deque[tuple[str, bytes, bool, Done]] = deque()
        self._receive_maximum = RECEIVE_MAXIMUM
        self._max_packet_bytes = MAX_PACKET_BYTES
        self._last_words = _LastWords()
        self._client = _client(settings, will, self._last_words.logger)
        # The documented exception: aiomqtt does not offer the paho client it drives.
        self._paho: Client = self._client._client  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._paho.on_connect = self._on_connect
        self._paho.on_publish = self._on_publish
        self._paho.on_disconnect = self._on_disconnect
        self._paho.on_socket_register_write = self._on_write_wanted

    @property
    def connected(self) -> bool:
        """Whether CONNACK came and the connection has not ended."""
        return self._answer.done() and not self._ended.done()

    @property
    def receive_maximum(self) -> int:
        """How many unacknowledged messages the broker allows (MQTT 5, 3.2.2.3.3)."""
        return self._receive_maximum

    @property
    def max_packet_bytes(self) -> int:
        """The largest packet the broker takes (MQTT 5, 3.2.2.3.6). Not enforced here."""
        return self._max_packet_bytes

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, done: Done) -> None:
        """Send with QoS 1; `done` is called once, later, from the event loop.

        What exceeds the Receive Maximum waits for a PUBACK. The callers' windows bound that
        queue: it serves brokers that allow so few that status and observations meet.
        """
        if self._ended.done():
            self._finish(done, Outcome(None, str(self._ended.result())))
        elif len(self._outstanding) >= self._receive_maximum:
            self._held.append((topic, payload, retain, done))
        else:
            self._send(topic, payload, retain, done)

    async def wait_closed(self) -> UplinkError:
        """Return, not raise, why the connection ended."""
        return await asyncio.shield(self._ended)

    async def disconnect(self, *, within_s: float) -> None:
        """Take leave, so that the broker discards the will; one that does not read is dropped."""
        self._paho.disconnect()
        try:
            async with asyncio.timeout(within_s):
                await self.wait_closed()
        except TimeoutError:
            self.close("disconnected")

    def close(self, cause: str) -> None:
        """Drop the connection at once, whatever the broker does."""
        self._end(UplinkError(cause))
        sock = self._paho.socket()
        if isinstance(sock, socket.socket):
            # A reset: else the kernel goes on sending what is no longer ours, over a slow link
            # for minutes.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        # paho has no abort. This closes the socket first of all, and opens nothing.
        self._paho.connect_async(self._settings.host, self._settings.port)

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._connect()
        except TimeoutError:
            self.close("no answer")
            message = f"{self._where} does not answer"
            raise UplinkError(
                message, "is it an MQTT broker, and is the way to it open?"
            ) from None
        except BaseException:
            self.close("not connected")
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close("closed")

    async def _connect(self) -> None:
        s = self._settings
        sock = await dial(s.host, s.port, tls=s.tls, timeout_s=s.connect_timeout_s)
        sock.settimeout(0)
        # paho would open one itself and block. TLS is the socket's business: paho only sends.
        self._paho._create_socket = lambda: sock  # type: ignore[method-assign] # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._paho.connect(s.host, s.port, s.keepalive_s)
        refusal = await self._answer
        if refusal is not None:
            raise refusal

    def _send(self, topic: str, payload: bytes, retain: bool, done: Done) -> None:  # noqa: FBT001 - named in publish()
        info = self._paho.publish(topic, payload, _QOS, retain)
        if info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._outstanding[info.mid] = done
        else:  # the socket is gone, and on_disconnect is about to say so
            self._finish(done, Outcome(None, "the connection was lost"))

    def _finish(self, done: Done, outcome: Outcome) -> None:
        # By way of the loop: never within publish() or close(), never under paho's locks.
        self._loop.call_soon(done, outcome)

    def _end(self, error: UplinkError) -> None:
        if self._ended.done():
            return
        self._ended.set_result(error)
        if not self._answer.done():
            self._answer.set_result(error)
        lost = Outcome(None, str(error))
        for done in (*self._outstanding.values(), *(held[-1] for held in self._held)):
            self._finish(done, lost)

    # What paho calls, from the loop's readers, writers and timers.
    def _on_connect(
        self, _c: Client, _u: object, _f: ConnectFlags, code: ReasonCode, limits: Properties | None
    ) -> None:
        if self._answer.done():
            return
        if code.is_failure:
            self._answer.set_result(_refused(self._where, code))
        elif getattr(limits, "MaximumQoS", _QOS) < _QOS:
            self._answer.set_result(UplinkError(f"{self._where} offers QoS 0 only, not 1"))
        else:
            self._receive_maximum = getattr(limits, "ReceiveMaximum", RECEIVE_MAXIMUM)
            self._max_packet_bytes = getattr(limits, "MaximumPacketSize", MAX_PACKET_BYTES)
            self._answer.set_result(None)

    def _on_publish(
        self, _c: Client, _u: object, mid: int, code: ReasonCode, _p: Properties | None
    ) -> None:
        done = self._outstanding.pop(mid)
        self._finish(done, Outcome(code.value, str(code) if code.value else ""))
        if self._held:
            self._send(*self._held.popleft())

    def _on_disconnect(
        self,
        _c: Client,
        _u: object,
        flags: DisconnectFlags,
        code: ReasonCode,
        _p: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            cause = f"the broker disconnected: {code}"
            self._end(UplinkError(cause, _REMEDY.get(code.value, "")))
        elif code.value == _UNSPECIFIED:
            self._end(
                UplinkError(f"the connection was lost: {self._last_words.text}", self._hint())
            )
        else:
            self._end(UplinkError(f"the connection ended: {code}"))

    def _hint(self) -> str:
        # A broker says these things after the TLS 1.3 handshake, or under MQTT 3.1.1 not at all.
        if self._settings.tls is not None and not self._answer.done():
            return "does the broker want a certificate, or another? see mqtt.tls.cert"
        if not self._answer.done():
            return "does this port want TLS? see mqtt.tls"
        return "if it comes back: is mqtt.client_id used twice?"

    def _on_write_wanted(self, _c: Client, _u: object, sock: "SocketLike") -> None:
        # aiomqtt does this a turn later: the socket may be closed by then, its number another's.
        self._loop.add_writer(sock.fileno(), self._paho.loop_write)


def _client(settings: MqttSettings, will: Will, logger: logging.Logger) -> aiomqtt.Client:
    """Return a new client: paho's re-sends what its last connection left, clean session or not.

    Its session ends with the connection: the default of MQTT 5 (3.1.2.11.2), the flag of 3.1.1.
    """
    five = settings.version == "5"
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=settings.client_id,
        username=settings.username,
        password=settings.password,
        protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
        clean_session=None if five else True,
        will=aiomqtt.Will(will.topic, will.payload, _QOS, retain=True),
        max_inflight_messages=0,  # paho's own window walks all messages at each PUBACK
        logger=logger,
    )


class _LastWords(logging.Handler):
    """What paho said last: it tells an errno to its log alone, and no one else should hear it."""

    def __init__(self) -> None:
        super().__init__()
        self.text = "closed by the broker"
        self.logger = logging.Logger("paho", logging.ERROR)  # noqa: LOG001 - of this connection only
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage().removeprefix("failed to receive on socket: ")


def _refused(where: str, code: ReasonCode) -> UplinkError:
    message = f"{where} refused the connection: {code}"
    if code.value == _UNSUPPORTED_VERSION:
        return VersionRefusedError(message, "set mqtt.version to 3.1.1")
    return UplinkError(message, _REMEDY.get(code.value, ""))
