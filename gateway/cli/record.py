"""`ugw record`: what the radios of a gateway hear, in a file to be replayed or tested with."""

import asyncio
import logging
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from gateway import assembly
from gateway.cli.configuration import DEFAULT, ConfigOption, load_settings, quarantined
from gateway.cli.radios import complain, deaf, stop_signals
from gateway.cli.terminal import confirmed, note
from gateway.clock import SystemClock
from gateway.config import BleSettings, Settings, duration_ns, size_bytes
from gateway.errors import SimulatorError, TransportError, UgwError
from gateway.exit_codes import ExitCode
from gateway.health import Health
from gateway.lorawan_sources import session
from gateway.registry import Registry
from gateway.sim.capture.file import Writer
from gateway.sim.capture.format import AddressType, Header, Record
from gateway.sim.capture.pseudonyms import ENCRYPTED, Pseudonyms, known_names
from gateway.sim.capture.tap import Tap
from gateway.transport.ble.address_type import address_types
from gateway.version import __version__

_WRITE_S: Final = 1.0  # what a power cut costs
_MOST_KNOWN: Final = 20_000  # addresses of which the type is known
_MOST_ASKED: Final = 200  # addresses whose type BlueZ is asked for at a time
_NS_PER_S: Final = 1e9
_NS_PER_US: Final = 1000
_BYTES_PER_KB: Final = 1000
_EVERYBODY: Final = (
    "--all scans actively and writes down every device in range, passers-by's phones too: that is"
    " personal data, and recording it may need their consent. Keep the file to yourself, and do"
    " not keep it longer than you need it"
)


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for; `limit_s` None: until Ctrl-C."""

    output: Path
    limit_s: float | None
    max_bytes: int
    append: bool
    everybody: bool
    pseudonymise: bool


def record(  # noqa: PLR0913 - a command has the options it has
    config: ConfigOption = DEFAULT,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where; a new file.")
    ],
    limit: Annotated[
        str,
        typer.Option("--for", metavar="TIME", help="How long, e.g. 10min; else until Ctrl-C."),
    ] = "",
    append: Annotated[
        bool, typer.Option("--append", help="Add to a capture that is there.")
    ] = False,
    max_size: Annotated[
        str, typer.Option("--max-size", metavar="SIZE", help="The most the file may take.")
    ] = "64MB",
    pseudonymise: Annotated[
        bool,
        typer.Option("--pseudonymise", help="Put other addresses in place of the true ones."),
    ] = False,
    everybody: Annotated[
        bool, typer.Option("--all", help="Strangers too, not only listed devices.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether --all is meant.")] = False,
) -> None:
    """Record what the radios hear, as it was heard: for ugw replay, and for tests.

    Only devices that the configuration lists are written down; anything else is counted and
    forgotten. The file holds no key; what is encrypted stays so. It can be read by you alone. An
    agent may run beside it, but a serial port can have only one of them.

    With --pseudonymise the same device has the same other address throughout the recording, and
    nobody can go back: the key is drawn anew each time and kept nowhere. Addresses within payloads
    are replaced too, and strangers' names left out. What is encrypted cannot be decoded any more,
    for it is bound to the address.

    [bold]Examples[/bold]

      ugw record -o monday.jsonl --for 10min
      ugw record -o monday.jsonl --append --max-size 1MB
      ugw record -o public.jsonl --pseudonymise --for 1h
    """
    wish = _Wish(
        output=output,
        limit_s=_seconds(limit),
        max_bytes=_size(max_size),
        append=append,
        everybody=everybody,
        pseudonymise=pseudonymise,
    )
    if everybody and not _agreed(yes=yes):
        raise typer.Abort
    settings, registry = load_settings(config)
    for broken in quarantined(registry):
        note(broken)
    if pseudonymise:
        note(ENCRYPTED)
    logging.disable()  # what transports say of themselves is told when nothing was heard
    _Recording(settings, registry, wish).run()


def _seconds(limit: str) -> float | None:
    try:
        limit_s = duration_ns(limit) / _NS_PER_S if limit else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    if limit_s == 0:
        message = "in no time nothing is heard"
        raise typer.BadParameter(message, param_hint="--for")
    return limit_s


def _size(size: str) -> int:
    try:
        return size_bytes(size)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--max-size") from None


def _agreed(*, yes: bool) -> bool:
    """Say what --all means, and ask. Raises UgwError where there is nobody to be asked."""
    note(_EVERYBODY)
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        cause = "--all writes strangers down, and there is no terminal to ask at"
        raise UgwError(cause, "say --yes if that is meant")
    return confirmed("Record everybody in range?", yes=yes)


def _loud(settings: Settings) -> Settings:
    """Return the configuration with its adapters scanning actively, which lets everybody in."""
    transports = [
        each.model_copy(update={"scan": "active"}) if isinstance(each, BleSettings) else each
        for each in settings.transports
    ]
    return settings.model_copy(update={"transports": transports})


def unknown(heard: Mapping[str, str], known: Collection[str], most: int) -> dict[str, list[str]]:
    """Return Bluetooth addresses that are not known, not too many, by the adapter that heard."""
    found = [
        (address, source)
        for address, source in heard.items()
        if source.startswith("ble:") and address not in known
    ]
    adapters: dict[str, list[str]] = {}
    for address, source in found[:most]:
        adapters.setdefault(source.removeprefix("ble:"), []).append(address)
    return adapters


class _Recording:
    """One session of a capture, from the first frame to the last."""

    def __init__(self, settings: Settings, registry: Registry, wish: _Wish) -> None:
        if not settings.transports:
            cause = "the configuration names no transports"
            raise TransportError(cause, "name one: config/gateway.example.yaml shows how")
        if not (settings.devices or wish.everybody):
            cause = "the configuration lists no device, so nothing would be written down"
            raise UgwError(cause, "list those you mean; --all takes everybody down")
        self._settings = _loud(settings) if wish.everybody else settings
        self._registry = registry
        self._wish = wish
        self._clock = SystemClock(settings.clock.source)
        self._health = Health(self._clock)
        self._listed: dict[str, AddressType] = {
            device.address: device.address_type if device.space == "ble" else ""
            for device in settings.devices
        }
        sessions = {device.address: session(device) for device in settings.devices}
        self._tap = Tap(
            self._listed,
            self._clock,
            sessions={address: one for address, one in sessions.items() if one is not None},
            everybody=wish.everybody,
        )
        self._types = dict(self._listed)
        known = known_names(registry, self._listed)
        self._pseudonyms = Pseudonyms(known) if wish.pseudonymise else None
        started_us = self._clock.wall_ns() // _NS_PER_US
        header = self._at(started_us)
        self._header = self._pseudonyms.session(header) if self._pseudonyms else header
        cut_us = started_us - self._header.started_us  # it has milliseconds
        self._start_ns = self._clock.boot_ns() - cut_us * _NS_PER_US

    def run(self) -> None:
        """Record. Raises UgwError; what was heard before is in the file."""
        wish = self._wish
        with Writer(
            wish.output, self._header, append=wish.append, max_bytes=wish.max_bytes
        ) as writer:
            asyncio.run(self._record(writer))
            self._conclude(writer)

    def _at(self, started_us: int) -> Header:
        return Header.at(
            started_us,
            gateway=self._settings.gateway.id,
            software=f"ugw {__version__}",
            clock=str(self._clock.reading().state),
            everybody=self._wish.everybody,
        )

    async def _record(self, writer: Writer) -> None:
        """Run the transports until the time is over, the file is full, SIGINT or SIGTERM."""
        stop = stop_signals(self._wish.limit_s)
        sources = assembly.sources(self._settings, self._registry, self._tap, self._health)
        transports = [source.make() for source in sources]
        failure: SimulatorError | None = None
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.run(), name=each.name) for each in transports]
            try:
                await self._write_until(stop, writer)
            except SimulatorError as error:  # raised below: a group would wrap it
                failure = error
            for task in tasks:
                task.cancel()
        if failure is not None:
            raise failure
        await self._write(writer)

    async def _write_until(self, stop: asyncio.Event, writer: Writer) -> None:
        while not (stop.is_set() or writer.full):
            try:
                async with asyncio.timeout(_WRITE_S):
                    await stop.wait()
            except TimeoutError:
                pass  # time to write
            await self._write(writer)
            self._show(writer)

    async def _write(self, writer: Writer) -> None:
        """Write what was heard since, beside the event loop: a card may take seconds for it."""
        frames = self._tap.take()
        await self._ask_types({frame.address: frame.source for frame in frames})
        start_ns = self._start_ns
        records = [
            Record.of(frame, at_us, self._types.get(frame.address, ""))
            for frame in frames
            if (at_us := (frame.heard_at_ns - start_ns) // _NS_PER_US) >= 0
        ]
        await asyncio.to_thread(writer.write, list(self._published(records)))

    def _published(self, records: list[Record]) -> Iterator[Record]:
        for each in records:
            if self._pseudonyms is None:
                yield each
            else:
                yield self._pseudonyms.record(each)

    async def _ask_types(self, heard: dict[str, str]) -> None:
        """Ask BlueZ of addresses that are not listed whether they are public or random."""
        if not self._wish.everybody:
            return
        for adapter, addresses in unknown(heard, self._types, _MOST_ASKED).items():
            found: dict[str, Any] = await address_types(adapter, addresses)
            self._types.update(found)
        if len(self._types) > _MOST_KNOWN:  # strangers' change: begin anew with who is listed
            self._types = dict(self._listed)

    # ---------------------------------------------------------------------------- what is said
    def _show(self, writer: Writer) -> None:
        """Say in one line, which is written over, how it goes; only to who looks on."""
        if sys.stderr.isatty():
            line = f"{self._told(writer)}   Ctrl-C ends it"
            print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)

    def _told(self, writer: Writer) -> str:
        kb = writer.size_bytes / _BYTES_PER_KB
        devices = len(writer.devices)
        return f"{writer.frames} frames of {devices} devices, {kb:.1f} kB"

    def _conclude(self, writer: Writer) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        if not (writer.frames or self._wish.append):
            writer.path.unlink()  # else the next try would find it there already
        else:
            print(f"{self._told(writer)} in {writer.path}")
        self._remark(writer)
        if not writer.frames:
            raise typer.Exit(ExitCode.FAILED)

    def _remark(self, writer: Writer) -> None:
        """Say what may not be as it was meant. Raises TransportError when no radio was of use."""
        if writer.full:
            note(f"the file has its {self._wish.max_bytes / 1e6:g} MB: --max-size allows more")
        if self._tap.lost:
            note(f"{self._tap.lost} frames were lost: the medium was too slow for them")
        others = self._tap.unwanted
        if not self._wish.everybody and others:
            note(f"{others} frames of devices that are not listed were counted and forgotten")
        if not self._tap.heard and not writer.full:
            complain(self._health)
            note("nothing was heard: does anything send here?")
        for trouble in deaf(self._health):
            note(trouble)
