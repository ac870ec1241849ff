"""`ugw replay FILE`: what was recorded once, played to an agent or shown as drivers read it."""

import asyncio
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from gateway.cli import replay_page
from gateway.cli.broker_address import host_and_port
from gateway.cli.configuration import installed_drivers, load_with, quarantined
from gateway.cli.guest import explain, play_for, until_stopped
from gateway.cli.terminal import note
from gateway.config import Settings
from gateway.config.findings import printable
from gateway.errors import SimulatorError
from gateway.registry import Registry
from gateway.sim.capture.file import Heard, convert, shifted
from gateway.sim.capture.player import FASTEST, Player
from gateway.sim.capture.pseudonyms import ENCRYPTED, Pseudonyms, known_names
from gateway.sim.capture.readings import Listener, listing
from gateway.sim.capture.sources import Source, open_source
from gateway.sim.capture.stage import Stage
from gateway.sim.capture.survey import Survey
from gateway.sim.capture.words import senders

_FASTEST: Final = "max"
_MOST_SPEED: Final = 1e6
_LISTEN_LIMIT_S: Final = 15.0  # until a program of --run listens
_LAST_S: Final = 1.0  # for the last frames, on their way through the agent
_NS_PER_US: Final = 1000
_TOO_FAST: Final = (
    "an agent that hears a device again before it has come to its last frame keeps the newest, and"
    " counts the other as coalesced: so fast, that is most of them. A lower --speed keeps them all"
)


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    source: Source
    speed: float
    loop: bool
    broker: tuple[str, int]
    program: str
    config: Path | None


def replay(  # noqa: PLR0913 - a command has the options it has
    file: Annotated[
        Path,
        typer.Argument(help="A capture, a btsnoop file, or a serial log with times in it."),
    ],
    *,
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="So many times as fast as it was heard.")
    ] = "1",
    loop: Annotated[bool, typer.Option("--loop", help="Again and again, until Ctrl-C.")] = False,
    run: Annotated[
        str,
        typer.Option(
            help="A program to run there; {config} is replaced by the agent's configuration."
            " The replay ends with it."
        ),
    ] = "",
    broker: Annotated[
        str, typer.Option(help="Where the agent is to send, HOST:PORT.")
    ] = "127.0.0.1:1883",
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="A configuration that lists the devices."
        ),
    ] = None,
    modem: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="Which modem spoke in a serial log, or is to hear LoRa frames."
        ),
    ] = "",
    decode: Annotated[
        bool, typer.Option("--decode", help="Print what the drivers make of it; no agent.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --decode: observations as lines of JSON.")
    ] = False,
    convert_to: Annotated[
        Path | None, typer.Option("--convert", metavar="OUT", help="Write it as a capture.")
    ] = None,
    pseudonymise: Annotated[
        bool, typer.Option("--pseudonymise", help="With --convert: put other addresses in it.")
    ] = False,
    shift: Annotated[
        bool,
        typer.Option("--shift", help="With --decode, --convert: as if it had begun just now."),
    ] = False,
) -> None:
    """Replay a capture: the agent hears what was heard then, as if it were on the air.

    The frames go through a simulated bluetoothd and simulated modems, so the agent is the one of
    the field. What it needs is printed, and it starts when the agent listens; with --run it starts
    an agent itself. Without --config those Bluetooth devices are listed for it that a driver
    recognises; keys, and which driver reads a LoRa node, only a configuration can tell. Of a
    configuration that is given, broker, store and transports are replaced.

    With --decode there is no agent: each observation is printed that it would publish, at the
    times of the capture.

    Read are captures of ugw record, btsnoop files (btmon -w, and HCI logs of Android), and logs
    of a serial port whose lines begin with a time, of the modem that --modem names.

    [bold]Examples[/bold]

      ugw replay monday.jsonl --run 'ugw run --config {config}'
      ugw replay monday.jsonl --decode --config /etc/ugw/gateway.yaml
      ugw replay hci0.btsnoop --convert hci0.jsonl --pseudonymise
      ugw replay screen.log --modem reyax-rylr998 --speed 60 --loop
    """
    _check_options(
        ("--json", "--decode", as_json and not decode),
        ("--pseudonymise", "--convert", pseudonymise and convert_to is None),
        ("--shift", "--decode or --convert", shift and not (decode or convert_to)),
    )
    wish = _Wish(
        source=open_source(file, modem),
        speed=_speed(speed),
        loop=loop,
        broker=host_and_port(broker),
        program=run,
        config=config,
    )
    start_us = time.time_ns() // _NS_PER_US
    heards = shifted(wish.source, start_us) if shift else wish.source
    registry = installed_drivers()
    _say(quarantined(registry))
    settings = load_with(registry, config) if config is not None else None
    if convert_to is not None:
        known = known_names(registry, _listed(settings))
        heards = Pseudonyms(known).all(heards) if pseudonymise else heards
        print(f"{convert(heards, convert_to)} frames in {convert_to}")
        _say([ENCRYPTED] if pseudonymise else [])
        _say(wish.source.notes)
        return
    survey = Survey(wish.source, registry, modem, senders(settings) if settings else {})
    _say(wish.source.notes)
    if decode:
        _decode(heards, survey, settings, registry, as_json=as_json)
        return
    _say(_unplayable(survey, settings))
    if wish.speed == FASTEST:
        _say([_TOO_FAST])
    if survey.frames == survey.silent:
        cause = f"there is nothing in {file} that a radio hears"
        raise SimulatorError(cause, "ugw replay --decode shows what there is")
    raise typer.Exit(asyncio.run(until_stopped(_play(wish, survey))))


def _check_options(*options: tuple[str, str, bool]) -> None:
    """Refuse what has no effect: (option, what it goes with, whether that is missing)."""
    for name, company, is_alone in options:
        if is_alone:
            message = f"it goes with {company}, and would be without effect here"
            raise typer.BadParameter(message, param_hint=name)


def _listed(settings: Settings | None) -> list[str]:
    return [device.address for device in settings.devices] if settings is not None else []


def _speed(text: str) -> float:
    try:
        speed = FASTEST if text == _FASTEST else float(text)
    except ValueError:
        speed = 0.0
    if text != _FASTEST and not 0 < speed <= _MOST_SPEED:
        message = f"{text!r} is no speed: 1, 0.5, 60 or max is one"
        raise typer.BadParameter(message, param_hint="--speed")
    return speed


def _say(notes: Iterable[str]) -> None:
    for each in notes:
        note(printable(each))


# ------------------------------------------------------------------------------------------ decode
def _decode(
    heards: Iterable[Heard],
    survey: Survey,
    settings: Settings | None,
    registry: Registry,
    *,
    as_json: bool,
) -> None:
    """Print each observation, then where the frames ended."""
    _say(_undecodable(survey, settings))
    logging.disable()  # what a failing codec says of itself is counted below
    listener = Listener(settings or listing(survey.listed()), registry)
    for said in listener.listen(heards):
        print(said.text if as_json else replay_page.line(said))
    for line in replay_page.ends(listener.frames, listener.nameless):
        typer.echo(line, err=True)


def _undecodable(survey: Survey, settings: Settings | None) -> list[str]:
    if settings is not None:
        return []
    return [
        f"{address}: which driver reads it, only a configuration can tell (--config)"
        for address in survey.nodes
    ]


# -------------------------------------------------------------------------------------------- play
def _unplayable(survey: Survey, settings: Settings | None) -> list[str]:
    notes = _undecodable(survey, settings)
    if survey.silent:
        what = "answers to polls, and what a network server had decrypted"
        notes.append(f"{survey.silent} frames are left out, for no radio hears them: {what}")
    return notes


async def _play(wish: _Wish, survey: Survey) -> int:
    """Play to whoever listens; return the exit code."""
    stage = Stage(survey, given=wish.config, speed=wish.speed)
    async with stage.world as world:
        try:
            config = stage.write_config(world.directory / "agent", wish.broker)
        except OSError as error:
            cause = f"the agent's configuration cannot be written: {error}"
            raise SimulatorError(cause) from None
        player = Player(world, survey, speed=wish.speed)
        environment = world.environment()
        if wish.program:
            playing = _play_to(player, wish, _LISTEN_LIMIT_S)
            return await play_for(wish.program, config, environment, playing, _tell)
        explain(environment, config)
        await _play_to(player, wish, None)
        return 0


async def _play_to(player: Player, wish: _Wish, limit_s: float | None) -> None:
    """Play once somebody listens, or when the limit is over."""
    _tell("waiting for a program that listens")
    if not await player.heard(limit_s):
        _tell("nobody listens to all that was heard: playing all the same")
    loop = asyncio.get_running_loop()
    while True:
        start_s = loop.time()
        await player.play(wish.source)
        _tell(f"{player.told} in {loop.time() - start_s:.1f} s")
        if not wish.loop:
            break
    await asyncio.sleep(_LAST_S)


def _tell(event: str) -> None:
    typer.echo(event, err=True)
