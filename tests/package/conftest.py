"""A folder with all files that the example names, as tests/config has it."""

from tests.config.conftest import site

__all__ = ["site"]
