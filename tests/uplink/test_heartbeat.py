"""At most one status in flight, and the newest wins."""

from collections.abc import Callable

from gateway.model import Outcome
from gateway.uplink.heartbeat import Heartbeat

ACKNOWLEDGED = Outcome(0)


class Wire:
    """What was sent, and how it is acknowledged."""

    def __init__(self) -> None:
        self.state = 0
        self.sent: list[bytes] = []
        self.told = 0
        self._done: list[Callable[[Outcome], None]] = []
        self.heartbeat = Heartbeat(send=self.send, render=self.render, told=self.tell)

    def send(self, payload: bytes, done: Callable[[Outcome], None]) -> None:
        self.sent.append(payload)
        self._done.append(done)

    def render(self) -> bytes:
        return b"%d" % self.state

    def tell(self) -> None:
        self.told += 1

    def end(self, outcome: Outcome) -> None:
        self._done.pop(0)(outcome)


def test_what_changes_while_one_is_in_flight_is_told_once_and_as_it_is_then() -> None:
    wire = Wire()
    for wire.state in range(5):
        wire.heartbeat.tell()
    assert wire.sent == [b"0"]
    wire.state = 9
    wire.end(ACKNOWLEDGED)
    assert wire.sent == [b"0", b"9"]
    wire.end(ACKNOWLEDGED)
    assert (wire.sent, wire.told) == ([b"0", b"9"], 2)


def test_a_refused_status_does_not_count_as_told_and_does_not_stop_the_next() -> None:
    wire = Wire()
    wire.heartbeat.tell()
    wire.end(Outcome(0x87, "Not authorized"))
    wire.heartbeat.tell()
    wire.end(Outcome(0x10, "No matching subscribers"))
    assert (len(wire.sent), wire.told) == (2, 1)


def test_a_status_lost_with_its_connection_is_not_sent_again() -> None:
    wire = Wire()
    wire.heartbeat.tell()
    wire.heartbeat.tell()
    wire.end(Outcome(None, "lost"))
    assert (len(wire.sent), wire.told) == (1, 0)


def test_after_stop_nothing_more_is_said() -> None:
    wire = Wire()
    wire.heartbeat.tell()
    wire.heartbeat.tell()
    wire.heartbeat.stop()
    wire.end(ACKNOWLEDGED)
    wire.heartbeat.tell()
    assert wire.sent == [b"0"]
