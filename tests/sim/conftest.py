"""The world as a fixture, and a stranger's test suite."""

from collections.abc import Iterator

import pytest

from tests.sim.suites import Imported, Suite
from tests.sim.worlds import InWorld


@pytest.fixture
def in_world(monkeypatch: pytest.MonkeyPatch) -> InWorld:
    """Run an async body in a world of its own."""
    return InWorld(monkeypatch)


@pytest.fixture
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    """Put back what pytester has taken out, when it is done."""
    kept = Imported()
    yield kept
    kept.restore(without=tmp_path_factory.getbasetemp())


@pytest.fixture
def suite(imported: Imported, pytester: pytest.Pytester) -> Suite:
    """Run a stranger's test file with the plugin."""
    return Suite(pytester, imported)
