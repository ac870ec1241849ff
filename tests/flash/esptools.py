"""Where the real esptool is, and how it runs on a simulated chip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gateway.sim.esp_rom.cable import Plugged

ROOT = Path(__file__).resolve().parents[2]
HANG_GUARD_S = 120.0

# pyserial's client of RFC 2217 looks for each answer once in 50 ms: 0.2 s for every command of
# esptool's, half a minute for a download. It looks more often here; nothing else is different.
_QUICK = """#!{python}
import sys, time, types
import serial.rfc2217
def sleep(s):
    time.sleep(s / 50)
serial.rfc2217.time = types.SimpleNamespace(**{{**vars(time), "sleep": sleep}})
from esptool import _main
sys.argv[0] = "esptool"
_main()
"""


class Ran(msgspec.Struct, frozen=True):
    """How esptool ended, and all it said."""

    code: int
    text: str


def esptool() -> Path:
    """Find esptool 5 as `ugw flash` does; skip the test without one."""
    named = os.environ.get("UGW_ESPTOOL") or shutil.which("esptool")
    found = Path(named) if named else ROOT / ".venv-esptool/bin/esptool"
    if not found.exists():
        pytest.skip("no esptool here: run make esptool")
    return found


def quick_esptool(folder: Path) -> Path:
    """Return a program that is esptool, and does not sleep away its life over RFC 2217."""
    python = esptool().with_name(Path(sys.executable).name)
    if not python.exists():
        pytest.skip("esptool is no environment's of its own here: run make esptool")
    program = folder / "esptool"
    program.write_text(_QUICK.format(python=python))
    program.chmod(0o755)
    return program


def run_esptool(program: Path, plug: Plugged, *args: str, resets: bool | None = None) -> Ran:
    """Run esptool on a chip; `resets`: by DTR and RTS; None: where the port has them."""
    can = plug.port.startswith("rfc2217") if resets is None else resets
    stays = () if can else ("--before", "no-reset", "--after", "no-reset")
    ended = subprocess.run(
        [program, "--port", plug.port, *stays, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG_GUARD_S,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout)
