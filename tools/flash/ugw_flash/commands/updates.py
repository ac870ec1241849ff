"""`ugw flash keygen|release|show|publish`: signed updates for boards that run, over the broker.

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
from ugw_flash.commands.options import (
    SOFTWARE,
    BoardConfigOption,
    NameOption,
    NumberOption,
    ReportOption,
)
from ugw_flash.esp32.compile import compile_tree, size_report
from ugw_flash.esp32.site import read_site
from ugw_flash.updates import publish as publishing
from ugw_flash.updates import release as releases
from ugw_flash.updates import signing

_CONFIRM_S: Final = 1800.0
_PORT_TLS, _PORT_CLEAR = 8883, 1883

KeyOption = Annotated[
    Path, typer.Option("--key", metavar="FILE", help="The private key; it never leaves the desk.")
]


def keygen(
    key: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
    *,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password to encrypt it with.")
    ] = False,
) -> None:
    """Make the key pair that signs updates, and bundles.

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
    _say(f"made {key} (private: keep it) and {public} (for esp32.update_key, and --signed-by)")


def release(  # noqa: PLR0913 - options of a command
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The release to write.")],
    key: KeyOption,
    config: BoardConfigOption,
    *,
    number: NumberOption = None,
    name: NameOption = SOFTWARE,
    report: ReportOption = False,
) -> None:
    """Compile the agent and the drivers a board needs, and sign them as one release.

    The configuration says which drivers; nothing else of it is in the release, and no secret.
    Boards with the same drivers take the same release.

    [bold]Example[/bold]

        ugw flash release release.ugw --key update.key --config gw-17.yaml
    """
    private = private_key(key)
    board = read_site(config)
    with tempfile.TemporaryDirectory() as folder:
        compiled = compile_tree(Path(folder), board.drivers)
        files = releases.read_tree(Path(folder), compiled)
    made = releases.make(files, number or int(time.time()), name, private)
    releases.write(made, out)
    if report:
        print(size_report(compiled), end="")
    total = sum(map(len, files.values()))
    _say(f"{out}: {made.software}, number {made.number}, {len(files)} files, {total:,} bytes")


def show(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A release.")],
) -> None:
    """Show what is in a release, after a look at whether it is whole."""
    made = releases.read(path)
    print(f"{made.software}, number {made.number}, release {made.digest}")
    for name, content in sorted(made.files.items()):
        print(f"{len(content):8,} {name}")


def publish(  # noqa: PLR0913 - options of a command
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The release.")],
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
    """Offer a release to gateways over the broker, and watch who runs it.

    Each takes it at its own pace, tries it, and goes back to what it ran before unless a message
    of the new version is acknowledged within ten minutes. Exit code 1: not all have confirmed in
    time. The user has to be allowed to write to the topics update of the gateways and _software
    beside them, and to read these and the gateways' status.

    [bold]Example[/bold]

        ugw flash publish release.ugw gw-17 gw-18 --org kiel --broker broker.example --ca ca.pem
    """
    made = releases.read(path)
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


def private_key(path: Path) -> RSAPrivateKey:
    """Read the key that signs; its password is asked for where it has one. Raises UgwError."""
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
