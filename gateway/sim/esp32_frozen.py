"""What is frozen into the MicroPython of tools/micropython frozen: the agent, fakes, umqtt.

    python -m gateway.sim.esp32_frozen FOLDER ASYNCIO

It writes the sources, as an ESP32 gets them, and the manifest that freezes them. On a chip the
fakes are firmware: frozen, they take next to nothing of the heap here as well.
"""

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Final

from gateway.errors import UgwError
from ugw_flash.esp32 import freezing
from ugw_flash.esp32.compile import module_of, source_root
from ugw_flash.esp32.folding import folded

MADE_OF: Final = "sources"  # the file beside the interpreter: the digest of what is frozen in it

_ROOT: Final = source_root()
_FAKES: Final = _ROOT / "gateway/sim/board"
_UMQTT: Final = _ROOT / ".cache/umqtt/umqtt/simple.py"
_MANIFEST: Final = 'include("{asyncio}")\nfreeze("{sources}", opt=3)\n'
_ARGUMENTS: Final = 3


@cache
def sources() -> dict[str, str]:
    """Return every module by its path, as it is frozen: with all drivers, for they cost nothing.

    Raises OSError where there is no umqtt.
    """
    found = {path.name: folded(path.read_text("utf-8")) for path in sorted(_FAKES.glob("*.py"))}
    found["umqtt/simple.py"] = _UMQTT.read_text("utf-8")
    found |= freezing.sources(_drivers())
    return found


def digest() -> str:
    """Return what changes whenever something that is frozen does."""
    told = hashlib.sha256()
    for path, text in sorted(sources().items()):
        told.update(f"{path}\0{len(text)}\0{text}".encode())
    return told.hexdigest()


def write(folder: Path, asyncio: Path) -> None:
    """Write the sources and the manifest, manifest.py, into a folder."""
    for name, text in sources().items():
        path = folder / "modules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    manifest = _MANIFEST.format(asyncio=asyncio, sources=folder / "modules")
    (folder / "manifest.py").write_text(manifest, encoding="utf-8")
    (folder / MADE_OF).write_text(digest(), encoding="ascii")


def _drivers() -> list[str]:
    """Return every driver that an ESP32 can run, as ugw_flash names them."""
    files = sorted((_ROOT / "drivers").glob("*/*.py"))
    modules = (module_of(path) for path in files if path.stem != "__init__")
    return [module for module in modules if module is not None]


if __name__ == "__main__":
    if len(sys.argv) != _ARGUMENTS:
        sys.exit(__doc__)
    try:
        write(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, UgwError) as error:
        sys.exit(f"ugw: nothing to freeze: {error}")
