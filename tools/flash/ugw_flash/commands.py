"""`ugw flash`: the files of a new board; for those that run a key, a bundle, the broker.

What goes wrong ends as a UgwError with its remedy, which `ugw` turns into a message and an exit
code. Data on standard output, talk on standard error.
"""

import asyncio
import getpass
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from rich.console import Console
from rich.progress import Progress

from gateway.config import read_file
from gateway.core.identity import is_slug
from gateway.dial import TlsSettings
from gateway.errors import UgwError
from gateway.mqtt import MqttSettings
from ugw_flash import bundle as bundles
from ugw_flash import files as boards
from ugw_flash import freezing, signing
from ugw_flash import publish as publishing
from ugw_flash.compile import compile_tree, size_report
from ugw_flash.site import SOFTWARE, read_site

app = typer.Typer(
    name="flash",
    help="Make gateways: boards, and signed updates for them.",
    no_args_is_help=True,
)

_CONFIRM_S: Final = 1800.0
_PORT_TLS, _PORT_CLEAR = 8883, 1883

KeyOption = Annotated[
    Path, typer.Option("--key", metavar="FILE", help="The private key; it never leaves the desk.")
]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The board's configuration.")
]


@app.command()
def keygen(
    key: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
    *,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password to encrypt it with.")
    ] = False,
) -> None:
    """Make the key pair that signs updates.

    FILE gets the private key (mode 600): keep it, and a copy of it, where nobody else comes.
    FILE.pub beside it gets the public one, which esp32.update_key names in the configuration of
    boards. No file is ever replaced. A board takes updates by this key only: if it is lost, boards
    have to be flashed anew.

    [bold]Example[/bold]

        ugw flash keygen update.key
    """
    secret = _asked("Password for the key: ", twice=True) if password else None
    public = key.with_name(key.name + ".pub")
    signing.generate(key, public, secret)
    _say(f"made {key} (private: keep it) and {public} (for esp32.update_key)")


NumberOption = Annotated[
    int | None,
    typer.Option(min=1, help="Higher than that of what runs; by default the Unix time."),
]
NameOption = Annotated[
    str, typer.Option(help="What status calls the software; with what tells it apart.")
]
ReportOption = Annotated[bool, typer.Option("--report", help="Print the size of each file.")]


@app.command()
def files(  # noqa: PLR0913 - options of a command
    directory: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the board's file system goes.")
    ],
    config: ConfigOption,
    *,
    frozen: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where sources to freeze into a firmware go."),
    ] = None,
    chip: Annotated[
        str, typer.Option(metavar="BOARD", help="MicroPython's name of the board to build for.")
    ] = "ESP32_GENERIC",
    number: NumberOption = None,
    name: NameOption = SOFTWARE,
    report: ReportOption = False,
) -> None:
    """Make the files of a new board from its configuration.

    FOLDER gets the board's file system, with the agent and the drivers its devices need, for
    boards with PSRAM and MicroPython's own firmware. FOLDER.secrets.csv beside it gets the secrets
    (mode 600), for the chip's own memory: delete it when they are there. Nothing is ever replaced.

    Boards without PSRAM have no room for the agent in memory: with --frozen its sources go into a
    second folder, to be built into a firmware by the command printed, and the file system holds
    the site alone. Such a board takes no updates over the air.

    [bold]Examples[/bold]

        ugw flash files gw-17 --config gw-17.yaml

        ugw flash files gw-18 --config gw-18.yaml --frozen firmware
    """
    board = read_site(config, made_ms=time.time_ns() // 1_000_000, frozen=frozen is not None)
    for note in board.notes:
        _say(f"note: {note}")
    secrets = boards.secrets_beside(directory)
    boards.refuse_taken(directory, secrets, frozen)
    if frozen is None:
        made, compiled = boards.version(board.drivers, number or int(time.time()), name)
        boards.write({**board.files, **made}, directory)
        if report:
            print(size_report(compiled), end="")
    else:
        boards.write(freezing.frozen(board.drivers), frozen)
        boards.write(board.files, directory)
        print(freezing.make_command(frozen, chip))
    if board.secrets:
        boards.write_secrets(board.secrets, secrets)
        _say(f"{secrets}: {len(board.secrets)} secrets, for NVS alone; delete it afterwards")
    _say(f"{directory}: the file system of {board.gateway}")


@app.command()
def bundle(  # noqa: PLR0913 - options of a command
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle to write.")],
    key: KeyOption,
    config: ConfigOption,
    *,
    number: NumberOption = None,
    name: NameOption = SOFTWARE,
    report: ReportOption = False,
) -> None:
    """Compile the agent and the drivers a board needs, and sign them as one release.

    The configuration says which drivers; nothing else of it is in the bundle, and no secret.
    Boards with the same drivers take the same bundle.

    [bold]Example[/bold]

        ugw flash bundle release.ugw --key update.key --config gw-17.yaml
    """
    private = _private_key(key)
    board = read_site(config)
    with tempfile.TemporaryDirectory() as folder:
        compiled = compile_tree(Path(folder), board.drivers)
        files = bundles.read_tree(Path(folder), compiled)
    made = bundles.make(files, number or int(time.time()), name, private)
    bundles.write(made, out)
    if report:
        print(size_report(compiled), end="")
    total = sum(map(len, files.values()))
    _say(f"{out}: {made.software}, number {made.number}, {len(files)} files, {total:,} bytes")


@app.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")],
) -> None:
    """Show what is in a bundle, after a look at whether it is whole."""
    made = bundles.read(path)
    print(f"{made.software}, number {made.number}, release {made.release}")
    for name, content in sorted(made.files.items()):
        print(f"{len(content):8,} {name}")


@app.command()
def publish(  # noqa: PLR0913 - options of a command
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")],
    gateways: Annotated[
        list[str], typer.Argument(metavar="GATEWAY...", help="Ids of the gateways it is for.")
    ],
    org: Annotated[str, typer.Option(help="The organisation.")],
    broker: Annotated[str, typer.Option(metavar="HOST[:PORT]", help="The broker.")],
    *,
    root: Annotated[
        str, typer.Option(help="mqtt.topic_root of the gateways.")
    ] = "ugw/v1/{org}/{id}",
    username: Annotated[str | None, typer.Option(help="User at the broker.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that holds the password.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file of the broker's authority.")
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file of our own certificate.")
    ] = None,
    cert_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file of its private key.")
    ] = None,
    cleartext: Annotated[
        bool, typer.Option("--cleartext", help="Without TLS. The release is signed either way.")
    ] = False,
    version: Annotated[str, typer.Option(help="MQTT version: 5 or 3.1.1.")] = "5",
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for confirmations.")
    ] = _CONFIRM_S,
) -> None:
    """Offer a bundle to gateways over the broker, and watch who runs it.

    Each takes it at its own pace, tries it, and goes back to what it ran before unless a message
    of the new version is acknowledged within ten minutes. Exit code 1: not all have confirmed in
    time. The user has to be allowed to write to the topics update of the gateways and _software
    beside them, and to read these and the gateways' status.

    [bold]Example[/bold]

        ugw flash publish release.ugw gw-17 gw-18 --org kiel --broker broker.example --ca ca.pem
    """
    made = bundles.read(path)
    targets = _targets(root, org, gateways)
    tls = None if cleartext else TlsSettings(ca=_text(ca), cert=_text(cert), key=_text(cert_key))
    settings = _settings(broker, tls, username, password_file, version)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("pieces", total=None)
        removed = asyncio.run(
            publishing.publish(
                settings,
                made,
                targets,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        )
    _say(f"offered {made.software} to {len(targets.gateways)}; {removed} old pieces removed")
    missing = targets.gateways
    if wait:
        missing = tuple(asyncio.run(publishing.confirmations(settings, made, targets, wait, _say)))
        for gateway in sorted(missing):
            _say(f"{gateway}: has not confirmed")
    if wait and missing:
        raise typer.Exit(1)


def _targets(root: str, org: str, gateways: list[str]) -> publishing.Targets:
    for each in (org, *gateways):
        if not is_slug(each):
            cause = f"{each!r} is no id: 1 to 64 of the characters a-z, 0-9 and - are needed"
            raise typer.BadParameter(cause)
    if not root.endswith("/{id}"):
        cause = "its last level has to be {id}, as in ugw/v1/{org}/{id}"
        raise typer.BadParameter(cause, param_hint="--root")
    return publishing.Targets(root, org, tuple(gateways))


def _settings(
    broker: str,
    tls: TlsSettings | None,
    username: str | None,
    password_file: Path | None,
    version: str,
) -> MqttSettings:
    host, _, port = broker.rpartition(":") if ":" in broker else (broker, "", "")
    if port and not port.isdecimal():
        cause = f"{broker!r} is not HOST or HOST:PORT"
        raise typer.BadParameter(cause, param_hint="--broker")
    if version not in ("5", "3.1.1"):
        cause = "it is 5 or 3.1.1"
        raise typer.BadParameter(cause, param_hint="--version")
    spoken: Literal["5", "3.1.1"] = "5" if version == "5" else "3.1.1"
    return MqttSettings(
        host=host,
        port=int(port) if port else _PORT_CLEAR if tls is None else _PORT_TLS,
        client_id=f"ugw-flash-{time.time_ns() & 0xFFFFFF:06x}",
        username=username,
        password=None if password_file is None else read_file(password_file).rstrip("\r\n"),
        version=spoken,
        tls=tls,
    )


def _private_key(path: Path) -> RSAPrivateKey:
    try:
        return signing.load(path)
    except signing.SigningError as error:
        if not isinstance(error.__context__, TypeError) or not sys.stdin.isatty():
            raise
    return signing.load(path, _asked(f"Password of {path}: "))


def _asked(question: str, *, twice: bool = False) -> bytes:
    if not sys.stdin.isatty():
        cause = "a password is needed, and there is no terminal to ask at"
        raise UgwError(cause, remedy="run it on a terminal")
    answer = getpass.getpass(question)
    if not answer or (twice and answer != getpass.getpass("Once more: ")):
        cause = "no password, or two different ones"
        raise UgwError(cause, remedy="try again")
    return answer.encode()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
