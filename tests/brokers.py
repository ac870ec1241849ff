"""Real MQTT brokers for tests, and what listens behind them.

Each `Mosquitto` has a port, a directory and a configuration of its own, holds none of our pipes
and dies with us. `Subscriber` is the city's platform: it collects what arrives, also across a
restart of the broker. `strict_run` is asyncio.run for tests: what would only be logged fails them.
"""

import asyncio
import contextlib
import ctypes
import signal
import socket
import subprocess
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

HANG_S = 30.0  # no promise of the code under test: only the end of a test that would never end
POLL_S = 0.02

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_FOR_EVER = 0xFFFF_FFFF  # of a session's expiry (MQTT 5, 3.1.2.11.2)
_libc = ctypes.CDLL(None)  # loaded here: nothing may be loaded between fork and exec

T = TypeVar("T")


def strict_run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, then fail for whatever a callback or a forgotten task has raised."""
    overlooked: list[dict[str, Any]] = []

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: overlooked.append(context))
        return await asyncio.wait_for(main, HANG_S)

    result = asyncio.run(watched())
    assert not overlooked
    return result


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerTls(NamedTuple):
    """PEM files of a TLS listener.

    With `client_ca` it wants a certificate from its clients, none of the list `revoked`.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None
    revoked: Path | None = None


class Mosquitto:
    """A mosquitto of our own on 127.0.0.1.

    `acl` is the text of an ACL file, `password` a user and a password without which nobody comes
    in, `lines` are further lines of its configuration. Sessions and retained messages survive
    `stop` and `start`, not `kill`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        acl: str = "",
        password: tuple[str, str] | None = None,
        tls: ServerTls | None = None,
        lines: tuple[str, ...] = (),
    ) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        configuration = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {directory}/",
            # Not 0, no limit: then 2.0.11 hangs up after each message that it denies.
            "max_queued_messages 1000000",
            f"log_dest file {directory / 'mosquitto.log'}",
            "user root",  # only to be what we are; never to change
            *_admission(directory, acl, password),
            *_encryption(tls),
            *lines,
        ]
        self._configuration = directory / "mosquitto.conf"
        self._configuration.write_text("\n".join(configuration) + "\n")

    @property
    def pid(self) -> int:
        """The process id; it must be running."""
        return self._running().pid

    def start(self) -> None:
        """Start and return when the port answers."""
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - one call
        )
        while not self._answers():
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(POLL_S)
                pytest.fail(f"mosquitto ended with {code}: {self.log()}")

    def stop(self) -> None:
        """End it in order: it stores sessions and retained messages."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, frozen or not; nothing happens when it does not run."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, and start on the same port."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it from doing anything: the kernel goes on answering for it."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)

    def log(self) -> str:
        """Return what it has logged."""
        path = self._directory / "mosquitto.log"
        return path.read_text() if path.exists() else ""

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "this mosquitto does not run"
        return self._process

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(HANG_S)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _admission(directory: Path, acl: str, password: tuple[str, str] | None) -> list[str]:
    lines = [f"allow_anonymous {'false' if password else 'true'}"]
    if password is not None:
        path = directory / "passwords"
        path.touch(mode=0o600)
        subprocess.run(["mosquitto_passwd", "-b", path, *password], check=True)
        lines.append(f"password_file {path}")
    if acl:
        path = directory / "acl"
        path.write_text(acl)
        path.chmod(0o600)
        lines.append(f"acl_file {path}")
    return lines


def _encryption(tls: ServerTls | None) -> list[str]:
    if tls is None:
        return []
    lines = [f"certfile {tls.cert}", f"keyfile {tls.key}"]
    if tls.client_ca is not None:
        lines += [f"cafile {tls.client_ca}", "require_certificate true"]
    if tls.revoked is not None:
        lines.append(f"crlfile {tls.revoked}")
    return lines


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
                    await client.subscribe(self._topic, qos=1)
                    self._subscribed.set()
                    await self._collect(client)
            await asyncio.sleep(POLL_S)  # until the broker is back

    async def _collect(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
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
