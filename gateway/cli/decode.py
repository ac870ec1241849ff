"""`ugw decode`: what an advertisement or a payload says, and which driver says so."""

import os
import sys
from getpass import getpass
from typing import Annotated, Final

import msgspec
import typer

from gateway.cli import decode_page, driver_facts
from gateway.cli.configuration import installed_drivers, quarantined
from gateway.cli.decode_answer import Decoder
from gateway.cli.decode_input import (
    CODEC,
    InputError,
    Line,
    advertised,
    asked,
    unhex,
)
from gateway.cli.decode_lines import answers
from gateway.cli.terminal import note, show
from gateway.config.secrets import Key
from gateway.driver import LoadedDriver
from gateway.errors import DriverError, UgwError
from gateway.exit_codes import ExitCode
from gateway.registry import Registry

_ASK: Final = "ask"
_REFERENCES: Final = ("file:", "env:")
_LITERAL: Final = (
    "the key stands in the shell's history, and in the list of processes for everybody here to"
    " see: --key ask, file:/... or env:NAME keep it to yourself"
)
_HOW_MUCH: Final = (
    "a payload alone, without the rest of the advertisement, needs --manufacturer, --service or"
    " --driver"
)

Data = Annotated[
    str,
    typer.Argument(metavar="HEX", help="An advertisement, or a payload.", show_default=False),
]
AddressOption = Annotated[
    str, typer.Option("--address", metavar="MAC", help="Whose it is: encrypted ones need it.")
]
NameOption = Annotated[str, typer.Option("--name", help="The name that was advertised with it.")]
ManufacturerOption = Annotated[
    str,
    typer.Option(
        "--manufacturer", metavar="ID", help="HEX is manufacturer data of 1177 or 0x0499."
    ),
]
ServiceOption = Annotated[
    str, typer.Option("--service", metavar="UUID", help="HEX is service data of this UUID.")
]
DriverOption = Annotated[
    str, typer.Option("--driver", metavar="MODEL", help="Who reads it; a codec.js, too.")
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=255, help="LoRaWAN: the port it came on.")
]
KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        metavar="KEY",
        help="Of an encrypted one: file:/..., env:NAME, or ask, to be asked for it.",
    ),
]
ExampleOption = Annotated[
    str, typer.Option("--example", metavar="MODEL", help="Decode this driver's first example.")
]
LinesOption = Annotated[
    bool,
    typer.Option("--json", help="Lines of JSON from standard input, each answered with one."),
]


def decode(  # noqa: PLR0913, PLR0917 - what can be told of a frame
    data: Data = "",
    service: ServiceOption = "",
    manufacturer: ManufacturerOption = "",
    driver: DriverOption = "",
    port: PortOption = None,
    address: AddressOption = "",
    name: NameOption = "",
    key: KeyOption = "",
    example: ExampleOption = "",
    *,
    as_json: LinesOption = False,
) -> None:
    """Decode a pasted advertisement or payload, and say which driver reads it and why.

    HEX is an advertisement as scanner apps show it; with --manufacturer, --service or --driver
    the payload alone. A driver too weak to be chosen by what it matches answers if no other does.
    Ends with 1 if nobody can read it.

    With --json each line of standard input, {"address", "manufacturer_data", "service_data", ...}
    or {"payload", "port", "codec"}, is answered with one line: {"driver", "results", "decoded",
    "refused"}.

    [bold]Examples[/bold]

      ugw decode 0x1BFF99040512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F
      ugw decode --service 0xfcd2 4002c40903bf13
      ugw decode --driver cayenne-lpp --port 2 03670110056700ff
      ugw decode --json < capture.jsonl > decoded.jsonl
    """
    if as_json and not (data or example):
        _stream()
        return
    who = Line(address=address or None, name=name or None, port=port, key=_key(key) or None)
    line = _pasted(who, data, (manufacturer, service), driver)
    registry = _drivers()
    what = _example(registry, example) if example else _told_apart(line, data, registry)
    _one(registry, what, as_json=as_json)


def _drivers() -> Registry:
    """Find the drivers, and say which of them cannot be used."""
    registry = installed_drivers()
    for broken in quarantined(registry):
        note(broken)
    return registry


def _stream() -> None:
    """Answer standard input, each line at once."""
    out = sys.stdout.buffer
    with Decoder(_drivers()) as decoder:
        for line in answers(decoder, sys.stdin.buffer):
            out.write(line.encode() + b"\n")
            out.flush()


def _one(registry: Registry, line: Line, *, as_json: bool) -> None:
    try:
        what = asked(line)
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint="HEX") from None
    with Decoder(registry) as decoder:
        answer = decoder.answer(what)
    if as_json:
        print(answer.line())
    else:
        show(decode_page.render(what, answer, registry))
    if answer.refused is not None:
        raise typer.Exit(ExitCode.FAILED)


# ---------------------------------------------------------------------------------- what is meant
def _pasted(who: Line, data: str, named: tuple[str, str], driver: str) -> Line:
    """Return the line that says what the command line does, but for data nobody has named."""
    manufacturer, service = named
    is_codec = driver.endswith(CODEC)
    return msgspec.structs.replace(
        who,
        manufacturer_data={manufacturer: data} if manufacturer else None,
        service_data={service: data} if service else None,
        codec=driver if is_codec else None,
        driver=None if is_codec else driver or None,
    )


def _told_apart(line: Line, data: str, registry: Registry) -> Line:
    """Tell an advertisement from a payload: by what a driver named for it reads, by a port."""
    if not data:
        message = "HEX is needed, or --json to read lines, or --example"
        raise typer.BadParameter(message, param_hint="HEX")
    if line.manufacturer_data or line.service_data:
        return line
    named = registry.by_model(line.driver) if line.driver else None
    if line.codec or line.port is not None or (named is not None and not _is_heard(named, data)):
        return msgspec.structs.replace(line, payload=data)
    try:
        advertised(unhex(data))
    except InputError as error:
        message = f"{error}; {_HOW_MUCH}"
        raise typer.BadParameter(message, param_hint="HEX") from None
    return msgspec.structs.replace(line, advertisement=data)


def _is_heard(named: LoadedDriver, data: str) -> bool:
    """Whether this is an advertisement with something in it that the driver reads."""
    try:
        return any(named.reads(structure) for structure in advertised(unhex(data)))
    except InputError:
        return False


def _example(registry: Registry, model: str) -> Line:
    """Return a driver's first example. Raises DriverError when it has none."""
    named = registry.by_model(model)
    found = driver_facts.examples(named.file, model)
    if not found:
        cause = f"{model} has no examples"
        raise DriverError(cause)
    first = found[0]
    return Line(
        driver=model,
        payload=first["payload"],
        address=first.get("address"),
        port=first.get("port"),
        key=first.get("key"),
    )


def _key(given: str) -> str:
    """Return the key that was given by reference, or by hand. Raises UgwError."""
    if not given:
        return ""
    try:
        if given.startswith(_REFERENCES):
            return Key.resolve(given, os.environ).key_bytes.hex()
        if given != _ASK:
            note(_LITERAL)
            return given
        return _asked_for()
    except ValueError as error:
        raise UgwError(str(error)) from None


def _asked_for() -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        cause = "there is no terminal to ask for the key at"
        raise UgwError(cause, "--key file:/..., or env:NAME")
    return getpass("key (32 hexadecimal digits, not shown): ", sys.stderr)
