"""Which pages are generated, and by what."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tools.docs import (
    commands,
    configuration,
    counters,
    drivers,
    events,
    flash,
    log_messages,
    metrics,
    simulator,
    vocabulary,
)

Pages = Mapping[str, Callable[[], str]]  # file name -> what writes it

PAGES: Final[Pages] = MappingProxyType(
    {
        "commands.md": commands.page,
        "configuration.md": configuration.page,
        "counters.md": counters.page,
        "drivers.md": drivers.page,
        "events.md": events.page,
        "flash.md": flash.page,
        "log-messages.md": log_messages.page,
        "metrics.md": metrics.page,
        "simulator.md": simulator.page,
        "vocabulary.md": vocabulary.page,
    }
)


def stale(folder: Path, pages: Pages = PAGES) -> list[str]:
    """Return the pages of a folder that are not what would be written now."""
    return [name for name, write in pages.items() if _text(folder / name) != write()]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
