"""The architecture shows the whole house: every module of gateway has its line."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/architecture.md"
MODULES = sorted(
    f"{path.name}/" if path.is_dir() else path.name
    for path in (ROOT / "gateway").iterdir()
    if not path.name.startswith("_")
)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_shown(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text("utf-8")
