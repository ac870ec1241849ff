"""What a scripted broker does with what it is sent: answers, and when each of them holds."""

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.sim.broker_packets import Publish, matches

FAILURE: Final = 0x80  # reason codes from here on (MQTT 5, 2.4)
NO_MATCHING_SUBSCRIBERS: Final = 0x10


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What CONNACK says. What is None or absent is not said; what is said is enforced.

    `versions` are those it speaks; a client with another gets the bytes of `refusal`, and the
    connection ends.
    """

    reason_code: int = 0
    receive_maximum: int | None = None
    maximum_packet_size: int | None = None
    maximum_qos: int | None = None
    server_keep_alive_s: int | None = None
    versions: tuple[int, ...] = (4, 5)
    refusal: bytes = bytes.fromhex("20 02 00 01")  # 3.1.1: unacceptable protocol version
    then: bytes = b""  # sent right behind CONNACK, whatever it is
    silent: bool = False  # no CONNACK at all


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one PUBLISH with QoS 1.

    PUBACK comes `after_s` seconds later, `times` times (0: lost). `strays` are packet ids that are
    acknowledged at once beside it, whatever they are. Instead of PUBACK the broker may end the
    connection: with DISCONNECT and the reason `disconnect`, or without a word. Subscribers get
    what is acknowledged as a success, unless `hands_out` says otherwise.
    """

    reason_code: int = 0
    after_s: float = 0.0
    times: int = 1
    strays: tuple[int, ...] = ()
    disconnect: int | None = None
    hang_up: bool = False
    hands_out: bool | None = None

    @property
    def takes_it(self) -> bool:
        """Whether the broker has the message then, for whoever subscribes."""
        if self.hands_out is not None:
            return self.hands_out
        ends = self.disconnect is not None or self.hang_up
        return not ends and self.reason_code == 0


TAKEN: Final = Answer()

Where = Callable[[Publish], bool]


class Rule(msgspec.Struct):
    """An answer, the messages it holds for, and how often still (None: for ever)."""

    answer: Answer
    where: Where
    left: int | None = None


class Script:
    """Rules, the newest first; what none holds for is taken."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def on(
        self,
        topic_filter: str,
        answer: Answer,
        *,
        where: Where | None = None,
        times: int | None = None,
    ) -> Rule:
        """Answer messages on these topics so, where it holds, and only so often."""

        def holds(message: Publish) -> bool:
            return matches(topic_filter, message.topic) and (where is None or where(message))

        rule = Rule(answer, holds, times)
        self._rules.insert(0, rule)
        return rule

    def off(self, rule: Rule) -> None:
        """Take one rule out again; it may have been taken out already."""
        self._rules = [one for one in self._rules if one is not rule]

    def clear(self) -> None:
        """Take everything from now on."""
        self._rules.clear()

    def answer(self, message: Publish) -> Answer:
        """Return what becomes of a message; that counts as once."""
        for rule in self._rules:
            if rule.left != 0 and rule.where(message):
                if rule.left is not None:
                    rule.left -= 1
                return rule.answer
        return TAKEN
