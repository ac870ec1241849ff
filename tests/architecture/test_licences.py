"""GPL code stands beside ours, never in it: in locks and environments of its own, not imported.

habluetooth, which the parser libraries need, brings bluetooth-auto-recovery and with it PyRIC
(GPL-3), all in the extra ble-families. esptool (GPL-2 or later) is a program that ugw flash runs.
"""

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "tools" / "lock"
# Which lock has what, each for an environment of its own.
APART = {
    "differential.txt": {"pyric", "bluetooth-auto-recovery", "habluetooth"},
    "esptool.txt": {"esptool"},
}
GPL = set[str]().union(*APART.values())
OTHERS = sorted(path for path in LOCKS.glob("*.txt") if path.name not in APART)


def _locked(path: Path) -> set[str]:
    """Return the names of the distributions that a lock holds."""
    return set(re.findall(r"^([a-z0-9-]+)==", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("lock", OTHERS, ids=lambda path: path.name)
def test_no_lock_that_is_handed_on_holds_gpl_code(lock: Path) -> None:
    assert not _locked(lock) & GPL
    assert _locked(lock)


@pytest.mark.parametrize("lock", APART)
def test_a_lock_of_its_own_does_which_shows_that_it_would_be_seen(lock: str) -> None:
    assert _locked(LOCKS / lock) >= APART[lock]


def test_no_gpl_code_is_installed_beside_the_agent() -> None:
    assert not {each.name.lower() for each in distributions()} & GPL


def test_nothing_of_ours_imports_it() -> None:
    for folder in ("gateway", "drivers", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            imported = r"^\s*(?:import|from) (pyric|bluetooth_auto_recovery|esptool)\b"
            assert not re.findall(imported, path.read_text("utf-8"), re.MULTILINE), path
