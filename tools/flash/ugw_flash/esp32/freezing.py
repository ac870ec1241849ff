"""The agent as sources to freeze into a firmware, for boards without PSRAM.

Frozen, its code is run in the flash and takes next to nothing of the heap: that is how it fits
into the 56 kB of such a board (docs/decisions/0028). What is not files, files cannot replace: such
a board takes no updates over the air.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ugw_flash.esp32.compile import needed, source_root
from ugw_flash.esp32.folding import folded, private_names_asked_for

MODULES: Final = "modules"
MANIFEST: Final = "manifest.py"

_TABLE: Final = (
    "gateway/core/properties.py"  # where code takes no memory, a text takes none either
)
_MANIFEST: Final = f"""\
# Freezes the agent into MicroPython's firmware for the ESP32, beside what is in it anyway.
include("$(PORT_DIR)/boards/manifest.py")
freeze("{MODULES}", opt=3)
"""
# The firmware starts a frozen main.py before any that lies on the flash.
_START: Final = """\
import sys
import time

try:
    from gateway.esp32 import main

    main.run()
except Exception as error:
    sys.print_exception(error)
time.sleep_ms(5000)  # for Ctrl-C

import machine

machine.reset()
"""


def sources(drivers: Iterable[str]) -> dict[str, str]:
    """Return the modules of the agent by path, as an ESP32 gets them."""
    root = source_root()
    trees = needed(root, drivers)
    asked_for = {name for tree in trees.values() for name in private_names_asked_for(tree)}
    found = {_TABLE: (root / _TABLE).read_text(encoding="utf-8")}
    for module in trees:
        place = root.joinpath(*module.split("."))
        path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        text = path.read_text(encoding="utf-8")
        found[path.relative_to(root).as_posix()] = folded(text, asked_for)
    return found


def frozen(drivers: Iterable[str]) -> dict[str, str]:
    """Return a folder's files: the sources, what starts them, the manifest that freezes them."""
    made = {f"{MODULES}/{path}": text for path, text in sources(drivers).items()}
    return {**made, f"{MODULES}/main.py": _START, MANIFEST: _MANIFEST}


def make_command(folder: Path, board: str) -> str:
    """Return what builds the firmware, run where MicroPython's sources and ESP-IDF are."""
    return f"make -C ports/esp32 BOARD={board} FROZEN_MANIFEST='{folder.resolve() / MANIFEST}'"
