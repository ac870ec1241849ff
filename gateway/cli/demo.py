"""`ugw demo`: the main job on this machine, with simulated sensors and a live view.

Everything runs in this process but the D-Bus daemon, which dies with it.
"""

import asyncio
import logging
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.live import Live

from gateway.app import Agent, serve
from gateway.cli import dashboard
from gateway.cli.broker_address import host_and_port
from gateway.cli.dashboard import Last, Page
from gateway.config import Settings, load
from gateway.model import Observation
from gateway.pipeline import Sink
from gateway.registry import Registry, discover
from gateway.sim.agent_config import AgentOptions
from gateway.sim.demo_broker import DemoBroker
from gateway.sim.scenario import Scenario

_REFRESH_S: Final = 0.25
_PLAIN_S: Final = 5.0  # between two reports, where there is no terminal
_OUTAGE_S: Final = 15.0  # away, and back for as long
_EVENTS: Final = 3  # of the agent's messages, shown below

# Twenty Bluetooth sensors, five LoRa nodes on one modem, and the phones of passers-by.
SCENARIO: Final = {
    "name": "demo",
    "modems": [{"name": "usb-lora"}],
    "noise": {"phones": 20, "every": "1s", "rotate": 30},
    "sensors": [
        {
            "model": "bthome-v2",
            "address": "A4:C1:38:00:00:01",
            "count": 10,
            "name": "Street light",
            "every": "6s",
            "copies": 3,
            "rssi": -74,
        },
        {
            "model": "bthome-v2-encrypted",
            "address": "A4:C1:38:00:01:01",
            "count": 5,
            "name": "School",
            "every": "8s",
            "copies": 3,
            "rssi": -82,
        },
        {
            "model": "ruuvi-rawv2",
            "address": "A4:C1:38:00:02:01",
            "count": 5,
            "name": "Park",
            "every": "3s",
            "copies": 2,
            "rssi": -66,
            "loss": 0.05,
        },
        {
            "model": "cayenne-lpp",
            "address": "lora:17",
            "count": 5,
            "name": "Waste bin",
            "every": "10s",
            "rssi": -104,
            "snr": 3,
        },
    ],
}


def demo(
    *,
    broker: Annotated[
        str, typer.Option(help="A broker of yours, HOST:PORT, instead of the demo's own.")
    ] = "",
    outage: Annotated[
        bool, typer.Option("--outage", help="The demo's broker is away half of the time.")
    ] = False,
    duration: Annotated[
        float, typer.Option(help="Seconds after which it ends; 0: at Ctrl-C.", min=0)
    ] = 0,
) -> None:
    """Run the whole gateway on simulated hardware and show it live. Ctrl-C ends it.

    Twenty Bluetooth sensors and five LoRa nodes are simulated; the agent is the real one.

    [bold]Examples[/bold]

      ugw demo
      ugw demo --outage
      ugw demo --broker broker.example:1883
    """
    if broker and outage:
        cause = "only the demo's own broker can be away; stop yours by hand"
        raise typer.BadParameter(cause, param_hint="--outage")
    wish = _Wish(host_and_port(broker) if broker else None, outage=outage, duration_s=duration)
    asyncio.run(_demo(wish))


class _Wish(msgspec.Struct, frozen=True):
    """What the command line asks for; `address` None: the demo's own broker."""

    address: tuple[str, int] | None
    outage: bool
    duration_s: float


async def _demo(wish: _Wish) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if wish.duration_s:
        loop.call_later(wish.duration_s, stop.set)
    async with AsyncExitStack() as stack:
        address, overrides = await _broker(wish, stack)
        world = await stack.enter_async_context(Scenario.model_validate(SCENARIO).world())
        os.environ.update(world.environment())  # read by bleak, as by any D-Bus program
        host, port = address
        options = AgentOptions(gateway="gw-demo", mqtt_host=host, mqtt_port=port, extra=_TRUST)
        config = world.agent_config(world.directory / "agent", options)
        settings, registry = _settings(config, overrides)
        await stack.enter_async_context(_beside(world.run(), name="demo.world"))
        await _show(settings, registry, stop)


async def _broker(wish: _Wish, stack: AsyncExitStack) -> tuple[tuple[str, int], dict[str, str]]:
    """Return where the agent is to send, and what its configuration needs for that."""
    if wish.address is not None:
        # What the demo sends is made up, so it may go to any broker in clear.
        return wish.address, {"UGW__MQTT__ALLOW_CLEARTEXT": "true"}
    own = await stack.enter_async_context(DemoBroker())
    if wish.outage:
        await stack.enter_async_context(_beside(_come_and_go(own), name="demo.outage"))
    return (own.host, own.port), {"UGW__MQTT__VERSION": "3.1.1"}  # amqtt knows no other


async def _come_and_go(broker: DemoBroker) -> None:
    while True:
        await asyncio.sleep(_OUTAGE_S)
        await broker.stop()
        await asyncio.sleep(_OUTAGE_S)
        await broker.start()


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None], *, name: str) -> AsyncGenerator[None]:
    """Run something until the end of a block; what it raises, the block raises."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work, name=name)
        yield
        task.cancel()


# The demo's readings are made up, so whether the clock is synchronised is beside the point.
_TRUST: Final = "clock: {source: system}\n"


def _settings(path: Path, overrides: dict[str, str]) -> tuple[Settings, Registry]:
    registry = discover()
    known = {"drivers": registry.models(), "modems": registry.modems()}
    return load(path, environ=overrides, **known), registry


class _Watched:
    """The sink with somebody looking on: remembers the newest observation of each device."""

    def __init__(self, sink: Sink, last: dict[str, Last]) -> None:
        self._sink = sink
        self._last = last

    @property
    def has_room(self) -> bool:
        return self._sink.has_room

    async def room(self) -> None:
        await self._sink.room()

    def offer(self, observation: Observation) -> None:
        before = self._last.get(observation.device)
        self._last[observation.device] = Last(observation, before.count + 1 if before else 1)
        self._sink.offer(observation)


class _Events(logging.Handler):
    """Keeps the agent's newest messages for the page."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.newest: deque[str] = deque(maxlen=_EVENTS)

    def emit(self, record: logging.LogRecord) -> None:
        self.newest.append(record.getMessage())


async def _show(settings: Settings, registry: Registry, stop: asyncio.Event) -> None:
    """Run the agent and show it until `stop`, and a last time at its end."""
    events = _Events()
    logger = logging.getLogger("gateway")
    logger.addHandler(events)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    console = Console()
    made: list[Page] = []

    def attend(agent: Agent) -> None:
        last: dict[str, Last] = {}
        agent.tap(lambda sink: _Watched(sink, last))
        made.append(Page(agent=agent, last=last, events=events.newest))

    async with asyncio.TaskGroup() as group:
        shown = group.create_task(_refresh(console, made), name="demo.view")
        await serve(settings, registry, stop, attend)
        shown.cancel()
    console.print(dashboard.page(made[0], height=_WHOLE))


_WHOLE: Final = 200  # lines: more than there are


async def _refresh(console: Console, made: list[Page]) -> None:
    if not console.is_terminal:
        while True:
            await asyncio.sleep(_PLAIN_S)
            for page in made:
                console.print(dashboard.summary(page))
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            for page in made:
                live.update(dashboard.page(page, console.height), refresh=True)
            await asyncio.sleep(_REFRESH_S)
