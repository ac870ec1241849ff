"""The pages of ugw flash show what works: a profile, a sheet, errors that are really said."""

import re
from pathlib import Path

import pytest

from gateway.config import load_model
from tests.docs import said
from tools.docs import flash
from tools.docs.markup import MissingWordsError
from ugw_flash.batch.sheet import read_sheet
from ugw_flash.profile import Profile

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/flash.md"
HOW_TO = ROOT / "docs/how-to/flash.md"
BETWEEN = ("When it does not work", "In what state is it?")
FEW = 10  # so many there are at least


def _blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_profiles_that_are_shown_can_be_used() -> None:
    kinds = [load_model(block, "profile.yaml", Profile).kind for block in _blocks("yaml")]
    assert kinds == ["pi", "esp32"]


def test_the_sheet_that_is_shown_can_be_used(tmp_path: Path) -> None:
    (shown,) = _blocks("csv")
    sheet = tmp_path / "sites.csv"
    sheet.write_text(shown, encoding="utf-8")
    assert [row.gateway for row in read_sheet(sheet).rows] == ["gw-17", "gw-18"]


@pytest.mark.parametrize("wrong", ["<<profile>>", "<<nothing>>"])
def test_a_text_with_a_table_too_few_or_too_many_ends_the_run(wrong: str) -> None:
    text = flash.TEXT.read_text(encoding="utf-8")
    text = text.replace(wrong, "") if wrong in text else text + wrong
    with pytest.raises(MissingWordsError, match=re.escape("flash.txt")):
        flash.page(text)


def _said() -> set[str]:
    files = (ROOT / "tools/flash/ugw_flash").rglob("*.py")
    found = (said.texts(said.module(str(file.relative_to(ROOT)))) for file in files)
    # Some are filled in later, by str.format.
    return {re.sub(r"\{[^}]*\}", said.VALUE, text) for texts in found for text in texts}


def test_the_how_to_shows_no_error_that_is_never_said() -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    begin, end = (text.index(f"\n## {heading}\n") for heading in BETWEEN)
    cells = re.findall(r"^\| (`.+?) \| ", text[begin:end], re.MULTILINE)
    shown = [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    known = _said()
    assert len(shown) > FEW
    assert [span for span in shown if not any(said.is_said(span, text) for text in known)] == []
