"""What all tests of the board's modules on CPython have in common."""

from types import SimpleNamespace

import pytest

from gateway.esp32 import overlay


@pytest.fixture(autouse=True)
def _heap_of_a_board_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have overlays collect nothing: after a thousand tests CPython takes a second for it."""
    monkeypatch.setattr(overlay, "gc", SimpleNamespace(collect=lambda: 0))
