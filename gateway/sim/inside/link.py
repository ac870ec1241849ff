"""One connection to a broker in memory: `gateway.uplink.link.Link`, as gateway.mqtt.Connection.

The same acts have the same outcomes, with the same words (tests/sim/test_inside_link.py holds both
to it). A line that does nothing is not asked whether it lives: its answer is known.
"""

import asyncio
from contextvars import copy_context
from typing import Final, NamedTuple, Self

from gateway.dial import why_lost
from gateway.errors import UplinkError
from gateway.model import Outcome
from gateway.mqtt import (
    MAX_PACKET_BYTES,
    PACKET_TOO_LARGE,
    RECEIVE_MAXIMUM,
    SLOWEST_LINK,
    Done,
    MqttSettings,
    Will,
)
from gateway.reasons import disconnected, hint, no_answer, outcome, refused, too_silent
from gateway.sim import broker_packets as packets
from gateway.sim.broker_packets import VERSION_3_1_1, VERSION_5, Publish
from gateway.sim.broker_script import Offer
from gateway.sim.inside.way import MemoryWay, Server, Wire
from gateway.turns import Turns

_MAX_PACKET_ID: Final = 65_535
_PATIENCE: Final = 1.5  # keepalives
_LOOK_S: Final = 1.0  # how often a silent line is looked at again
_SMALL_BYTES: Final = 2  # PINGREQ, DISCONNECT
_CONNECT_BYTES: Final = 60  # about, beside names and will
_SHORT: Final = 128  # Remaining Lengths below take one byte, and one more per seven bits


class _Message(NamedTuple):
    topic: str
    payload: bytes
    retain: bool
    done: Done


class MemoryLink:
    """One connection: entered it is connected, left it is closed. For the loop's thread only."""

    def __init__(self, way: MemoryWay, settings: MqttSettings, will: Will | None) -> None:
        self._way = way
        self._settings = settings
        self._will = will
        self._where = f"{settings.host}:{settings.port}"
        self._version = VERSION_5 if settings.version == "5" else VERSION_3_1_1
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._answer: asyncio.Future[UplinkError | None] = self._loop.create_future()
        self._ended: asyncio.Future[UplinkError] = self._loop.create_future()
        self._leaving = ""  # why nothing more is taken
        self._idle = asyncio.Event()  # set when nothing is outstanding, while leaving
        self._outstanding: dict[int, tuple[Done, int]] = {}  # by packet id; bytes
        self._outstanding_bytes = 0
        self._held: Turns[_Message] = Turns()
        self._packet_id = 0
        self._receive_maximum = RECEIVE_MAXIMUM
        self._max_packet_bytes = MAX_PACKET_BYTES
        self._wire: Wire | None = None
        self._session: Server | None = None
        self._keepalive_s = float(settings.keepalive_s)
        self._accepted_at_s = 0.0
        self._patient_until = 0.0  # until then silence means nothing
        self._asked = False  # for a sign of life, and not answered
        self._look: asyncio.TimerHandle | None = None

    # ----------------------------------------------------------------------------------- as a Link
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
        """Send with QoS 1; `done` is called once, later, from the event loop."""
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
        """Take nothing more, wait for what is outstanding, take leave: the will stays unsaid."""
        self._leaving = cause
        self._tell_idle()
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            self.close(cause)
            return
        self._end(UplinkError(cause))
        wire, self._wire = self._wire, None
        if wire is not None and self._session is not None:
            session = self._session
            wire.up.put(_SMALL_BYTES, lambda: session.arrive(session.leave))
            wire.shut()

    def close(self, cause: str) -> None:
        """Drop the connection at once, whatever the broker does."""
        self._end(UplinkError(cause))
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.reset()

    def vanish(self) -> None:
        """Be gone in a power cut, which the broker notices later (MQTT 5, 3.1.2.10)."""
        self._end(UplinkError("the power was cut"))
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.vanish(_PATIENCE * self._keepalive_s)

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
        wire, session = self._way.dial(self, self._where)
        self._wire, self._session = wire, session
        connect = packets.Connect(
            version=self._version,
            client_id=self._settings.client_id,
            keepalive_s=self._settings.keepalive_s,
            username=self._settings.username,
            will=_stated(self._will),
        )
        size = _CONNECT_BYTES + (len(self._will.payload) if self._will else 0)
        wire.up.put(size, lambda: session.arrive(lambda: session.greet(self, connect)))
        refusal = await self._answer
        if refusal is not None:
            raise refusal

    # ------------------------------------------------------------------------------------ messages
    def _send(self, message: _Message) -> None:
        packet_id = self._next_packet_id()
        size = self._size(message)
        if size > self._max_packet_bytes:
            self._finish(message.done, Outcome(PACKET_TOO_LARGE, "Packet too large"))
            return
        wire, session = self._wire, self._session
        if wire is None or session is None:
            self._finish(message.done, Outcome(None, "not connected"))
            return
        self._outstanding[packet_id] = (message.done, size)
        self._outstanding_bytes += size
        self._patient_until = self._loop.time() + self._outstanding_bytes / SLOWEST_LINK
        sent = Publish(
            client_id=self._settings.client_id,
            topic=message.topic,
            payload=message.payload,
            qos=1,
            retain=message.retain,
            dup=False,
            packet_id=packet_id,
            size=size,
        )
        wire.up.put(size, lambda: session.arrive(lambda: session.publish(sent)))

    def _size(self, message: _Message) -> int:
        """Return the bytes of a PUBLISH (MQTT 5, 3.3), under version 5 with no properties."""
        properties = int(self._version == VERSION_5)
        rest = len(message.topic.encode()) + 4 + properties + len(message.payload)
        head, length = 2, rest
        while length >= _SHORT:
            head, length = head + 1, length // _SHORT
        return head + rest

    def _next_packet_id(self) -> int:
        self._packet_id = self._packet_id % _MAX_PACKET_ID + 1
        while self._packet_id in self._outstanding:
            self._packet_id = self._packet_id % _MAX_PACKET_ID + 1
        return self._packet_id

    def _finish(self, done: Done, outcome: Outcome) -> None:
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

    # ------------------------------------------------------------------------ what the broker says
    def accepted(self, offer: Offer) -> None:
        """Hear a CONNACK that lets us in."""
        if self._answer.done():
            return
        is_5 = self._version == VERSION_5
        if is_5 and offer.maximum_qos == 0:
            self._answer.set_result(UplinkError(f"{self._where} offers QoS 0 only, not 1"))
            return
        if is_5:
            self._receive_maximum = offer.receive_maximum or RECEIVE_MAXIMUM
            self._max_packet_bytes = offer.maximum_packet_size or MAX_PACKET_BYTES
            self._keepalive_s = float(offer.server_keep_alive_s or self._settings.keepalive_s)
        self._accepted_at_s = self._loop.time()
        self._answer.set_result(None)
        self.stirred()

    def refused(self, code: int) -> None:
        """Hear a CONNACK that does not."""
        if not self._answer.done():
            self._answer.set_result(refused(self._where, code))

    def acknowledged(self, packet_id: int, code: int) -> None:
        """Hear a PUBACK."""
        waiting = self._outstanding.pop(packet_id, None)
        if waiting is None or self._ended.done():  # acknowledged twice, or never sent
            return
        done, size = waiting
        self._outstanding_bytes -= size
        while self._held and len(self._outstanding) < self._receive_maximum:
            self._send(self._held.take())
        done(outcome(code))
        self._tell_idle()

    def answered(self) -> None:
        """Hear a PINGRESP."""
        self._asked = False

    def dismissed(self, code: int) -> None:
        """Hear a DISCONNECT."""
        self._end(disconnected(code), code)

    def broken(self, error: OSError | None) -> None:
        """Hear that the connection has ended."""
        self._wire = None
        reason = why_lost(error, self._where)
        words = hint(accepted=self._answer.done(), tls=self._settings.tls is not None)
        self._end(UplinkError(str(reason), reason.remedy or words))

    # ---------------------------------------------------------------------------- signs of life
    def stirred(self) -> None:
        """Look at the line from the next time on that one would be asked for a sign of life."""
        if self._look is not None or self._ended.done() or not self._answer.done():
            return
        if self._is_clear or not self._keepalive_s:
            return
        passed_s = self._loop.time() - self._accepted_at_s
        due_s = self._keepalive_s - passed_s % self._keepalive_s
        self._look = self._loop.call_later(due_s, self._look_alive, context=self._context)

    @property
    def _is_clear(self) -> bool:
        wire, session = self._wire, self._session
        return wire is not None and wire.is_clear and session is not None and session.awake

    def _look_alive(self) -> None:
        """Ask for a sign of life, or miss it, unless silence means nothing yet."""
        self._look = None
        if self._ended.done() or (self._is_clear and not self._asked):
            return
        wait_s = self._keepalive_s
        if self._outstanding and self._loop.time() < self._patient_until:
            wait_s = _LOOK_S
        elif self._asked:
            self._drop()
            self._end(too_silent(tls=self._settings.tls is not None))
            return
        else:
            self._ask()
        self._look = self._loop.call_later(wait_s, self._look_alive)

    def _ask(self) -> None:
        wire, session = self._wire, self._session
        if wire is not None and session is not None:
            self._asked = True
            wire.up.put(_SMALL_BYTES, lambda: session.arrive(session.ping))

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.shut()


def _stated(will: Will | None) -> packets.Will | None:
    return packets.Will(will.topic, will.payload, retain=True) if will else None
