"""One client of the scripted broker, from its CONNECT to its end."""

import asyncio
from typing import Final, Protocol

from gateway.sim import broker_packets as packets
from gateway.sim.broker_limits import MALFORMED, PROTOCOL_ERROR, Limits, ViolationError
from gateway.sim.broker_packets import Connect, MalformedError, Publish
from gateway.sim.broker_script import Answer, Offer

_RECEIVE_MAXIMUM, _MAXIMUM_QOS, _MAXIMUM_PACKET, _SERVER_KEEP_ALIVE = 0x21, 0x24, 0x27, 0x13
_ASSIGNED_CLIENT_ID = 0x12  # properties (MQTT 5, 2.2.2.2)
_GRANTED: Final = b"\x01"  # QoS 1
_MAX_VARINT_BYTES: Final = 4


class House(Protocol):
    """The broker as its sessions see it."""

    offer: Offer
    awake: asyncio.Event

    def met(self, connect: Connect) -> None:
        """Record a client, whatever becomes of it."""
        ...

    def enter(self, session: "Session") -> None:
        """Let a client in; one of the same name has to go."""
        ...

    def answer(self, message: Publish) -> Answer:
        """Record a message, and decide."""
        ...

    def deliver(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Hand a message to all who subscribe."""
        ...

    def subscribed(self, session: "Session", filters: list[str]) -> None:
        """Hand out what is retained."""
        ...


class Session:
    """Reads packets until the client or the script ends it."""

    def __init__(
        self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._house = house
        self._offer = house.offer
        self._reader = reader
        self._writer = writer
        self._limits = Limits(house.offer)
        self._frozen: list[bytes] = []
        self._next_id = 0
        self._took_leave = False
        self.connect: Connect | None = None
        self.filters: set[str] = set()

    @property
    def client_id(self) -> str | None:
        """The client's name, once it was let in."""
        return self.connect.client_id if self.connect else None

    # ------------------------------------------------------------------------------------- reading
    async def run(self) -> str:
        """Serve; return what the client did wrong, empty where it did nothing."""
        try:
            await self._serve()
        except MalformedError as error:
            return self._end_for(ViolationError(str(error), MALFORMED))
        except ViolationError as violation:
            return self._end_for(violation)
        except (asyncio.IncompleteReadError, OSError):
            return ""
        finally:
            self._say_will()
            self.hang_up()
        return ""

    def _end_for(self, violation: ViolationError) -> str:
        self.disconnect(violation.code)
        return str(violation)

    async def _serve(self) -> None:
        handlers = {
            packets.PUBLISH: self._publish,
            packets.PUBACK: self._puback,
            packets.SUBSCRIBE: self._subscribe,
            packets.UNSUBSCRIBE: self._unsubscribe,
            packets.PINGREQ: self._pingreq,
            packets.DISCONNECT: self._disconnect,
        }
        _, _, body = await self._packet()
        self._connect(packets.connect(body))
        while not self._writer.is_closing():
            kind, flags, body = await self._packet()
            if kind not in handlers:
                what = f"a packet of type {kind}"
                raise ViolationError(what, PROTOCOL_ERROR)
            handlers[kind](flags, body)

    async def _packet(self) -> tuple[int, int, bytes]:
        first = (await self._reader.readexactly(1))[0]
        if self.connect is None and first >> 4 != packets.CONNECT:
            what = "the first packet is no CONNECT"
            raise ViolationError(what, PROTOCOL_ERROR)
        length = shift = head = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            head += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
            if head == _MAX_VARINT_BYTES:
                what = "a length of more than four bytes"
                raise MalformedError(what)
        self._size = 1 + head + length
        if self.connect is not None:
            self._limits.measure(self._size)
        body = await self._reader.readexactly(length)
        await self._house.awake.wait()
        return first >> 4, first & 0x0F, body

    # ------------------------------------------------------------------------------------- packets
    def _connect(self, connect: Connect) -> None:
        offer = self._offer
        self._house.met(connect)
        if offer.silent:
            return
        if connect.version not in offer.versions:
            self.write(offer.refusal)
            self.hang_up()
            return
        properties = _properties(offer)
        if not connect.client_id:
            properties[_ASSIGNED_CLIENT_ID] = packets.text(f"client-{id(self):x}")
        answer = packets.connack(connect.version, offer.reason_code, properties)
        self.write(answer + offer.then)
        if offer.reason_code:
            self.hang_up()
            return
        self.connect = connect
        self._house.enter(self)

    def _publish(self, flags: int, body: bytes) -> None:
        message = packets.publish(flags, body, connect=self._connected, size=self._size)
        self._limits.judge(message)
        answer = self._house.answer(message)
        if answer.takes_it:
            self._house.deliver(message.topic, message.payload, retain=message.retain)
        if answer.disconnect is not None:
            self.disconnect(answer.disconnect)
        elif answer.hang_up:
            self.hang_up()
        elif message.qos:
            self._acknowledge(message.packet_id, answer)

    def _acknowledge(self, packet_id: int, answer: Answer) -> None:
        version = self._connected.version
        strays = b"".join(packets.puback(version, stray, 0) for stray in answer.strays)
        packet = packets.puback(version, packet_id, answer.reason_code)

        def send() -> None:
            self._limits.acknowledged(packet_id)
            self.write(packet * answer.times)

        self.write(strays)
        if not answer.times:
            return
        if answer.after_s:
            asyncio.get_running_loop().call_later(answer.after_s, send)
        else:
            send()

    def _puback(self, flags: int, body: bytes) -> None:
        """Take a subscriber's word for it: nothing is sent again."""

    def _subscribe(self, flags: int, body: bytes) -> None:  # noqa: ARG002 - every handler's form
        version = self._connected.version
        packet_id, filters = packets.subscribe(body, version, options=True)
        self.filters.update(filters)
        self.write(packets.suback(version, packet_id, _GRANTED * len(filters)))
        self._house.subscribed(self, filters)

    def _unsubscribe(self, flags: int, body: bytes) -> None:  # noqa: ARG002 - every handler's form
        version = self._connected.version
        packet_id, filters = packets.subscribe(body, version, options=False)
        self.filters.difference_update(filters)
        codes = b"\0" * len(filters) if version == packets.VERSION_5 else b""
        self.write(packets.suback(version, packet_id, codes, kind=packets.UNSUBACK))

    def _pingreq(self, flags: int, body: bytes) -> None:  # noqa: ARG002 - every handler's form
        self.write(packets.packet(packets.PINGRESP))

    def _disconnect(self, flags: int, body: bytes) -> None:  # noqa: ARG002 - every handler's form
        self._took_leave = not body or body[0] == 0  # 0x04 asks for the will (MQTT 5, 3.14.2.1)
        self.hang_up()

    @property
    def _connected(self) -> Connect:
        if self.connect is None:
            what = "something came before CONNACK"
            raise ViolationError(what, PROTOCOL_ERROR)
        return self.connect

    # ------------------------------------------------------------------------------------- writing
    def send(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Deliver a message to this client."""
        self._next_id = self._next_id % 65_535 + 1
        version = self._connected.version
        self.write(
            packets.delivery(version, topic, payload, packet_id=self._next_id, retain=retain)
        )

    def write(self, packet: bytes) -> None:
        """Send, or keep it while the broker is frozen."""
        if not self._house.awake.is_set():
            self._frozen.append(packet)
        elif not self._writer.is_closing():
            self._writer.write(packet)

    def thaw(self) -> None:
        """Send what was kept."""
        kept, self._frozen = self._frozen, []
        for packet in kept:
            self.write(packet)

    def disconnect(self, code: int) -> None:
        """End it with a reason, which only version 5 can be told."""
        if self.connect is not None and self.connect.version == packets.VERSION_5:
            self.write(packets.disconnect(code))
        self.hang_up()

    def hang_up(self) -> None:
        """End it; what was written is still sent."""
        self._writer.close()

    def abort(self) -> None:
        """End it at once, whatever the client does."""
        self._writer.transport.abort()

    def _say_will(self) -> None:
        if self.connect is None or self._took_leave or self.connect.will is None:
            return
        will = self.connect.will
        self._house.deliver(will.topic, will.payload, retain=will.retain)


def _properties(offer: Offer) -> dict[int, bytes]:
    given = (
        (_RECEIVE_MAXIMUM, offer.receive_maximum, 2),
        (_MAXIMUM_QOS, offer.maximum_qos, 1),
        (_MAXIMUM_PACKET, offer.maximum_packet_size, 4),
        (_SERVER_KEEP_ALIVE, offer.server_keep_alive_s, 2),
    )
    return {name: value.to_bytes(size, "big") for name, value, size in given if value is not None}
