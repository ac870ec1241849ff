"""Real MQTT brokers for tests, and what listens behind them.

`Mosquitto` is the simulator's. `Subscriber` is the city's platform: it collects what arrives, also
across a restart of the broker. `strict_run` is asyncio.run for tests: what would only be logged
fails them.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import aiomqtt
import msgspec
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.sim.broker import ScriptedBroker
from gateway.sim.process.mosquitto import Mosquitto, ServerTls, free_port

__all__ = [
    "HANG_S",
    "POLL_S",
    "Message",
    "Mosquitto",
    "ServerTls",
    "Subscriber",
    "Taken",
    "free_port",
    "mosquitto",
    "strict_run",
]

HANG_S = 30.0  # no promise of the code under test: only the end of a test that would never end
POLL_S = 0.02

_FOR_EVER = 0xFFFF_FFFF  # of a session's expiry (MQTT 5, 3.1.2.11.2)

T = TypeVar("T")


def strict_run(main: Coroutine[Any, Any, T], limit_s: float = HANG_S) -> T:
    """Run to the end, then fail for whatever a callback or a forgotten task has raised."""
    overlooked: list[dict[str, Any]] = []

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: overlooked.append(context))
        return await asyncio.wait_for(main, limit_s)

    result = asyncio.run(watched())
    assert not overlooked
    return result


class Message(NamedTuple):
    """One message as a subscriber got it."""

    topic: str
    payload: bytes
    retain: bool

    def json(self) -> Any:  # noqa: ANN401 - whatever it says
        """Return the payload read as JSON."""
        return msgspec.json.decode(self.payload)


class Subscriber:
    """Everything a broker delivers, in the order it came.

    Its session outlives its connections and the broker's `stop` and `start`, so a message that the
    broker has acknowledged arrives here.
    """

    def __init__(self, port: int, *, topic: str = "#", name: str = "platform") -> None:
        self.messages: list[Message] = []
        self._port = port
        self._topic = topic
        self._name = name
        self._changed = asyncio.Condition()
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def until(self, condition: Callable[[list[Message]], bool]) -> None:
        """Return as soon as the messages so far fulfil the condition."""
        async with self._changed, asyncio.timeout(HANG_S):
            await self._changed.wait_for(lambda: condition(self.messages))

    def on(self, topic: str) -> list[Message]:
        """Return what came on one topic."""
        return [message for message in self.messages if message.topic == topic]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen(), name="subscriber")
        await asyncio.wait_for(self._subscribed.wait(), HANG_S)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _listen(self) -> None:
        expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        expiry.SessionExpiryInterval = _FOR_EVER
        while True:
            client = aiomqtt.Client(
                "127.0.0.1",
                self._port,
                identifier=self._name,
                protocol=aiomqtt.ProtocolVersion.V5,
                clean_start=False,
                properties=expiry,
            )
            with contextlib.suppress(aiomqtt.MqttError):
                async with client:
                    await self._subscribe(client)
                    await self._collect(client)
            await asyncio.sleep(POLL_S)  # until the broker is back

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        try:
            await client.subscribe(self._topic, qos=1)
        except aiomqtt.MqttError:
            # What the session had waiting came before, and has been acknowledged.
            for _ in range(len(client.messages)):
                await self._take(await anext(client.messages))
            raise
        self._subscribed.set()

    async def _collect(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            await self._take(message)

    async def _take(self, message: aiomqtt.Message) -> None:
        assert isinstance(message.payload, bytes)
        async with self._changed:
            got = Message(str(message.topic), message.payload, message.retain)
            self.messages.append(got)
            self._changed.notify_all()


class Taken:
    """The platform behind a scripted broker: what it took is what everybody got."""

    def __init__(self, broker: ScriptedBroker) -> None:
        self._broker = broker
        self._messages: list[Message] = []

    @property
    def messages(self) -> list[Message]:
        """All messages so far, as to one who subscribed before the first."""
        for topic, payload, _ in self._broker.delivered[len(self._messages) :]:
            self._messages.append(Message(topic, payload, retain=False))
        return self._messages

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held."""


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Start brokers, each with the options of Mosquitto; all end with the test."""
    brokers: list[Mosquitto] = []

    def start(**options: Any) -> Mosquitto:  # noqa: ANN401 - Mosquitto's own
        broker = Mosquitto(tmp_path / f"broker{len(brokers)}", **options)
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.kill()
