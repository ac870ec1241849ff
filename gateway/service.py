"""The agent as a process: signals, the service manager, the watchdog, HTTP, reloading.

SIGTERM and SIGINT end it in order; a second one does not wait for that. SIGHUP reads the
configuration anew. HTTP ends last, so that the end can be watched too.
"""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.app import Agent, open_agent
from gateway.config import Settings
from gateway.errors import UncleanEndError
from gateway.hardware import Hardware
from gateway.model import TransportState
from gateway.patience import store_in_time
from gateway.registry import Registry
from gateway.reload import Reloader
from gateway.service_manager import ServiceManager
from gateway.vitals import Watch

if TYPE_CHECKING:
    from gateway.web.server import HttpServer

log = logging.getLogger(__name__)

_ENDS: Final = (signal.SIGTERM, signal.SIGINT)
_FINDING_CHARACTERS: Final = 120  # of a refused reload, in the one line of `systemctl status`


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What is run; `load` reads the configuration at `path` anew, as it was read before."""

    settings: Settings
    registry: Registry
    path: Path
    load: Callable[[], Settings]
    set_log_level: Callable[[str], None]
    hardware: Hardware = Hardware()  # of this machine, unless a simulator hands in another


def run(launch: Launch) -> None:
    """Run the agent until SIGTERM or SIGINT.

    Raises BacklogError when the store cannot be opened, UncleanEndError when what was left could
    not be kept.
    """
    asyncio.run(_main(launch))


async def _main(launch: Launch) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_crash_on_own)
    manager, stop, wish = ServiceManager(), asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, wish.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # also the one that has waited

    def end() -> None:
        for number in _ENDS:
            loop.remove_signal_handler(number)
        manager.notify("STOPPING=1")
        stop.set()

    for number in _ENDS:
        loop.add_signal_handler(number, end)
    await Service(await _opened(launch, stop), launch, manager).run(stop, wish)


async def _opened(launch: Launch, stop: asyncio.Event) -> Agent:
    """Open the store; from `stop` on one that hangs is not waited for as long as it likes."""
    opening = asyncio.create_task(
        open_agent(launch.settings, launch.registry, launch.hardware), name="open"
    )
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if opening.done():
        return opening.result()
    async with store_in_time():
        return await opening


class Service:
    """An agent and its company: who watches it, who changes it, who shows it."""

    def __init__(self, agent: Agent, launch: Launch, manager: ServiceManager) -> None:
        self._agent = agent
        self._manager = manager
        self._http = _Http(agent)
        self._reloader = Reloader(
            agent,
            launch.load,
            launch.path,
            {
                "http": self._http.apply,
                "log": lambda settings: launch.set_log_level(settings.log.level),
            },
        )
        self._watch = Watch(agent.health.vitals, manager, self._line)
        agent.on_running = self._on_running

    async def run(self, stop: asyncio.Event, wish: asyncio.Event) -> None:
        """Run until `stop`; each `wish` is one for another configuration."""
        unclean: UncleanEndError | None = None
        async with asyncio.TaskGroup() as group:
            company = [
                group.create_task(self._watch.run(), name="watch"),
                group.create_task(self._reload_on(wish), name="reload"),
                group.create_task(self._http.run(self._reloader), name="http"),
            ]
            try:
                await self._agent.run(stop)
            except UncleanEndError as error:
                unclean = error
            for task in company:
                task.cancel()
        if unclean is not None:
            raise unclean

    def _on_running(self) -> None:
        # What is there now stays, some 60,000 objects: the collector need not look at it again,
        # which halves the pauses it makes while thousands of strangers pass.
        gc.collect()
        gc.freeze()
        self._manager.notify("READY=1")
        self._watch.tell()

    async def _reload_on(self, wish: asyncio.Event) -> None:
        while True:
            await wish.wait()
            wish.clear()
            self._manager.reloading()
            await self._reloader.reload()
            self._manager.notify("READY=1")
            self._watch.tell()

    def _line(self) -> str:
        return "; ".join(self._words())

    def _words(self) -> Iterator[str]:
        """Say in a few words how it stands, for `systemctl status`."""
        health = self._agent.health
        last = self._reloader.last
        if last is not None and not last.ok:
            yield f"configuration not reloaded: {last.cause[:_FINDING_CHARACTERS]}"
        uplink = health.uplink
        yield "broker connected" if uplink.connected else f"broker away: {uplink.cause}"
        states = [record.state for record in health.transports.values()]
        yield f"{states.count(TransportState.UP)} of {len(states)} transports up"
        if waiting := health.in_backlog():
            yield f"{waiting} observations wait on disk"


class _Http:
    """The HTTP server, loaded once it is wanted."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._server: HttpServer | None = None
        self._wanted = asyncio.Event()
        self.apply(agent.settings)

    def apply(self, settings: Settings) -> None:
        """Serve as configured from now on."""
        if settings.http.enabled:
            self._wanted.set()
        if self._server is not None:
            self._server.change(settings.http)

    async def run(self, reloader: Reloader) -> None:
        """Serve until cancelled."""
        await self._wanted.wait()
        # Some megabytes, which an agent that shows nothing need not have.
        from gateway.web.application import server  # noqa: PLC0415

        self._server = server(self._agent, reloader)
        await self._server.run()


def _crash_on_own(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End the process for a bug in a callback of ours: with its books broken it cannot go on.

    What only concerns a library is logged and left to the supervisors.
    """
    loop.default_exception_handler(context)
    trace = getattr(context.get("exception"), "__traceback__", None)
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).startswith("gateway."):
            log.critical("a bug in the agent: ending, so that the supervisor starts it anew")
            loop.stop()
            return
        trace = trace.tb_next
