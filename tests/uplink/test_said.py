"""What is said beside observations is given time as the line needs it, and not for ever."""

from typing import Final

from gateway.model import Outcome
from gateway.mqtt import Done
from gateway.uplink.said import Said
from tests.fakes import NS, FakeClock

MINUTE_S: Final = 60


class Line:
    """A link that acknowledges when it is told to."""

    def __init__(self) -> None:
        self.outstanding_bytes = 0
        self.outstanding: list[Done] = []
        self.closed: list[str] = []

    def publish(
        self,
        topic: str,  # noqa: ARG002 - a link's own
        payload: bytes,  # noqa: ARG002 - the same
        *,
        retain: bool = False,  # noqa: ARG002 - the same
        turn: str = "",  # noqa: ARG002 - the same
        done: Done,
    ) -> None:
        self.outstanding.append(done)

    def close(self, cause: str) -> None:
        self.closed.append(cause)


def patience_ns(under_way: int) -> int:
    """Return what an observation is given where nobody has configured anything: 10 s, 500 B/s."""
    return 10 * NS + under_way * NS // 500


def say(said: Said, payload: bytes = b"") -> None:
    said.publish("status", payload, retain=True, turn="status", done=lambda _: None)


def test_a_message_that_nobody_acknowledges_ends_the_connection_after_a_minute() -> None:
    line, clock = Line(), FakeClock()
    said = Said(line, clock, patience_ns)
    say(said)
    say(said)
    line.outstanding.pop()(Outcome(0))
    clock.pass_s(MINUTE_S - 1)
    said.look()
    assert not line.closed
    clock.pass_s(1)
    said.look()
    assert line.closed == ["1 of 1 messages not acknowledged in time"]


def test_a_message_behind_others_on_a_slow_line_is_given_their_time_too() -> None:
    line, clock = Line(), FakeClock()
    line.outstanding_bytes = 49_000
    said = Said(line, clock, patience_ns)
    say(said, b"x" * 1000)  # 50 kB at 500 B/s
    clock.pass_s(MINUTE_S + 99)
    said.look()
    assert not line.closed
    clock.pass_s(1)
    said.look()
    assert len(line.closed) == 1


def test_what_was_acknowledged_or_has_ended_is_waited_for_no_more() -> None:
    line, clock = Line(), FakeClock()
    said = Said(line, clock, patience_ns)
    for outcome in (Outcome(0), Outcome(0x87), Outcome(None, "lost")):
        say(said)
        line.outstanding.pop()(outcome)
    clock.pass_s(10 * MINUTE_S)
    said.look()
    assert not line.closed


def test_what_is_said_is_given_more_time_than_an_observation_however_much_that_is() -> None:
    """A site whose broker is slow, or its link, says so once: `ack_timeout`, `min_rate`."""
    line, clock = Line(), FakeClock()
    line.outstanding_bytes = 9_000
    said = Said(line, clock, lambda under_way: 300 * NS + under_way * NS // 10)
    say(said, b"x" * 1000)
    clock.pass_s(300 + 1000)
    said.look()
    assert not line.closed
    clock.pass_s(MINUTE_S)
    said.look()
    assert len(line.closed) == 1
