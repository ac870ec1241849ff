"""The kinds of backlog that every test of the contract runs against."""

from pathlib import Path

import pytest

from tests.backlog.places import MemoryPlace, Place, SqlitePlace


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return an empty place of each kind."""
    return MemoryPlace() if request.param == "memory" else SqlitePlace(tmp_path)
