"""A folder with all files that the examples name, as tests/config has it."""

from pathlib import Path

import pytest

from tests.config.conftest import ESP32_EXAMPLE, EXAMPLE, site

__all__ = ["site"]


@pytest.fixture(scope="session")
def etc(site: Path) -> Path:
    """Return the folder, with the examples in it."""
    for example in (EXAMPLE, ESP32_EXAMPLE):
        text = example.read_text().replace("/etc/ugw", str(site))
        (site / example.name).write_text(text)
    return site
