"""Fixtures for every folder of tests, and which examples hypothesis makes up.

In the gate a test makes up the same examples each time, so that a change passes or fails by what
it changes. New ones are searched for by `make fuzz` (docs/decisions/0034).
"""

import gc

from hypothesis import settings

pytest_plugins = ["pytester", "tests.brokers"]

settings.register_profile("gate", derandomize=True, print_blob=True)
settings.register_profile("search", print_blob=True)  # chosen with --hypothesis-profile
settings.load_profile("gate")


def pytest_collection_finish() -> None:
    """Look for garbage no more among twelve thousand collected tests, which stay to the end."""
    gc.collect()
    gc.freeze()
