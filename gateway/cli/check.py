"""`ugw check`: whether the agent could start with this configuration, and do its work."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.configuration import DEFAULT, ConfigOption, JsonOption, load_settings, notes
from gateway.cli.preflight import Probe, State, Verdict, examine, probes
from gateway.cli.terminal import note, print_json, show
from gateway.config import (
    BleSettings,
    DeviceSettings,
    ForwarderSettings,
    InvalidConfigError,
    NetworkServerSettings,
    Settings,
    TransportSettings,
)
from gateway.config.findings import printable
from gateway.exit_codes import ExitCode
from gateway.registry import Registry

if TYPE_CHECKING:
    from rich.status import Status

_STYLES: Final = {
    State.OK: "green",
    State.WARNING: "bold yellow",
    State.FAILED: "bold red",
    State.SKIPPED: "dim",
}


OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Check the configuration alone; open nothing.")
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="End with 1 where there is a warning.")
]


def check(
    config: ConfigOption = DEFAULT,
    *,
    offline: OfflineOption = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration, and try what the agent will need.

    Every error of the configuration is shown at once, with its place. Then the store, each radio
    and the way to the broker are tried, up to the right to publish: it leaves an event
    "agent.check" at the broker and changes nothing else. An agent that runs is not disturbed.

    Ends with 0 if the agent can start: what it repairs by itself, a broker that is away or a
    radio that is missing, is a warning. Ends with 3 if the configuration cannot be used, with 4
    if the agent cannot start, with 1 if --strict is given and there is a warning.

    [bold]Examples[/bold]

      ugw check
      ugw check --strict
      ugw check --offline --config config/gateway.example.yaml
      UGW__MQTT__HOST=localhost ugw check
    """
    settings, registry = _loaded(config, as_json=as_json)
    remarks = list(notes(settings, registry))
    if not as_json:
        _print_summary(config, settings, remarks)
    wanted = [] if offline else list(probes(settings, registry))
    verdicts = _examined(wanted, _Lines(wanted, silent=as_json))
    code = _code(verdicts, strict=strict)
    if as_json:
        told = {"summary": dict(summary(settings)), "notes": remarks}
        checks = msgspec.to_builtins(verdicts)
        print_json({"file": str(config), "ok": code is ExitCode.OK, **told, "checks": checks})
    elif wanted:
        print(_conclusion(verdicts))
    raise typer.Exit(code)


def _loaded(config: Path, *, as_json: bool) -> tuple[Settings, Registry]:
    try:
        return load_settings(config)
    except InvalidConfigError as error:
        if not as_json:
            raise
        findings = msgspec.to_builtins(error.findings)
        print_json({"file": str(config), "ok": False, "findings": findings})
        raise typer.Exit(ExitCode.CONFIGURATION) from None


def _examined(wanted: Sequence[Probe], lines: "_Lines") -> list[Verdict]:
    verdicts: list[Verdict] = []

    def tell(verdict: Verdict) -> None:
        verdicts.append(verdict)
        lines.tell(verdict)

    with lines:
        asyncio.run(examine(wanted, tell))
    return verdicts


def _code(verdicts: Iterable[Verdict], *, strict: bool) -> ExitCode:
    states = {verdict.state for verdict in verdicts}
    if State.FAILED in states:
        return ExitCode.CANNOT_START
    return ExitCode.FAILED if strict and State.WARNING in states else ExitCode.OK


# ---------------------------------------------------------------------------------- what was tried
class _Lines:
    """Prints each verdict as it comes, and on a terminal what is still being looked at."""

    def __init__(self, wanted: Sequence[Probe], *, silent: bool) -> None:
        self._missing = [name for probe in wanted for name in probe.names]
        self._width = max(map(len, self._missing), default=0)
        self._silent = silent
        self._attended = not silent and sys.stdout.isatty() and sys.stderr.isatty()
        self._waiting: Status | None = None

    def __enter__(self) -> Self:
        if not self._silent and self._missing:
            print()
        self._wait()
        return self

    def __exit__(self, *_error: object) -> None:
        self._pause()

    def tell(self, verdict: Verdict) -> None:
        """Print one; there is but one terminal, so the waiting pauses meanwhile."""
        self._pause()
        self._missing.remove(verdict.name)
        if not self._silent:
            show(self._line(verdict))
        self._wait()

    def _wait(self) -> None:
        if self._attended and self._missing:
            names = f"looking at {', '.join(self._missing)}"
            # A new one each time: rich's goes on from where it stood, and wipes what came since.
            self._waiting = Console(stderr=True).status(
                Text(names, "dim", no_wrap=True, overflow="ellipsis")
            )
            self._waiting.start()

    def _pause(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None

    def _line(self, verdict: Verdict) -> Table:
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(no_wrap=True, min_width=len(State.WARNING))
        line.add_column(no_wrap=True, min_width=self._width)
        line.add_column(overflow="fold")
        text = Text(printable(verdict.text))
        state = Text(verdict.state.value, _STYLES[verdict.state])
        line.add_row(state, verdict.name, text)
        if verdict.remedy:
            line.add_row("", "", Text(printable(verdict.remedy), "bold"))
        return line


def _conclusion(verdicts: Sequence[Verdict]) -> str:
    failed = [verdict.name for verdict in verdicts if verdict.state is State.FAILED]
    warnings = sum(verdict.state is State.WARNING for verdict in verdicts)
    if failed:
        return f"\nThe agent cannot start: {', '.join(failed)}."
    if warnings:
        return f"\nThe agent can start, with {warnings} warning{'s' if warnings > 1 else ''}."
    return "\nThe agent can start."


# ----------------------------------------------------------------------------- what is configured
def _print_summary(config: Path, settings: Settings, remarks: Iterable[str]) -> None:
    print(f"{config}: ok")
    for title, lines in summary(settings):
        for number, line in enumerate(lines):
            print(f"  {'' if number else title:<11} {line}")
    for remark in remarks:
        note(remark)


def summary(settings: Settings) -> Iterator[tuple[str, list[str]]]:
    """Say what the configuration amounts to: title, lines."""
    gateway, store = settings.gateway, settings.store
    yield (
        "gateway",
        [f"{gateway.org}/{gateway.id}" + (f", {gateway.name}" if gateway.name else "")],
    )
    yield "broker", [_broker(settings)]
    yield "topics", [f"{settings.topic_root}/..."]
    yield "store", [f"{store.path}, at most {store.max_size_bytes // 1_000_000} MB"]
    yield "transports", [_transport(each) for each in settings.transports] or ["none"]
    yield "devices", _devices(settings) or ["none"]


def _broker(settings: Settings) -> str:
    mqtt = settings.mqtt
    security = "in clear"
    if mqtt.tls is not None:
        security = "TLS with a client certificate" if mqtt.tls.cert else "TLS"
    user = ", with user name" if mqtt.username else ""
    return f"{mqtt.host}:{mqtt.port}, MQTT {mqtt.version}, {security}{user}"


def _transport(transport: TransportSettings) -> str:
    if isinstance(transport, BleSettings):
        return f"{transport.name}, {transport.scan} scan"
    if isinstance(transport, ForwarderSettings):
        return f"{transport.name}, from {', '.join(transport.allow) or 'this machine'}"
    if isinstance(transport, NetworkServerSettings):
        return f"{transport.name}, {', '.join(transport.topics)}"
    baud = f" at {transport.baud} baud" if transport.baud else ""
    return f"{transport.name}, {transport.modem}{baud}"


def _devices(settings: Settings) -> list[str]:
    """Count devices by what will decode them."""
    counts = Counter((device.medium, _read_by(device)) for device in settings.devices)
    names = {"ble": "Bluetooth LE", "lora": "LoRa"}
    return [f"{count} {names[medium]}, {by}" for (medium, by), count in counts.items()]


def _read_by(device: DeviceSettings) -> str:
    codec = f"the codec {device.codec.file.name}" if device.codec else ""
    listened = device.driver or codec or "recognised by what they send"
    return listened if device.poll is None else f"{listened}, connected to by {device.poll.driver}"
