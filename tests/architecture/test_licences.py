"""GPL-3 code stands in the extra ble-families alone: in no lock that is handed on, in no .venv.

habluetooth, which the parser libraries need, brings bluetooth-auto-recovery and with it PyRIC.
"""

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "tools" / "lock"
EXTRA = "differential.txt"  # for the differential tests, in an environment of their own
GPL = {"pyric", "bluetooth-auto-recovery", "habluetooth"}
OTHERS = sorted(path for path in LOCKS.glob("*.txt") if path.name != EXTRA)


def _locked(path: Path) -> set[str]:
    """Return the names of the distributions that a lock holds."""
    return set(re.findall(r"^([a-z0-9-]+)==", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("lock", OTHERS, ids=lambda path: path.name)
def test_no_lock_that_is_handed_on_holds_gpl_code(lock: Path) -> None:
    assert not _locked(lock) & GPL
    assert _locked(lock)


def test_the_lock_of_the_differential_tests_does_which_shows_that_it_would_be_seen() -> None:
    assert _locked(LOCKS / EXTRA) >= GPL


def test_no_gpl_code_is_installed_beside_the_agent() -> None:
    assert not {each.name.lower() for each in distributions()} & GPL


def test_nothing_of_ours_imports_it() -> None:
    for folder in ("gateway", "drivers", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            found = re.findall(
                r"^\s*(?:import|from) (pyric|bluetooth_auto_recovery)\b", path.read_text("utf-8")
            )
            assert not found, path
