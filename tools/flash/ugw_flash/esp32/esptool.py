"""esptool 5, Espressif's own: run as a program of its own, never imported (it is GPL-2.0+).

Found where it is installed, asked for its version, watched while it works. Its settings come from
here alone: neither its variables of the environment nor a file of its settings changes a write.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

from gateway.errors import UgwError
from ugw_flash.esp32.complaints import understood
from ugw_flash.outcome import NotWrittenError

BAUD: Final = 460_800
SLOW: Final = 115_200  # what every adapter and cable can

VARIABLE: Final = "UGW_ESPTOOL"
_BESIDE: Final = ".venv-esptool"
_MAJOR: Final = "5"
_REMEDY: Final = (
    "pip install 'esptool>=5,<6' in an environment of its own, and name it: --esptool FILE, or "
    f"{VARIABLE}"
)
_LONG: Final = ("write-flash", "read-flash")  # what is worth another speed
_SILENT_S: Final = 300.0  # erasing 32 MB takes two minutes, without a word
_ASK_S: Final = 60.0


_PROGRESS: Final = re.compile(r"^(?:Writing at|Reading from) (0x[0-9a-fA-F]+)\D.*?([\d.]+)%")


class Step(NamedTuple):
    """How far esptool has come with one piece."""

    address: int
    percent: float


class EsptoolError(UgwError):
    """esptool is not there, or is not the one it has to be."""


class Esptool(NamedTuple):
    """Where esptool is, and how fast it is to speak."""

    path: str
    version: str
    baud: int = BAUD

    def run(
        self,
        port: str,
        arguments: Sequence[str | Path],
        heard: Callable[[str], None] = lambda _: None,
        *,
        starts: bool = False,
    ) -> list[str]:
        """Run a command on a board; return its lines, each told to `heard` as it comes.

        `starts`: what is on the board starts afterwards; else it waits for the next command.
        Raises the error that esptool's complaint comes to (complaints.py), PassingError where a
        second try may succeed.
        """
        is_long = arguments[0] in _LONG
        command = [self.path, "--port", port, "--baud", str(self.baud if is_long else SLOW)]
        command += ["--after", "hard-reset" if starts else "no-reset"]
        said: list[str] = []

        def hear(line: str) -> None:
            _refuse_to_go_on(line, port)
            heard(line)

        with tempfile.TemporaryDirectory() as folder:  # where no esptool.cfg lies
            process = subprocess.Popen(  # noqa: S603 - esptool
                [*command, *map(str, arguments)],
                cwd=folder,
                env=_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            status = _follow(process, said, hear)
        if status == 0:
            return said
        complaint = understood(said, port)
        if complaint.passing:
            raise PassingError(str(complaint.error), complaint.error.remedy)
        raise complaint.error


class PassingError(NotWrittenError):
    """A reply was lost: the same again may succeed."""


def progress(line: str) -> Step | None:
    """Return how far it has come; None: the line says something else."""
    found = _PROGRESS.match(line)
    return None if found is None else Step(int(found[1], 16), float(found[2]))


def find(given: Path | None = None, environ: Mapping[str, str] | None = None) -> Esptool:
    """Return esptool: the one given, or the first found. Raises EsptoolError."""
    environ = os.environ if environ is None else environ
    named = str(given) if given is not None else environ.get(VARIABLE, "")
    for path in [named] if named else _places(environ):
        version = _version(path)
        if version is not None:
            if version.split(".")[0] != _MAJOR:
                cause = f"{path} is esptool {version}, and version {_MAJOR} is needed"
                raise EsptoolError(cause, _REMEDY)
            return Esptool(path, version)
    cause = f"{named} is no esptool" if named else "esptool is not installed"
    raise EsptoolError(cause, _REMEDY)


def _places(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield where it may be: beside this Python, in an environment beside, on the path."""
    name = "esptool.exe" if os.name == "nt" else "esptool"
    programs = Path(sys.executable).parent
    apart = Path(sys.prefix).parent / _BESIDE
    for folder in (programs, apart / programs.name):
        if (folder / name).is_file():
            yield str(folder / name)
    for name in ("esptool", "esptool.py"):
        found = shutil.which(name, path=environ.get("PATH"))
        if found is not None:
            yield found


def _version(path: str) -> str | None:
    try:
        ended = subprocess.run(  # noqa: S603 - what the person named, or is called esptool
            [path, "version"],
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"esptool(?:\.py)? v(\d+(?:\.\d+)+)", ended.stdout)
    return found[1] if found else None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith("ESPTOOL")}
    settings = {"NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    return {**kept, **settings}


def _refuse_to_go_on(line: str, port: str) -> None:
    """Raise NoDeviceError where esptool waits for a port that went away.

    A second later it would go on with whatever board is plugged in there by then, in the middle of
    a write, and call the halves of two boards verified.
    """
    if "Lost connection, retrying" in line:
        raise understood([f"ERROR: {port}: device disconnected or multiple access"], port).error


def _follow(
    process: subprocess.Popen[bytes], said: list[str], heard: Callable[[str], None]
) -> int:
    """Take what a process says until its end; return how it ended. It never outlives us."""
    assert process.stdout is not None  # noqa: S101 - PIPE
    guard = _Guard(process)
    try:
        for line in _lines(process.stdout):
            guard.heard()
            said.append(line)
            heard(line)
        return process.wait()
    finally:
        guard.end()
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def _lines(pipe: IO[bytes]) -> Iterator[str]:
    """Yield lines as they come; a progress bar ends its own with a carriage return."""
    rest = b""
    while data := os.read(pipe.fileno(), 4096):
        *whole, rest = re.split(rb"[\r\n]+", rest + data)
        yield from (line.decode(errors="replace") for line in whole if line)
    if rest:
        yield rest.decode(errors="replace")


class _Guard:
    """Ends a process that has not said a word for too long."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._timer: threading.Timer | None = None
        self.heard()

    def heard(self) -> None:
        self.end()
        self._timer = threading.Timer(_SILENT_S, self._process.kill)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
