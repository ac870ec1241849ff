"""Where the MicroPythons and umqtt stand, and one run of a script on one of them.

What is not there is not tested: the test is skipped with a sentence that says how to get it.
"""

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from gateway.sim.esp32_frozen import MADE_OF, digest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("", "32", "float32")  # of tools/micropython: this machine's own; words, floats of 32 bits
HANG_GUARD_S = 120.0
FROZEN = ".frozen"  # what the interpreter itself carries: asyncio, on Debian's
BOARD = ROOT / "gateway/sim/board"  # bluetooth, machine, network, esp32


class Ended(msgspec.Struct, frozen=True):
    """How a script ended, and all it wrote."""

    code: int
    text: str


def micropython(kind: str = "32") -> str:
    """Find a MicroPython as tools/micropython does; skip the test without one."""
    own = ROOT / ".cache" / "-".join(filter(None, ("micropython", kind))) / "micropython"
    named = os.environ.get("UGW_MICROPYTHON") or shutil.which("micropython")
    found = named if not kind and named else str(own)
    if not Path(found).exists():
        pytest.skip(f"no such MicroPython here: run tools/micropython {kind}".rstrip())
    return found


def frozen() -> str:
    """Find the MicroPython that carries the agent as it is now; skip the test without one."""
    found = ROOT / ".cache/micropython-frozen/micropython"
    umqtt()  # is frozen in it
    made_of = found.with_name(MADE_OF)
    if not found.exists() or not made_of.exists():
        pytest.skip("no MicroPython with the agent in it here: run make esp32")
    if made_of.read_text() != digest():
        pytest.skip("the MicroPython here carries an older agent: run make esp32")
    return str(found)


def umqtt() -> Path:
    """Return the folder that holds umqtt/simple.py; skip the test without one."""
    folder = ROOT / ".cache/umqtt"
    if not (folder / "umqtt/simple.py").exists():
        pytest.skip("no umqtt here: run tools/umqtt")
    return folder


def command(kind: str, script: Path | str, *args: str, heap: str | None = None) -> list[str]:
    """Return what starts a script; `heap`, as "56k", is a hard limit on the 32-bit one only."""
    limit = ["-X", f"heapsize={heap}"] if heap else []
    return [micropython(kind), *limit, str(script), *args]


def environment(*folders: Path) -> dict[str, str]:
    """Return an environment in which modules come from these folders, then the checkout."""
    path = ":".join([*map(str, folders), str(ROOT), FROZEN])
    return {**os.environ, "MICROPYPATH": path}


def run_on(
    kind: str,
    script: Path | str,
    *args: str,
    heap: str | None = None,
    folders: tuple[Path, ...] = (),
) -> Ended:
    """Run a script (a path below the checkout, or any) to its end.

    Modules are found in `folders` first: compiled ones, `umqtt()`, `BOARD`; then in the checkout.
    """
    ended = subprocess.run(
        command(kind, script, *args, heap=heap),
        cwd=ROOT,
        env=environment(*folders),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=HANG_GUARD_S,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout)
