"""What the three systems have in common when a disk is opened: what is handed out, what is run."""

import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ugw_flash.card.sectors import Sectors

Run = Callable[[Sequence[str]], str]
"""Runs a program and returns nothing when all went well, else what it complained of."""


class Device(NamedTuple):
    """A disk that is open."""

    medium: Sectors
    finish: Callable[[], None]  # it was written: let the system see it anew, eject it if it can be
    close: Callable[[], None]


def run(command: Sequence[str]) -> str:
    """Run a program of the system, as Run says."""
    try:
        # The program is named by this package, and what it is given comes of the list of disks.
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, errors="replace", timeout=300, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip() or "it failed"
