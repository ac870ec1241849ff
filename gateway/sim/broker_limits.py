"""What a broker has announced, held against what a client sends: a breach is a violation."""

from typing import Final

from gateway.sim.broker_packets import Publish
from gateway.sim.broker_script import Offer

MAX_PACKET_BYTES: Final = 16_000_000  # of a client that is told no limit

MALFORMED, PROTOCOL_ERROR, TAKEN_OVER = 0x81, 0x82, 0x8E  # reason codes (MQTT 5, 2.4)
ID_IN_USE, RECEIVE_MAXIMUM_EXCEEDED, PACKET_TOO_LARGE = 0x91, 0x93, 0x95
QOS_NOT_SUPPORTED = 0x9B


class ViolationError(Exception):
    """A client that does what it must not; with the reason code that it is told."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what)
        self.code = code


class Limits:
    """The limits of one connection, and what of it is not acknowledged."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._unacknowledged: set[int] = set()

    def measure(self, size: int) -> None:
        """Judge the size of a packet. Raises ViolationError."""
        limit = self._offer.maximum_packet_size or MAX_PACKET_BYTES
        if size > limit:
            text = f"a packet of {size} bytes where {limit} are allowed"
            raise ViolationError(text, PACKET_TOO_LARGE)

    def judge(self, message: Publish) -> None:
        """Judge a PUBLISH; from here on it is unacknowledged. Raises ViolationError."""
        most_qos = 1 if self._offer.maximum_qos is None else self._offer.maximum_qos
        if message.qos > most_qos:
            what = f"QoS {message.qos}, and it is not offered"
            raise ViolationError(what, QOS_NOT_SUPPORTED)
        if not message.qos:
            return
        if message.packet_id in self._unacknowledged:
            what = f"packet id {message.packet_id} is in use"
            raise ViolationError(what, ID_IN_USE)
        self._unacknowledged.add(message.packet_id)
        most = self._offer.receive_maximum
        if most is not None and len(self._unacknowledged) > most:
            text = f"{len(self._unacknowledged)} unacknowledged where {most} are allowed"
            raise ViolationError(text, RECEIVE_MAXIMUM_EXCEEDED)

    def acknowledged(self, packet_id: int) -> None:
        """Note that a PUBACK is sent."""
        self._unacknowledged.discard(packet_id)
