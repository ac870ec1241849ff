"""`ugw run` in a process that says, when it is asked, which of its lines hold how much memory.

Asked by SIGUSR1, it writes an account of all that Python has allocated and not freed, by file and
line. All else is the agent's own: the command, its signals, its store.

    python -m tests.soak.watched FOLDER -- run --config gateway.yaml
"""

import gc
import runpy
import signal
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
_OWN: Final = (f"{ROOT}/gateway/", f"{ROOT}/drivers/")
_NOT_THE_AGENTS: Final = (__file__, tracemalloc.__file__, f"{ROOT}/gateway/sim/")


class Account(msgspec.Struct, frozen=True):
    """What is held at one moment: by lines of the agent and its drivers, and in all."""

    lines: Mapping[str, int]  # "gateway/mqtt.py:123" -> bytes
    libraries: Mapping[str, int]  # likewise, of everybody else's lines

    @property
    def own_bytes(self) -> int:
        """What the agent's own lines hold."""
        return sum(self.lines.values())

    @property
    def all_bytes(self) -> int:
        """What all lines hold."""
        return self.own_bytes + sum(self.libraries.values())


def account_path(folder: Path, number: int) -> Path:
    """Return where the account of that number is written, from 1 on."""
    return folder / f"account-{number}.json"


def main(words: list[str]) -> None:
    """Run `ugw` with the words behind `--`; ends as that does."""
    folder, between, *arguments = words
    if between != "--":
        sys.exit("usage: python -m tests.soak.watched FOLDER -- run --config PATH")
    given = 0

    def give(_number: int, _frame: FrameType | None) -> None:
        nonlocal given
        given += 1
        _write(account_path(Path(folder), given))

    tracemalloc.start()
    signal.signal(signal.SIGUSR1, give)
    sys.argv = ["ugw", *arguments]
    runpy.run_module("gateway", run_name="__main__")


def _write(path: Path) -> None:
    gc.collect()  # what only waits for the collector has not leaked
    snapshot = tracemalloc.take_snapshot()
    own: dict[str, int] = {}
    libraries: dict[str, int] = {}
    for one in snapshot.statistics("lineno"):
        frame = one.traceback[0]
        if not frame.filename.startswith(_NOT_THE_AGENTS):
            side = own if frame.filename.startswith(_OWN) else libraries
            name = f"{frame.filename.removeprefix(f'{ROOT}/')}:{frame.lineno}"
            side[name] = one.size
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(Account(own, libraries)))
    part.rename(path)  # whoever looks finds it whole, or not at all


if __name__ == "__main__":
    main(sys.argv[1:])
