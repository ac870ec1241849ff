"""What an ESP32 in the simulator starts with: fakes, umqtt, the agent's version, a site's files.

Fakes are C on the chip, and what is loaded here is frozen there, so their memory is measured and
given beside the chip's heap: `allowance`.
"""

import atexit
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from gateway.errors import SimulatorError
from ugw_flash.esp32.compile import compile_tree, cross_compile, source_root
from ugw_flash.esp32.folding import folded

HEAP_BYTES: Final = 56 * 1024  # of a chip whose firmware carries the agent
FILES_HEAP_BYTES: Final = 192 * 1024  # of one with PSRAM, into which it is loaded from files
BLOCK_BYTES: Final = 4096

_FAKES: Final = "gateway/sim/board"
_ALLOCATED: Final = "gc.collect(); gc.collect(); print('allocated', gc.mem_alloc())"
# As start.py has it, and the loop so far that the board's own tasks wait.
_STARTED: Final = (
    f"board.start(open(0, 'r+b'), 0); asyncio.run(asyncio.Lock().acquire()); {_ALLOCATED}"
)
# Frozen on the chip too, and loaded by the agent: no part of what is allowed for.
_FROZEN: Final = "import asyncio; asyncio.StreamReader, asyncio.Event, asyncio.Lock"
_LIMIT_S: Final = 60.0


class Programs(msgspec.Struct, frozen=True):
    """The interpreter, and the folder that holds umqtt/simple.py; None: there is none.

    `frozen`: it carries the agent, the fakes and umqtt itself, as a firmware does.
    """

    micropython: str
    umqtt: Path | None
    frozen: bool = False

    def path(self, slot: str, *folders: Path) -> str:
        """Return where modules come from: the agent's slot, then fakes and umqtt."""
        loaded = [] if self.frozen else [slot, str(fakes(self.umqtt))]
        return ":".join([*loaded, *map(str, folders), ".frozen"])

    @property
    def heap_bytes(self) -> int:
        """The heap of the chip that these stand for."""
        return HEAP_BYTES if self.frozen else FILES_HEAP_BYTES


class Flash(msgspec.Struct, frozen=True, kw_only=True):
    """What was flashed: the files by their path below the root, the secrets by their name.

    `drivers` are those of the version in slot a, as ugw_flash.esp32.compile names them; None:
    there is no version, only files.
    """

    files: Mapping[str, bytes] = {}
    secrets: Mapping[str, bytes] = {}
    drivers: tuple[str, ...] | None = ()


@cache
def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ugw-esp32-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def fakes(umqtt: Path | None) -> Path:
    """Return a folder with the fakes and umqtt, compiled."""
    folder = _scratch() / "fakes"
    found = {path.stem: path for path in (source_root() / _FAKES).glob("*.py")}
    if umqtt is not None:
        found["umqtt/simple"] = umqtt / "umqtt/simple.py"
    for name, path in found.items():
        out = folder / f"{name}.mpy"
        out.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        source = folded(text, ()) if path.parent.name == "board" else text
        cross_compile(source, path.stem, out, shown=str(path))
    return folder


@cache
def version(drivers: tuple[str, ...]) -> Path:
    """Return a folder with a version of the agent, compiled."""
    folder = _scratch() / f"version{abs(hash(drivers))}"
    compile_tree(folder, drivers)
    return folder


@cache
def allowance(programs: Programs, *, littlefs: bool) -> int:
    """Return how many bytes of heap the fakes and umqtt take that are none on the chip."""
    umqtt = "import umqtt.simple; " if programs.umqtt else ""
    # Frozen umqtt is the agent's to pay for, as on the chip.
    there = umqtt if programs.frozen else ""
    bare = _allocated(programs, f"import gc; {_FROZEN}; {there}{_ALLOCATED}")
    found = {path.stem for path in (source_root() / _FAKES).glob("*.py")}
    names = ", ".join(sorted(found if littlefs else found - {"flash"}))
    loaded = f"import gc; {_FROZEN}; {umqtt}import {names}; bluetooth.BLE(); {_STARTED}"
    return _allocated(programs, loaded) - bare


def _allocated(programs: Programs, code: str) -> int:
    ours, world = socket.socketpair()
    with ours, world:
        ended = subprocess.run(  # noqa: S603 - the interpreter
            [programs.micropython, "-X", "heapsize=400k", "-c", code],
            env={"MICROPYPATH": programs.path("")},
            stdin=world.fileno(),
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    said, _, number = ended.stdout.strip().rpartition(" ")
    if ended.returncode or said != "allocated":
        cause = f"the fakes do not load: {ended.stdout}{ended.stderr}"
        raise SimulatorError(cause)
    return int(number)


def flash(chip: Path, content: Flash, blocks: int, *, frozen: bool = False) -> None:
    """Put all of it into a chip's folder that does not exist yet; `blocks`: 0 for no littlefs.

    `frozen`: its firmware is the version, and the flash holds none.
    """
    root = chip / "root"
    for name, data in content.secrets.items():
        _put(chip / "nvs/ugw" / name, data)
    for name, data in content.files.items():
        _put(root / name, data)
    for folder in ("nvs", "rtc", "root/state", "root/store", "root/site"):
        (chip / folder).mkdir(parents=True, exist_ok=True)
    if content.drivers is not None and not frozen:
        shutil.copytree(version(content.drivers), root / "a", dirs_exist_ok=True)
    if blocks:
        (chip / "flash.img").write_bytes(b"\xff" * (BLOCK_BYTES * blocks))


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
