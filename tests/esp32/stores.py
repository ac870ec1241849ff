"""Batches and clocks for tests of the ESP32's store, and its modules compiled as for a board."""

from pathlib import Path
from typing import TYPE_CHECKING

from tests.esp32.machines import ROOT
from ugw_flash.esp32.compile import cross_compile
from ugw_flash.esp32.folding import folded

if TYPE_CHECKING:
    from gateway.esp32.ring import Batch

_MODULES = ("", "esp32/", "esp32/overlay", "esp32/segments", "esp32/inventory", "esp32/journal")


class Clock:
    """A clock that a time server never answered."""

    def __init__(self, boot: str = "b" * 32) -> None:
        self.boot = boot
        self.offset_ms: int | None = None

    def now(self) -> int:
        return 4321


def batch(klass: str, first: int, count: int = 1, *, stream: str = "", size: int = 50) -> "Batch":
    """Return a bundle as a ring hands it over."""
    stream = stream or klass[0].upper() * 26
    known = first % 2 == 1
    entries = [
        (number * 7, f'{{"seq":{number}', f',"results":["{"é" * (size // 2)}"]')
        for number in range(first, first + count)
    ]
    offset, quality = (-1_000_000_000_000, "holdover") if known else (None, "")
    return klass, stream, first, "b" * 32, offset, quality, entries


def whole(read: "Batch") -> "Batch":
    """Return a batch with its observations in a list, to be compared."""
    return (*read[:6], list(read[6]))


def compiled(target: Path) -> Path:
    """Compile the store into a folder, as it is put on a board: it starts faster on the VM."""
    for name in _MODULES:
        file = (
            ROOT / "gateway" / (name + ("__init__.py" if not name or name[-1] == "/" else ".py"))
        )
        out = (target / file.relative_to(ROOT)).with_suffix(".mpy")
        out.parent.mkdir(parents=True, exist_ok=True)
        cross_compile(folded(file.read_text(encoding="utf-8"), ()), file.stem, out)
    return target
