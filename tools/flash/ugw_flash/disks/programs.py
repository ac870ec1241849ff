"""Asking the system's own programs for disks: what they print, or one error that says why not."""

import os
import subprocess
from collections.abc import Callable, Sequence
from typing import Final

from ugw_flash.outcome import NoDeviceError

_PATIENCE_S: Final = 30.0  # a disk that is about to die answers late

Run = Callable[[Sequence[str]], bytes]
"""Runs a program and returns what it printed. Raises NoDeviceError."""


def run(arguments: Sequence[str]) -> bytes:
    """Run a program, in the language of programs. Raises NoDeviceError, whatever goes wrong."""
    program = arguments[0]
    environ = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - constant arguments
            arguments,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except FileNotFoundError:
        cause = f"which disks there are cannot be told: there is no {program} here"
        raise NoDeviceError(cause, "ugw flash doctor says what this computer lacks") from None
    except subprocess.TimeoutExpired:
        cause = f"{program} did not say within {_PATIENCE_S:.0f} s which disks there are"
        raise NoDeviceError(cause, "pull out the disk that does not answer") from None
    except (subprocess.CalledProcessError, OSError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        cause = f"{program} does not say which disks there are: {_last_line(said)}"
        raise NoDeviceError(cause, "ugw flash doctor says what this computer lacks") from error
    return done.stdout


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
