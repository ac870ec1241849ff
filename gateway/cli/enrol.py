"""`ugw enrol`: a key that never leaves this gateway, and a certificate for it, with a claim."""

import os
import random
import tempfile
import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from gateway.certification import (
    is_placeholder,
    mismatch,
    new_key,
    placeholder,
    valid_until_s,
)
from gateway.cli.configuration import DEFAULT, ConfigOption
from gateway.cli.terminal import note
from gateway.config import read_file
from gateway.config.document import Data, read_document
from gateway.config.files import read_regular
from gateway.config.overrides import apply_overrides
from gateway.core.backoff import delay_s
from gateway.core.identity import is_slug
from gateway.enrolment import (
    Authority,
    ClaimRefusedError,
    EnrolmentError,
    PendingError,
)
from gateway.enrolment import (
    enrol as ask,
)
from gateway.errors import ConfigError, UgwError

_CLAIM: Final = DEFAULT.with_name("enrol.json")
_MOST_BYTES: Final = 20_000
_FIRST_S, _MOST_S = 5.0, 300.0
_GROUP_READS: Final = 0o640
_ALL_READ: Final = 0o644
_AS_ROOT: Final = "it takes root: sudo systemctl restart ugw-enrol"

ClaimOption = Annotated[
    Path, typer.Option("--claim", metavar="FILE", help="The claim, as the card's seed brought it.")
]
PrepareOption = Annotated[
    bool, typer.Option("--prepare", help="Make key and placeholder alone; needs no network.")
]
OnceOption = Annotated[bool, typer.Option("--once", help="Ask once; do not try again later.")]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a seed says of the way to a certificate."""

    url: str
    claim: str
    expires_s: int
    ca: str | None = None

    def __repr__(self) -> str:
        return f"Claim({self.url!r})"


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """Who this gateway is, and where its configuration wants key and certificate."""

    gateway: str
    key: Path
    certificate: Path


def enrol(
    config: ConfigOption = DEFAULT,
    *,
    claim: ClaimOption = _CLAIM,
    prepare: PrepareOption = False,
    once: OnceOption = False,
) -> None:
    """Make this gateway's key, and obtain the certificate for it with its claim.

    The key is made here, where mqtt.tls.key says, and never leaves. Beside it goes a placeholder,
    with which the agent starts, hears and keeps; then the server that the claim names is asked
    over EST (RFC 7030) until it answers with a certificate. The agent takes it up by itself, and
    the claim is removed. Of what is there already only a certificate is ever replaced that is of
    no use: a placeholder, that of another gateway or key, one that has expired.

    Ends with 8 if the claim is refused or has expired: then a new one is needed.

    On a gateway the service ugw-enrol does this. By hand it takes root and the full path, for
    there the command ugw is the agent's user, who may not write keys.

    [bold]Examples[/bold]

      sudo systemctl restart ugw-enrol

      sudo /opt/ugw/.venv/bin/ugw enrol --once
    """
    own = _own(config)
    key = _prepared(own, claim)
    if prepare:
        return
    if flaw := _flaw(own, key):
        if not claim.exists():
            cause = f"{own.certificate} is of no use: {flaw}; and there is no claim ({claim})"
            raise UgwError(cause, "seed the card anew: ugw flash seed")
        certificate = _obtained(_read_claim(claim), own, key, once=once)
        _install(own.certificate, certificate, _ALL_READ)
        note(f"{own.certificate}: the certificate of {own.gateway}")
    else:
        note(f"{own.certificate} is a certificate already: nothing to do")
    _remove(claim)


def _own(config: Path) -> Own:
    """Read what is needed of a configuration that cannot be loaded while there is no key."""
    document = read_document(read_file(config), str(config))
    apply_overrides(document, os.environ)
    gateway = _value(document.data, "gateway", "id")
    key, certificate = (_value(document.data, "mqtt", "tls", name) for name in ("key", "cert"))
    if not (isinstance(gateway, str) and is_slug(gateway)):
        cause = f"{config}: gateway.id is missing"
        raise ConfigError(cause, "ugw config validate says what is wrong")
    if not (isinstance(key, str) and isinstance(certificate, str)):
        cause = (
            f"{config}: mqtt.tls names no key and certificate, so there is nothing to enrol for"
        )
        raise ConfigError(cause, "name the files that they go into: mqtt.tls.key, mqtt.tls.cert")
    return Own(gateway=gateway, key=Path(key), certificate=Path(certificate))


def _value(data: Data, *path: str) -> Data:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _prepared(own: Own, claim: Path) -> bytes:
    """Return the key; make it, and the placeholder, where there is none.

    With a claim, the placeholder takes the place of a certificate that is another's, too: the
    agent does not start with that of another key, and must not speak as another gateway.
    """
    if own.key.exists():
        key = _read(own.key, private=True)
    else:
        key = new_key()
        _install(own.key, key, _GROUP_READS)
    if not own.certificate.exists() or (claim.exists() and _mismatch(own, key)):
        _install(own.certificate, placeholder(key, own.gateway), _ALL_READ)
    return key


def _flaw(own: Own, key: bytes) -> str:
    """Say why a certificate is still needed; nothing if the one that is there will do."""
    if cause := _mismatch(own, key):
        return cause
    certificate = _read(own.certificate)
    if is_placeholder(certificate):
        return "nobody has issued it"
    until_s = valid_until_s(certificate)
    return f"it has expired on {_day(until_s)}" if until_s < time.time() else ""


def _mismatch(own: Own, key: bytes) -> str:
    try:
        return mismatch(_read(own.certificate), key, own.gateway)
    except ValueError as error:
        cause = f"{own.certificate} or {own.key} cannot be used: {error}"
        raise UgwError(cause, "remove what is damaged") from None


def _read_claim(path: Path) -> Claim:
    try:
        found = msgspec.json.decode(_read(path, private=True), type=Claim)
    except msgspec.DecodeError as error:
        cause = f"{path} is no claim: {error}"
        raise ClaimRefusedError(cause, "seed the card anew: ugw flash seed") from None
    if found.expires_s < time.time():
        cause = f"the claim of this gateway has expired on {_day(found.expires_s)}"
        raise ClaimRefusedError(cause, "ask city IT for a new one; or is the clock wrong?")
    return found


def _day(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(unix_s))


def _obtained(claim: Claim, own: Own, key: bytes, *, once: bool) -> bytes:
    authority = Authority(url=claim.url, ca=claim.ca)
    attempt = 0
    while True:
        try:
            return ask(authority, own.gateway, claim.claim, key)
        except ClaimRefusedError:
            raise
        except EnrolmentError as error:
            if once:
                raise
            pause_s = error.after_s if isinstance(error, PendingError) else _pause_s(attempt)
            note(f"{error}; {error.remedy}; again in {pause_s:.0f} s")
            attempt += 1
            time.sleep(pause_s)


def _pause_s(attempt: int) -> float:
    chance = random.random()  # noqa: S311 - spreads a fleet out, keeps no secret
    return _FIRST_S + delay_s(attempt, chance, first_s=_FIRST_S, most_s=_MOST_S)


def _read(path: Path, *, private: bool = False) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES, private=private)
    except ValueError as error:
        raise UgwError(str(error), _AS_ROOT) from None


def _install(path: Path, content: bytes, mode: int) -> None:
    """Put a file in place all at once, for the group that may read its folder."""
    try:
        group = path.parent.stat().st_gid
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".ugw-", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fchown(file.fileno(), -1, group)
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        _sync(path.parent)
    except OSError as error:
        cause = f"{path} cannot be written: {error.strerror}"
        raise UgwError(cause, _AS_ROOT) from None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
