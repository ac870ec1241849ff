"""`ugw run` on a disk and clocks that do what a file tells them.

All else is the agent's own: the command, the signals, the store, SQLite.

    python -m gateway.sim.process.launcher FILE -- run --config gateway.yaml
"""

import runpy
import sys
from pathlib import Path
from typing import Final

import msgspec

from gateway import service
from gateway.errors import SimulatorError
from gateway.hardware import Hardware
from gateway.service import Launch
from gateway.sim.process.clock import LeverHost
from gateway.sim.process.disk import LeverStore
from gateway.sim.process.levers import Look

_BETWEEN: Final = "--"
_run = service.run


def main(arguments: list[str]) -> None:
    """Run `ugw` with the words behind `--`; ends as that does."""
    try:
        file, between, *words = arguments
    except ValueError:
        file, between, words = "", "", []
    if between != _BETWEEN:
        sys.exit("usage: python -m gateway.sim.process.launcher FILE -- run --config PATH")
    try:
        look = Look(Path(file))
    except SimulatorError as error:
        sys.exit(f"{error}; {error.remedy}")
    hardware = Hardware(host=LeverHost(look), store=LeverStore(look))

    def run(launch: Launch) -> None:
        _run(msgspec.structs.replace(launch, hardware=hardware))

    service.run = run  # what `ugw run` calls
    sys.argv = ["ugw", *words]
    runpy.run_module("gateway", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
