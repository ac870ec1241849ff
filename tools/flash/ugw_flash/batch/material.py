"""What a gateway finds below /etc/ugw: the files that its configuration names, and no other.

A gateway never gets what is another's: what lies in the folder that is called as it comes first,
then what all share. Every file that is missing is told at the line that names it.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from gateway.config.document import Document
from gateway.config.files import read_regular
from gateway.config.findings import Finding
from gateway.config.findings import Path as Place
from gateway.config.places import finding_at
from ugw_flash.batch.editing import texts
from ugw_flash.seed.environment import assignment, variables

HOME: Final = PurePosixPath("/etc/ugw")
ENVIRONMENT: Final = "environment"  # what the unit reads variables from
CERTIFICATE: Final[Place] = ("mqtt", "tls", "cert")
KEY: Final[Place] = ("mqtt", "tls", "key")

_MOST_BYTES: Final = 1_000_000
_FILE: Final = "file:"
_VARIABLE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


class Shelf(NamedTuple):
    """Where files for /etc/ugw lie on the desk."""

    folder: Path
    gateway: str

    def read(self, name: str, *, private: bool = False) -> bytes:
        """Read what becomes /etc/ugw/NAME. Raises ValueError saying what is wrong with it."""
        own, shared = self.folder / self.gateway / name, self.folder / name
        if not own.exists() and not shared.exists():
            cause = f"{shared} is not there, nor {own}, and becomes {HOME / name}"
            raise ValueError(cause)
        return read_regular(own if own.exists() else shared, _MOST_BYTES, private=private)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.folder / self.gateway / name).exists() or (self.folder / name).exists()


class Brought(NamedTuple):
    """What a gateway brings along, and what could not be had of it."""

    files: dict[str, bytes]  # by their names below /etc/ugw
    variables: dict[str, str]  # what its unit is started with
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"Brought({sorted(self.files)})"


def brought(
    document: Document, shelf: Shelf, environ: Mapping[str, str], made: Mapping[str, bytes]
) -> Brought:
    """Gather what a configuration names; `made` is what need not lie on the shelf."""
    gatherer = _Gatherer(document, shelf, made)
    gatherer.take_files()
    gatherer.take_environment()
    gatherer.take_variables(environ)
    return Brought(gatherer.files, gatherer.variables, tuple(gatherer.findings))


class _Gatherer:
    """Takes what one gateway needs off the shelf."""

    def __init__(self, document: Document, shelf: Shelf, made: Mapping[str, bytes]) -> None:
        self.files = dict(made)
        self.variables: dict[str, str] = {}
        self.findings: list[Finding] = []
        self._document = document
        self._shelf = shelf

    def take_files(self) -> None:
        """Take each file that is named."""
        for place, text in texts(self._document.data):
            secret = text.startswith(_FILE)
            name = below_home(text.removeprefix(_FILE))
            if name and name not in self.files:
                self._take_file(name, place, private=secret or place == KEY)
            elif secret and not name:
                why = f"only what lies below {HOME} comes along: write {_FILE}{HOME}/..."
                self._tell(place, why)

    def take_environment(self) -> None:
        """Take the environment that lies there, and read it as systemd does."""
        if not self._shelf.has(ENVIRONMENT):
            return
        try:
            content = self._shelf.read(ENVIRONMENT, private=True)
            content.decode()
        except ValueError as error:  # UnicodeDecodeError is one
            path = str(self._shelf.folder / ENVIRONMENT)
            self.findings.append(Finding(file=path, message=str(error)))
            return
        self.files[ENVIRONMENT], self.variables = content, variables(content)

    def take_variables(self, environ: Mapping[str, str]) -> None:
        """Add the variables that are named and are set only here."""
        for place, text in texts(self._document.data):
            found = _VARIABLE.fullmatch(text)
            if found and found[1] not in self.variables:
                self._take_variable(found[1], environ.get(found[1], ""), place)

    def _take_file(self, name: str, place: Place, *, private: bool) -> None:
        try:
            self.files[name] = self._shelf.read(name, private=private)
        except ValueError as error:
            self._tell(place, str(error))

    def _take_variable(self, name: str, value: str, place: Place) -> None:
        if not value or not value.isprintable():
            where = self._shelf.folder / ENVIRONMENT
            self._tell(place, f"the variable {name} is set neither here nor in {where}")
            return
        self.variables[name] = value
        before = _ended(self.files.get(ENVIRONMENT, b""))
        self.files[ENVIRONMENT] = before + assignment(name, value)

    def _tell(self, place: Place, why: str) -> None:
        self.findings.append(finding_at(self._document, place, why))


def below_home(path: str) -> str:
    """Return the name of a path below /etc/ugw; empty: it is none."""
    if ".." in path.split("/") or not path.startswith(f"{HOME}/"):
        return ""
    return str(PurePosixPath(path).relative_to(HOME))


def _ended(content: bytes) -> bytes:
    return content if not content or content.endswith(b"\n") else content + b"\n"
