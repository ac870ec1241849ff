"""How far inputs reach into a border's code: which steps from one line to the next they take.

Measured by the interpreter's own tracing, so it needs no fuzzer; a step is counted per file, and
only in the modules that a target names.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tests.fuzz.target import Target

_ROOT: Final = Path(__file__).parents[2]

Step = tuple[str, int, int]  # file, from line, to line


def steps(run: Callable[[bytes], None], data: bytes, code: Sequence[str]) -> set[Step]:
    """Return the steps that one input takes; what it raises is let out."""
    wanted = tuple(_place(name) for name in code)
    taken: set[Step] = set()

    def enter(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(wanted):
            return None
        before = frame.f_lineno

        def line(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
            nonlocal before
            if event == "line":
                taken.add((file, before, frame.f_lineno))
                before = frame.f_lineno
            return line

        return line

    earlier = sys.gettrace()
    sys.settrace(enter)
    try:
        run(data)
    finally:
        sys.settrace(earlier)
    return taken


def _place(module: str) -> str:
    """Return where the files of a module, or of a package, begin."""
    folder = _ROOT / "tools" / "flash" if module.startswith("ugw_flash") else _ROOT
    return str(folder / module.replace(".", "/"))


def fewest(target: Target, inputs: Sequence[bytes]) -> list[bytes]:
    """Return the shortest inputs that together reach what all of them reach, beyond the seeds.

    None of them may show a fault.
    """
    seen: set[Step] = set()
    for data in target.seeds():
        seen |= steps(target.run, data, target.code)
    chosen: list[bytes] = []
    for data in sorted(set(inputs), key=len):
        new = steps(target.run, data, target.code) - seen
        if new:
            seen |= new
            chosen.append(data)
    return chosen
