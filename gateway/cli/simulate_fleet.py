"""`ugw simulate fleet N`: many real agents, to load a broker and what is behind it."""

import asyncio
import logging
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.broker_address import host_and_port
from gateway.cli.terminal import note, print_json
from gateway.config import duration_ns
from gateway.errors import SimulatorError
from gateway.exit_codes import ExitCode
from gateway.sim.fleet import words
from gateway.sim.fleet.fleet import Fleet, Report, Sample
from gateway.sim.fleet.plan import Plan

_NS_PER_S = 1e9
_ENDS = (signal.SIGINT, signal.SIGTERM)
_PLAIN_EVERY = 10  # seconds between two lines, where there is no terminal
_WARNING = (
    "this is a load test: it sends made-up readings of made-up gateways to a broker that is not on"
    " this machine"
)


def fleet(  # noqa: PLR0913 - a command has the options it has
    gateways: Annotated[int, typer.Argument(min=1, help="How many gateways.")],
    *,
    broker: Annotated[
        list[str] | None,
        typer.Option(
            help="HOST:PORT; several for the nodes of a cluster.", show_default="127.0.0.1:1883"
        ),
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="Encrypted, by this machine's authorities.")
    ] = False,
    tls_ca: Annotated[Path | None, typer.Option(help="The same, by those in this file.")] = None,
    tls_cert: Annotated[
        str, typer.Option(help="A certificate for each: {id} becomes the client id.")
    ] = "",
    tls_key: Annotated[str, typer.Option(help="Its key, likewise.")] = "",
    username: Annotated[str, typer.Option(help="{id} becomes the client id.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="Where the password stands.")] = None,
    mqtt_version: Annotated[
        str, typer.Option(help="3.1.1 for a broker that does not even refuse 5.")
    ] = "5",
    org: Annotated[str, typer.Option(help="The organisation in the topics.")] = "fleet",
    topic_prefix: Annotated[str, typer.Option(help="What all topics begin with.")] = "ugw/v1",
    sensors: Annotated[int, typer.Option(min=1, help="Of each gateway.")] = 10,
    every: Annotated[str, typer.Option(help="Between two readings of a sensor.")] = "60s",
    rate: Annotated[
        float, typer.Option(min=0, help="Readings a second of all together, instead of --every.")
    ] = 0,
    lasts: Annotated[str, typer.Option("--for", help="How long the sensors speak.")] = "10min",
    ramp: Annotated[str, typer.Option(help="The gateways start spread over so long.")] = "30s",
    drain: Annotated[str, typer.Option(help="What waits at the end gets so long.")] = "2min",
    store: Annotated[
        Path | None, typer.Option(help="A folder: gateways keep on disk; else in memory.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Share the gateways out to so many.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed, the same readings.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="The report for programs.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Yes, load that broker: it is on another machine.")
    ] = False,
) -> None:
    """Load a broker with many gateways, and count what arrives.

    Each gateway is the real agent with a connection of its own; only its sensors, and without
    --store its disk, are in memory. A subscriber of its own counts what arrives, where the broker
    lets it. Nothing stays behind: what gateways leave retained is emptied at the end.

    Ends with 1 when something that was accepted was not delivered. Ctrl-C ends it early: what
    waits is still sent, unless you press it twice.

    [bold]Examples[/bold]

      ugw simulate fleet 100
      ugw simulate fleet 300 --rate 150 --for 5min --store ./fleet
      ugw simulate fleet 1000 --tls --broker broker.example:8883 --yes
    """
    plan = Plan(
        gateways=gateways,
        brokers=tuple(host_and_port(each) for each in broker or ["127.0.0.1:1883"]),
        sensors=sensors,
        every_s=gateways * sensors / rate if rate else _seconds(every, "--every"),
        lasts_s=_seconds(lasts, "--for"),
        ramp_s=_seconds(ramp, "--ramp"),
        drain_s=_seconds(drain, "--drain"),
        seed=seed,
        org=org,
        version=mqtt_version,
        topic_prefix=topic_prefix.rstrip("/"),
        username=username,
        password_file=_text(password_file),
        tls=tls or tls_ca is not None,
        tls_ca=_text(tls_ca),
        tls_cert=tls_cert and _text(Path(tls_cert)),
        tls_key=tls_key and _text(Path(tls_key)),
        store=_text(store),
        processes=processes,
    )
    if plan.is_remote and not yes:
        raise SimulatorError(_WARNING, "if whoever runs it knows and agrees, say --yes")
    report = asyncio.run(_watched(plan))
    if json:
        print_json(msgspec.to_builtins(report))
    else:
        for each in words.page(report):
            typer.echo(each)
    raise typer.Exit(ExitCode.OK if report.is_whole else ExitCode.FAILED)


def _seconds(text: str, option: str) -> float:
    try:
        return duration_ns(text) / _NS_PER_S
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _text(path: Path | None) -> str:
    return "" if path is None else str(path.absolute())


async def _watched(plan: Plan) -> Report:
    # A fleet's agents would say the same hundreds of times; what matters is in the line.
    logging.getLogger("gateway").addHandler(logging.NullHandler())
    ticker = _Ticker()
    run = Fleet(plan, ticker.tell)
    if plan.is_remote:
        note(_WARNING)
    typer.echo(words.offered(plan), err=True)
    loop = asyncio.get_running_loop()

    def end() -> None:
        run.rest()
        for number in _ENDS:
            loop.add_signal_handler(number, run.stop)

    for number in _ENDS:
        loop.add_signal_handler(number, end)
    try:
        return await run.run()
    finally:
        ticker.end()


class _Ticker:
    """The line of a fleet: over and over in its place on a terminal, now and then elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._looks = 0

    def tell(self, sample: Sample) -> None:
        """Show a second."""
        self._looks += 1
        if self._live:
            line = words.line(sample)[: shutil.get_terminal_size().columns - 1]
            typer.echo(f"\r\x1b[K{line}", err=True, nl=False)
        elif self._looks % _PLAIN_EVERY == 0:
            typer.echo(words.line(sample), err=True)

    def end(self) -> None:
        """Leave the last line behind."""
        if self._live and self._looks:
            typer.echo(err=True)
