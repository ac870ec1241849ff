"""`ugw demo`: the main job on this machine, with simulated sensors and a live view.

Everything runs in this process but the D-Bus daemon, which dies with it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Coroutine, Mapping
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
from gateway.cli.onlooker import Messages, Onlooker
from gateway.cli.terminal import note
from gateway.config import Settings, load
from gateway.config.mqtt import is_loopback
from gateway.errors import UgwError
from gateway.registry import Registry, discover
from gateway.sim.agent_config import AgentOptions
from gateway.sim.demo_broker import DemoBroker
from gateway.sim.demo_world import demo_world

_REFRESH_S: Final = 0.25
_PLAIN_S: Final = 5.0  # between two reports, where there is no terminal
_OUTAGE_S: Final = 15  # the broker is away, and as long it stays once the agent has it back
# The demo's readings are made up, so whether the clock is synchronised is beside the point.
_TRUST: Final = "clock: {source: system}\n"
# For the same reason they may go to any broker in clear. The demo's own knows no MQTT 5.
_YOURS: Final = {"UGW__MQTT__ALLOW_CLEARTEXT": "true"}
_OWN: Final = {"UGW__MQTT__VERSION": "3.1.1"}
_IN_CLEAR: Final = "in clear: anybody on the way can read and change it"


class _Wish(msgspec.Struct, frozen=True):
    """What the command line asks for; `address` None: the demo's own broker."""

    address: tuple[str, int] | None
    outage: bool
    duration_s: float


def demo(
    *,
    broker: Annotated[
        str, typer.Option(help="A broker of yours, HOST:PORT, instead of the demo's own.")
    ] = "",
    outage: Annotated[
        bool, typer.Option("--outage", help="The demo's broker goes away and comes back.")
    ] = False,
    duration: Annotated[
        float, typer.Option(help="Seconds after which it ends; 0: at Ctrl-C.", min=0)
    ] = 0,
) -> None:
    """Run the whole gateway on simulated hardware and show it live. Ctrl-C ends it.

    Twenty Bluetooth sensors and five LoRa nodes are simulated; the agent is the real one. What
    they say is made up, so it goes to a broker of yours without TLS.

    [bold]Examples[/bold]

      ugw demo
      ugw demo --outage
      ugw demo --broker broker.example:1883
    """
    if broker and outage:
        cause = "only the demo's own broker can be away; stop yours by hand"
        raise typer.BadParameter(cause, param_hint="--outage")
    wish = _Wish(host_and_port(broker) if broker else None, outage=outage, duration_s=duration)
    failed: BaseException | None = None
    try:
        asyncio.run(_demo(wish))
    except* UgwError as group:
        failed = group
    while isinstance(failed, BaseExceptionGroup):  # out of the tasks that run beside each other
        failed = failed.exceptions[0]
    if failed is not None:
        raise failed


async def _demo(wish: _Wish) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if wish.duration_s:
        loop.call_later(wish.duration_s, stop.set)
    view = _View()
    async with AsyncExitStack() as stack:
        host, port = await _broker(wish, view, stack)
        world = await stack.enter_async_context(demo_world())
        os.environ.update(world.environment())  # read by bleak, as by any D-Bus program
        options = AgentOptions(gateway="gw-demo", mqtt_host=host, mqtt_port=port, extra=_TRUST)
        config = world.agent_config(world.directory / "agent", options)
        settings, registry = _settings(config, _OWN if wish.address is None else _YOURS)
        await stack.enter_async_context(_beside(world.run(), name="demo.world"))
        async with _beside(view.refresh(), name="demo.view"):
            await serve(settings, registry, stop, view.attend)
        view.last()


async def _broker(wish: _Wish, view: "_View", stack: AsyncExitStack) -> tuple[str, int]:
    """Return where the agent is to send; the demo's own broker ends with the stack."""
    if wish.address is not None:
        host, _ = wish.address
        if not is_loopback(host):
            view.note = _IN_CLEAR
            note(f"what the demo's sensors say goes to {host} {_IN_CLEAR}")
        return wish.address
    own = await stack.enter_async_context(DemoBroker())
    if wish.outage:
        await stack.enter_async_context(_beside(_come_and_go(own, view), name="demo.outage"))
    return own.host, own.port


def _settings(path: Path, overrides: Mapping[str, str]) -> tuple[Settings, Registry]:
    registry = discover()
    modems = {name: registry.modem(name).check for name in registry.modems()}
    return load(path, environ=overrides, drivers=registry.models(), modems=modems), registry


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None], *, name: str) -> AsyncGenerator[None]:
    """Run something until the end of a block; what it raises, the block raises."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work, name=name)
        yield
        task.cancel()


# --------------------------------------------------------------------------------------- the view
class _View:
    """Shows the agent: live on a terminal, otherwise a few lines every few seconds.

    `note` is said of the broker.
    """

    def __init__(self) -> None:
        # Where the locale has no such character as a bar, a question mark will do.
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
        self.note = ""
        self._console = Console(highlight=False, emoji=False)
        self._messages = Messages()
        self._messages.take_over()
        self._onlooker: asyncio.Future[Onlooker] = asyncio.get_running_loop().create_future()

    def attend(self, agent: Agent) -> None:
        """Watch this agent."""
        self._onlooker.set_result(Onlooker(agent, self._messages))

    @property
    def connected(self) -> bool:
        """Whether the agent has a connection."""
        return self._onlooker.done() and self._onlooker.result().connected

    async def refresh(self) -> None:
        """Show it until cancelled."""
        onlooker = await self._onlooker
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            while True:
                await asyncio.sleep(_PLAIN_S)
                self._console.print(dashboard.summary(onlooker.page(note=self.note)))
        with Live(console=self._console, screen=True, auto_refresh=False) as live:
            while True:
                page = onlooker.page(note=self.note, lines=self._console.height)
                live.update(page, refresh=True)
                await asyncio.sleep(_REFRESH_S)

    def last(self) -> None:
        """Leave the last page behind."""
        self._console.print(self._onlooker.result().page(over=True))


# ------------------------------------------------------------------------------------- the outage
async def _come_and_go(broker: DemoBroker, view: _View) -> None:
    """Take the broker away, and bring it back for as long as the agent needs and some more."""
    while True:
        while not view.connected:
            view.note = "it is there; the agent tries again after a while"
            await asyncio.sleep(_REFRESH_S)
        await _count_down("--outage stops it in {} s", view)
        await broker.stop()
        await _count_down("stopped by --outage, back in {} s", view)
        await broker.start()


async def _count_down(note: str, view: _View) -> None:
    for left_s in range(_OUTAGE_S, 0, -1):
        view.note = note.format(left_s)
        await asyncio.sleep(1)
