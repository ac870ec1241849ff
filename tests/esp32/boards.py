"""Boards of the simulator for tests: with the interpreters and umqtt that are here."""

from pathlib import Path
from typing import Any

from gateway.sim.esp32 import Board, Parts
from gateway.sim.esp32_image import Flash, Programs
from tests.esp32.machines import ROOT, frozen, micropython, umqtt

SCRIPTS = ROOT / "tests/esp32"


def programs(kind: str = "files") -> Programs:
    """Return what a board needs: "files", or "frozen"; skips the test where it is not there."""
    if kind == "frozen":
        return Programs(frozen(), umqtt(), frozen=True)
    return Programs(micropython("32"), umqtt())


def scripted(directory: Path, entry: str, **parts: Any) -> Board:  # noqa: ANN401 - of Parts
    """Return a board that runs a script of tests/esp32 with run(root) instead of the agent."""
    parts = {"flash": Flash(drivers=None), **parts}
    return Board(
        directory / "chip",
        Parts(programs=programs(), entry=entry, folders=(SCRIPTS,), **parts),
    )
