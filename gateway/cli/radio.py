"""`ugw radio`: what the radios hear now, for whoever stands beside a sensor."""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.live import Live

from gateway import assembly
from gateway.cli import radio_page
from gateway.cli.configuration import (
    DEFAULT,
    ConfigOption,
    JsonOption,
    installed_drivers,
    load_with,
    quarantined,
)
from gateway.cli.ear import Ear
from gateway.cli.preflight.store import agent_runs
from gateway.cli.radio_page import Page
from gateway.cli.terminal import note, print_json, show
from gateway.clock import SystemClock
from gateway.config import BleSettings, Settings, duration_ns
from gateway.errors import TransportError
from gateway.health import Health
from gateway.model import TransportState
from gateway.registry import Registry
from gateway.transport.ble.address_type import address_types

app = typer.Typer(
    name="radio", help="Listen to what is on the air, without an agent.", no_args_is_help=True
)

_NS_PER_S: Final = 1e9
_UNATTENDED: Final = "30s"
_REFRESH_S: Final = 0.5
_PASTE: Final = "ugw radio scan --yaml prints what to paste into the configuration."
_PRIVACY: Final = (
    "--all scans actively: each device in range, a passer-by's phone too, is asked for what it"
    " has to say. What no driver recognises is counted; nothing else of it is kept or shown"
)
_NONE_YET: Final[dict[str, Any]] = {
    "config_version": 1,
    "gateway": {"org": "none", "id": "none"},
    "mqtt": {"host": "localhost"},
    "transports": [{"kind": "ble"}],
}


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for; `limit_s` None: until Ctrl-C."""

    limit_s: float | None
    everything: bool
    live: bool


@app.callback()
def _radio() -> None:
    """Listen to what is on the air, without an agent."""


ForOption = Annotated[
    str,
    typer.Option(
        "--for",
        metavar="TIME",
        help="How long, e.g. 30s; else until Ctrl-C, or 30s where there is no terminal.",
    ),
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Scan actively, and count what no driver recognises.")
]
YamlOption = Annotated[bool, typer.Option("--yaml", help="Print entries for the configuration.")]


@app.command()
def scan(
    config: ConfigOption = DEFAULT,
    *,
    limit: ForOption = "",
    everything: AllOption = False,
    as_yaml: YamlOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show which sensors are in range, and what they say. Nothing of it is kept.

    It listens with the radios of the configuration, or with hci0 where there is none yet. A
    Bluetooth device is shown only if a driver recognises what it sends, or if it is listed;
    anything else is forgotten at once. Every LoRa node that the modem passes on is shown. An
    agent may run beside it, but a serial port can have only one of them.

    [bold]Examples[/bold]

      ugw radio scan
      ugw radio scan --for 1min --yaml >> devices.yaml
      ugw radio scan --for 30s --json | jq '.devices[] | select(.listed | not)'
    """
    terminal = Console()
    attended = terminal.is_terminal and not terminal.is_dumb_terminal
    live = attended and not (as_json or as_yaml)
    wish = _Wish(limit_s=limit_s(limit, live=live), everything=everything, live=live)
    scanned = _scanned(config, wish)
    if as_json:
        print_json(radio_page.data(scanned.page(), scanned.types, scanned.ids))
    elif as_yaml:
        heard = scanned.ear.heard.values()
        print(radio_page.entries(heard, scanned.types, scanned.ids), end="")
    else:
        new = any(heard.listed is None for heard in scanned.ear.heard.values())
        show(radio_page.render(scanned.page(hint=_PASTE if new else "")))
    scanned.complain()


def _scanned(config: Path, wish: _Wish) -> "_Scan":
    """Listen as wished, and return what was heard."""
    settings, registry = _settings(config, everything=wish.everything)
    if wish.everything:
        note(_PRIVACY)
    if not wish.live:
        note(f"listening for {wish.limit_s:g} s")
    logging.disable()  # what transports say of themselves stands on the page
    scanned = _Scan(settings, registry, wish)
    asyncio.run(scanned.run())
    return scanned


def limit_s(limit: str, *, live: bool) -> float | None:
    """Return how long to listen; None: until Ctrl-C, where somebody looks on."""
    if not limit and live:
        return None
    try:
        limit_ns = duration_ns(limit or _UNATTENDED)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    if not limit_ns:
        message = "in no time nothing is heard"
        raise typer.BadParameter(message, param_hint="--for")
    return limit_ns / _NS_PER_S


def _settings(path: Path, *, everything: bool) -> tuple[Settings, Registry]:
    """Load the configuration; where there is none yet, listen with the usual adapter."""
    registry = installed_drivers()
    for broken in quarantined(registry):
        note(broken)
    if path == DEFAULT and not path.exists():
        note(f"there is no {path} yet: listening with ble:hci0")
        settings = Settings.model_validate(_NONE_YET)
    else:
        settings = load_with(registry, path)
    if not settings.transports:
        cause = f"{path} names no transports"
        raise TransportError(cause, "name one: config/gateway.example.yaml shows how")
    if everything:
        transports = [
            source.model_copy(update={"scan": "active"})
            if isinstance(source, BleSettings)
            else source
            for source in settings.transports
        ]
        settings = settings.model_copy(update={"transports": transports})
    return settings, registry


class _Scan:
    """Listens once, and can say at any moment what there is to see."""

    def __init__(self, settings: Settings, registry: Registry, wish: _Wish) -> None:
        clock = SystemClock()
        self.ear = Ear(registry, settings.devices, clock)
        self.ids = [device.id for device in settings.devices if device.id is not None]
        self.types: dict[str, str] = {}  # of addresses; empty: BlueZ did not say
        self._clock = clock
        self._wish = wish
        self._health = Health(clock)
        self._agent_runs = agent_runs(settings.store.path)
        # Without devices: what can be recognised is let in, not only what is listed.
        bare = settings.model_copy(update={"devices": []})
        self._sources = list(assembly.sources(bare, registry, self.ear, self._health))

    async def run(self) -> None:
        """Listen until the time is over, SIGINT or SIGTERM."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if self._wish.limit_s is not None:
            loop.call_later(self._wish.limit_s, stop.set)
        async with self._listening():
            if self._wish.live:
                await self._show(stop)
            await stop.wait()
            await self._ask_types()

    @asynccontextmanager
    async def _listening(self) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            transports = [source.make() for source in self._sources]
            tasks = [group.create_task(each.run(), name=each.name) for each in transports]
            tasks.append(group.create_task(self._watch_types(), name="address types"))
            yield
            for task in tasks:
                task.cancel()

    # BlueZ shows a device for half a minute after it was heard: it is asked while it is there.
    async def _watch_types(self) -> None:
        while True:
            await self._ask_types()
            await asyncio.sleep(_REFRESH_S)

    async def _ask_types(self) -> None:
        unknown: dict[str, list[str]] = {}
        for heard in self.ear.heard.values():
            if heard.medium == "ble" and heard.address not in self.types:
                unknown.setdefault(heard.source, []).append(heard.address)
        for source, addresses in unknown.items():
            found = await address_types(source.removeprefix("ble:"), addresses)
            self.types.update(found)

    async def _show(self, stop: asyncio.Event) -> None:
        console = Console(highlight=False, emoji=False)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while not stop.is_set():
                page = self.page(lines=console.height, hint="Ctrl-C ends it")
                live.update(radio_page.render(page), refresh=True)
                await asyncio.sleep(_REFRESH_S)

    def page(self, *, lines: int | None = None, hint: str = "") -> Page:
        """Return what there is to see now."""
        return Page(
            heard=list(self.ear.heard.values()),
            others=self.ear.others if self._wish.everything else None,
            radios=list(self._radios()),
            now_ns=self._clock.boot_ns(),
            lines=lines,
            hint=hint,
        )

    def _radios(self) -> Iterable[Any]:
        for radio in self._health.transports.values():
            if self._agent_runs and radio.kind == "serial" and radio.state is TransportState.DOWN:
                cause = "the agent that runs has it (ugw status): stop it to listen here"
                yield msgspec.structs.replace(radio, cause=cause)
            else:
                yield radio

    def complain(self) -> None:
        """Raise TransportError when no radio could be used."""
        radios = list(self._radios())
        if not self.ear.heard and all(radio.state is TransportState.DOWN for radio in radios):
            causes = "; ".join(f"{radio.name}: {radio.cause}" for radio in radios)
            cause = f"no radio can be used: {causes}"
            raise TransportError(cause, "ugw check tries each and says more")
