"""An agent that shows itself over HTTP, and whoever asks it: real sockets, byte by byte."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from gateway import assembly
from gateway.app import Agent, OpenStore
from gateway.backlog.memory import MemoryBacklog
from gateway.config import Settings, load
from gateway.registry import discover
from gateway.reload import Reloader
from gateway.web.application import server
from gateway.web.inside import Inside
from gateway.web.server import HttpServer
from tests.brokers import HANG_S, free_port

CONFIG = """\
config_version: 1
gateway: {{org: kiel, id: gw-1, name: "{name}"}}
mqtt: {{host: 127.0.0.1, port: 1}}
http: {{listen: "127.0.0.1:{port}"{http}}}
transports: [{{kind: ble}}]
devices:
  - {{address: "C0:FF:EE:00:00:01", name: "{device}", expected_interval: 1min}}
  - {{address: "lora:17", driver: cayenne-lpp}}
"""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]  # names in lower case; of several, joined by commas
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it says
        """The body, read as JSON."""
        return json.loads(self.body)


class Place(NamedTuple):
    """An agent, its settings, and its HTTP server, which listens."""

    agent: Agent
    inside: Inside
    server: HttpServer
    port: int

    async def ask(
        self, path: str, *, method: str = "GET", host: str = "localhost", **headers: str
    ) -> Answer:
        """Ask one question on a connection of its own."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return parse(await self.say("\r\n".join(lines).encode() + b"\r\n\r\n"))

    async def say(self, request: bytes) -> bytes:
        """Send bytes, return all that comes back until the connection ends."""
        async with asyncio.timeout(HANG_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(request)
            try:
                return await reader.read()
            finally:
                writer.close()


def parse(raw: bytes) -> Answer:
    """Read an answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers: dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(": ")
        before = headers.get(name.lower())
        headers[name.lower()] = value if before is None else f"{before}, {value}"
    return Answer(int(first.split()[1]), headers, body)


def settings_at(directory: Path, port: int, *, http: str = "", **names: str) -> Settings:
    """Return the settings of an agent that shows itself at a port."""
    path = directory / "gateway.yaml"
    words = {"name": "Lessingplatz", "device": "roof", **names}
    path.write_text(CONFIG.format(port=port, http=http, **words))
    return load(path)


async def agent_of(settings: Settings) -> Agent:
    """Return an agent that does not run."""
    streams = assembly.mint_streams()
    backlog = MemoryBacklog()
    recovery = await backlog.open(streams)
    return Agent(settings, discover(), OpenStore(backlog, streams, recovery))


@asynccontextmanager
async def shown(settings: Settings) -> AsyncGenerator[Place]:
    """Show an agent that does not run."""
    agent = await agent_of(settings)
    reloader = Reloader(agent, lambda: settings, Path("/etc/ugw/gateway.yaml"), {})
    http = server(agent, reloader)
    task = asyncio.create_task(http.run(), name="http")
    try:
        async with asyncio.timeout(HANG_S):
            await http.listening.wait()
        port = int(settings.http.listen.rpartition(":")[2])
        yield Place(agent, Inside(agent, reloader), http, port)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def place(directory: Path, *, http: str = "", **names: str) -> AsyncGenerator[Place]:
    """Show an agent at a port of its own."""
    async with shown(settings_at(directory, free_port(), http=http, **names)) as found:
        yield found
