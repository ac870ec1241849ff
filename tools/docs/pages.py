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
    survival,
    vocabulary,
)

Pages = Mapping[str, Callable[[], str]]  # path in docs -> what writes it

PAGES: Final[Pages] = MappingProxyType(
    {
        "explanation/what-ugw-survives.md": survival.page,
        "reference/commands.md": commands.page,
        "reference/configuration.md": configuration.page,
        "reference/counters.md": counters.page,
        "reference/drivers.md": drivers.page,
        "reference/events.md": events.page,
        "reference/flash.md": flash.page,
        "reference/log-messages.md": log_messages.page,
        "reference/metrics.md": metrics.page,
        "reference/simulator.md": simulator.page,
        "reference/vocabulary.md": vocabulary.page,
    }
)


def stale(folder: Path, pages: Pages = PAGES) -> list[str]:
    """Return the pages of a folder that are not what would be written now."""
    return [name for name, write in pages.items() if _text(folder / name) != write()]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
