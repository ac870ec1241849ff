"""The ways to the brokers: the agent's own connection, watched, to one broker after the other.

Each attempt goes to the next broker, as a name does that stands for several addresses. Nothing of
how a connection behaves is changed.
"""

import asyncio
from collections import Counter
from typing import Literal, Self

import msgspec

from gateway.model import Outcome
from gateway.mqtt import Connection, Done, MqttSettings, Will
from gateway.sim.fleet.histogram import Histogram

TAKEN = frozenset({0x00, 0x10})  # Success, No matching subscribers (MQTT 5, 3.4.2.1)


class Books(msgspec.Struct):
    """What was seen of the connections of some gateways."""

    attempts: int = 0
    connects: int = 0
    acknowledged: Histogram = msgspec.field(default_factory=Histogram)  # PUBLISH to PUBACK
    versions: Counter[str] = msgspec.field(default_factory=Counter[str])  # of the connects


class Ways:
    """Makes the connections of one gateway: `Hardware.connect`.

    `retained` are the topics that hold something of it now; `version` is MQTT's, of its newest
    connection.
    """

    def __init__(
        self, brokers: tuple[tuple[str, int], ...], books: Books, *, first: int = 0
    ) -> None:
        self.books = books
        self.retained: set[str] = set()
        self.version: Literal["5", "3.1.1"] = "5"
        self._brokers = brokers
        self._next = first

    def connect(self, settings: MqttSettings, will: Will | None) -> "WatchedConnection":
        """Return a connection to the next broker, not entered yet."""
        host, port = self._brokers[self._next % len(self._brokers)]
        self._next += 1
        there = msgspec.structs.replace(settings, host=host, port=port)
        return WatchedConnection(there, will, self)


class WatchedConnection(Connection):
    """A connection of the agent that writes down what becomes of it."""

    def __init__(self, settings: MqttSettings, will: Will | None, ways: Ways) -> None:
        super().__init__(settings, will)
        self._ways = ways
        if will is not None:
            ways.retained.add(will.topic)

    async def __aenter__(self) -> Self:
        books = self._ways.books
        books.attempts += 1
        await super().__aenter__()
        books.connects += 1
        self._ways.version = self._settings.version
        books.versions[self._settings.version] += 1
        return self

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, turn: str = "", done: Done
    ) -> None:
        """Send, and note how long the broker takes to acknowledge it."""
        if retain:
            self._ways.retained.add(topic)
        loop = asyncio.get_running_loop()
        began_s = loop.time()

        def ended(outcome: Outcome) -> None:
            if outcome.reason_code in TAKEN:
                self._ways.books.acknowledged.add(loop.time() - began_s)
            done(outcome)

        super().publish(topic, payload, retain=retain, turn=turn, done=ended)
