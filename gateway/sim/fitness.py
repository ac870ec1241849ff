"""Whether this computer can run the simulator: one check each, with cause and remedy.

Nothing is changed; what is missing is named with what cannot be done without it.
"""

import importlib.util
import os
import platform
import pty
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from gateway.sim.dbus_daemon import MAX_SOCKET_PATH

_ASK_S: Final = 10.0
_FILES_PER_AGENT: Final = 4  # of a fleet: its connection, and what its subscriber and store need
_FEW_FILES: Final = 1024
_SOCKET_NAME: Final = "ugw-sim-xxxxxxxx/bus"  # below the temporary folder
_LEAST_BYTES: Final = 200_000_000


class State(StrEnum):
    """How a check came out."""

    GOOD = "good"
    WARNING = "warning"  # something cannot be simulated here, the rest can
    BAD = "bad"


class Check(msgspec.Struct, frozen=True):
    """One thing of this computer: what is, and what to do about it."""

    name: str
    state: State
    says: str
    remedy: str = ""


def _version(program: str) -> str:
    """Return the first line in which a program says which it is; nothing where it does not."""
    for option in ("--version", "-h"):
        try:
            done = subprocess.run(  # noqa: S603 - found in PATH, constant options
                (program, option),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_ASK_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        said = (done.stdout or done.stderr).strip().splitlines()
        if said and any(letter.isdigit() for letter in said[0]):
            return said[0]
    return ""


def _open_pty() -> None:
    for descriptor in pty.openpty():
        os.close(descriptor)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What of this computer is looked at; a test hands in another one."""

    which: Callable[[str], str | None] = shutil.which
    has_module: Callable[[str], bool] = lambda name: importlib.util.find_spec(name) is not None
    version: Callable[[str], str] = _version
    temporary: Callable[[], str] = tempfile.gettempdir
    open_pty: Callable[[], None] = _open_pty
    max_files: Callable[[], int] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    system: Callable[[], str] = platform.system


def examine(place: Place) -> Iterator[Check]:
    """Yield all checks: what both levels need first."""
    yield _system(place)
    yield _program(place, "dbus-daemon", "simulated Bluetooth", "dbus-daemon", State.BAD)
    yield _ptys(place)
    yield _temporary(place)
    yield _files(place)
    yield _program(place, "mosquitto", "broker: {kind: mosquitto}", "mosquitto", State.WARNING)
    yield _program(place, "nats-server", "make fleet", "nats-server", State.WARNING)
    yield _program(place, "bluetoothctl", "bleak's look at BlueZ", "bluez", State.WARNING)
    yield _module(place, "pytest", "the fixtures", "pip install 'urban-gateway[sim]'")
    yield _module(place, "amqtt", "ugw demo without a broker", "pip install 'urban-gateway[demo]'")


def _system(place: Place) -> Check:
    system = place.system()
    if system == "Linux":
        return Check("system", State.GOOD, system)
    says = f"{system}: level inside runs here, level process does not"
    return Check("system", State.WARNING, says, "use Linux for ptys, D-Bus and the real agent")


def _program(place: Place, program: str, purpose: str, package: str, missing: State) -> Check:
    path = place.which(program)
    if path is None:
        says = f"not installed: needed for {purpose}"
        return Check(program, missing, says, f"sudo apt-get install {package}")
    return Check(program, State.GOOD, f"{place.version(path)} ({path})".strip())


def _module(place: Place, name: str, purpose: str, remedy: str) -> Check:
    if place.has_module(name):
        return Check(name, State.GOOD, "installed")
    return Check(name, State.WARNING, f"not installed: needed for {purpose}", remedy)


def _ptys(place: Place) -> Check:
    try:
        place.open_pty()
    except OSError as error:
        says = f"no pty can be opened: {error.strerror or error}"
        return Check(
            "serial ports", State.BAD, says, "mount devpts on /dev/pts (containers: --tty)"
        )
    return Check("serial ports", State.GOOD, "ptys can be opened")


def _temporary(place: Place) -> Check:
    folder = Path(place.temporary())
    length = len(str(folder / _SOCKET_NAME))
    if length > MAX_SOCKET_PATH:
        says = f"{folder} makes a socket's path {length} long, of {MAX_SOCKET_PATH} at most"
        return Check("temporary files", State.BAD, says, "set TMPDIR to a shorter path, e.g. /tmp")
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        says = f"{folder}: {error.strerror or error}"
        return Check("temporary files", State.BAD, says, "set TMPDIR to a folder that is there")
    if free < _LEAST_BYTES:
        says = f"{folder} has {free // 1_000_000} MB free"
        return Check("temporary files", State.WARNING, says, "make room, or set TMPDIR")
    return Check("temporary files", State.GOOD, f"{folder}, {free // 1_000_000} MB free")


def _files(place: Place) -> Check:
    limit = place.max_files()
    agents = (limit - 100) // _FILES_PER_AGENT
    says = f"{limit} open files: some {agents} agents of a fleet in one process"
    if limit <= _FEW_FILES:
        return Check("open files", State.WARNING, says, "for larger fleets: ulimit -n 65536")
    return Check("open files", State.GOOD, says)
