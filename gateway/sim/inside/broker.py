"""A broker in memory that does what it is told: the face `Broker`, in ScriptedBroker's words.

It is as strict, and differs in this: no bytes exist, so nothing raw can follow CONNACK; nobody
subscribes, for whoever looks on reads `delivered`.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Final

from gateway.errors import SimulatorError
from gateway.reasons import UNSUPPORTED_VERSION
from gateway.sim.broker import Delivered
from gateway.sim.broker_limits import TAKEN_OVER, Limits, ViolationError
from gateway.sim.broker_packets import VERSION_5, Connect, Publish
from gateway.sim.broker_script import Answer, Offer, Script
from gateway.sim.inside.way import Act, Client, Wire

_ACK_BYTES: Final = 4  # PUBACK of a success, and about what PINGRESP and DISCONNECT take
_CONNACK_BYTES: Final = 12
_REFUSED_3_1_1: Final = 1  # CONNACK's return code: unacceptable protocol version
# CONNACK's return codes of MQTT 3.1.1 (3.2.2.3) as reason codes of version 5.
_CODES_OF_3_1_1: Final = {1: UNSUPPORTED_VERSION, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
_UNSPECIFIED: Final = 0x80


class Session:
    """One client of the broker, from its connection to its end: the `Server` of a wire."""

    def __init__(self, broker: "MemoryBroker", wire: Wire) -> None:
        self._broker = broker
        self._wire = wire
        self._offer = broker.offer
        self._limits = Limits(broker.offer)
        self._guest: Client | None = None
        self._inbox: deque[Act] = deque()  # what came while the broker was frozen,
        self._outbox: deque[tuple[int, Act]] = deque()  # and what it would have said
        self._took_leave = False
        self._over = False
        self.connect: Connect | None = None

    @property
    def awake(self) -> bool:
        """Whether what comes is read at once."""
        return not self._over and not self._broker.frozen

    # ----------------------------------------------------------------------- what the client sends
    def arrive(self, act: Act) -> None:
        """Take a packet, or let it lie while the broker is frozen."""
        if self._over:
            return
        if self._broker.frozen:
            self._inbox.append(act)
            return
        try:
            act()
        except ViolationError as violation:
            self._broker.violations.append(str(violation))
            self.disconnect(violation.code)

    def greet(self, client: Client, connect: Connect) -> None:
        """Take a CONNECT."""
        self._guest = client
        self._broker.connects.append(connect)
        offer = self._offer
        if offer.silent:
            return
        code = self._refusal(connect.version)
        if code is not None:
            self._say(_CONNACK_BYTES, partial(client.refused, code))
            self.hang_up()
            return
        self._say(_CONNACK_BYTES, partial(client.accepted, offer))
        self.connect = connect
        self._broker.enter(self)

    def _refusal(self, version: int) -> int | None:
        """Return why a client of this version is not let in, None where it is."""
        offer = self._offer
        if offer.then:
            cause = "bytes behind a CONNACK (Offer.then) exist on the level `process` only"
            raise SimulatorError(cause)
        code = offer.reason_code
        if version not in offer.versions:
            code = offer.refusal[-1] if offer.refusal else 0
            return UNSUPPORTED_VERSION if code == _REFUSED_3_1_1 else code
        if not code:
            return None
        return code if version == VERSION_5 else _CODES_OF_3_1_1.get(code, _UNSPECIFIED)

    def publish(self, message: Publish) -> None:
        """Take a PUBLISH. Raises ViolationError."""
        self._limits.measure(message.size)
        self._limits.judge(message)
        answer = self._broker.answer(message)
        if answer.takes_it:
            self._broker.deliver(message.topic, message.payload, retain=message.retain)
        if answer.disconnect is not None:
            self.disconnect(answer.disconnect)
        elif answer.hang_up:
            self.hang_up()
        else:
            self._acknowledge(message.packet_id, answer)

    def _acknowledge(self, packet_id: int, answer: Answer) -> None:
        for stray in answer.strays:
            self._puback(stray, 0)
        if not answer.times:
            return
        code = answer.reason_code if self._speaks_5 else 0
        if answer.after_s:
            loop = asyncio.get_running_loop()
            loop.call_later(answer.after_s, self._acknowledge_now, packet_id, code, answer.times)
        else:
            self._acknowledge_now(packet_id, code, answer.times)

    def _acknowledge_now(self, packet_id: int, code: int, times: int) -> None:
        self._limits.acknowledged(packet_id)
        for _ in range(times):
            self._puback(packet_id, code)

    def _puback(self, packet_id: int, code: int) -> None:
        if self._guest is not None:
            self._say(_ACK_BYTES, partial(self._guest.acknowledged, packet_id, code))

    def ping(self) -> None:
        """Take a PINGREQ."""
        if self._guest is not None:
            self._say(_ACK_BYTES, self._guest.answered)

    def leave(self) -> None:
        """Take a DISCONNECT: the will stays unsaid."""
        self._took_leave = True
        self.hang_up()

    def ended(self) -> None:
        """Hear that the connection is gone, behind what came before."""
        if self._inbox:
            self._inbox.append(self._end)
        else:
            self._end()

    # --------------------------------------------------------------------------- what it is told
    @property
    def _speaks_5(self) -> bool:
        return self.connect is not None and self.connect.version == VERSION_5

    def _say(self, size: int, act: Act) -> None:
        if self._broker.frozen:
            self._outbox.append((size, act))
        elif not self._over:
            self._wire.down.put(size, act)

    def stir(self) -> None:
        """Let the client see that it may not be answered any more."""
        self._wire.changed()

    def thaw(self) -> None:
        """Go on: say what was kept, then read what came."""
        while self._outbox:
            self._say(*self._outbox.popleft())
        while self._inbox and not self._broker.frozen:
            self.arrive(self._inbox.popleft())

    def disconnect(self, code: int) -> None:
        """End it with a reason, which only version 5 can be told."""
        if self._speaks_5 and self._guest is not None:
            self._say(_ACK_BYTES, partial(self._guest.dismissed, code))
        self.hang_up()

    def abort(self) -> None:
        """End it at once, whatever the client does."""
        self._wire.abort()
        self._end()

    def hang_up(self) -> None:
        """End it; what was said still arrives."""
        if not self._over:
            self._wire.hang_up()
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self._broker.leave(self)
        if self.connect is None or self._took_leave or self.connect.will is None:
            return
        will = self.connect.will
        self._broker.deliver(will.topic, will.payload, retain=will.retain)


class MemoryBroker:
    """Takes connections from its start to its stop, of any number of gateways."""

    def __init__(self, offer: Offer | None = None) -> None:
        self.offer = offer or Offer()
        self.script = Script()
        self.connects: list[Connect] = []
        self.received: list[Publish] = []
        self.delivered: list[Delivered] = []
        self.delivered_at_s: list[float] = []  # of the loop's clock, as long as `delivered`
        self.violations: list[str] = []
        self.retained: dict[str, bytes] = {}
        self.listens = False
        self.frozen = False
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[Session, None] = {}  # in the order they came

    async def start(self) -> None:
        """Take connections."""
        self.listens = True

    async def stop(self) -> None:
        """End all connections without a word, and take no more."""
        self.listens = False
        self.thaw()
        for session in list(self._sessions):
            session.abort()

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
        self.frozen = True
        for session in self._sessions:
            session.stir()

    def thaw(self) -> None:
        """Go on where it stood still."""
        self.frozen = False
        for session in list(self._sessions):
            session.thaw()

    # ------------------------------------------------------------------------- what sessions call
    def take(self, wire: Wire) -> Session:
        """Take a connection."""
        session = Session(self, wire)
        self._sessions[session] = None
        return session

    def enter(self, session: Session) -> None:
        """Let a client in; one of the same name has to go."""
        name = session.connect and session.connect.client_id
        for other in list(self._sessions):
            is_namesake = other.connect is not None and other.connect.client_id == name
            if name and other is not session and is_namesake:
                other.disconnect(TAKEN_OVER)

    def answer(self, message: Publish) -> Answer:
        """Record a message, and decide."""
        self.received.append(message)
        return self.script.answer(message)

    def deliver(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Hand a message to whoever looks on."""
        self.delivered.append(Delivered(topic, payload, retain))
        self.delivered_at_s.append(self._loop.time())
        if retain:
            self.retained[topic] = payload

    def leave(self, session: Session) -> None:
        """Forget a client that has gone."""
        self._sessions.pop(session, None)
