"""The world as a fixture."""

import pytest

from tests.sim.worlds import InWorld


@pytest.fixture
def in_world(monkeypatch: pytest.MonkeyPatch) -> InWorld:
    """Run an async body in a world of its own."""
    return InWorld(monkeypatch)
