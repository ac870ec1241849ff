"""The generated pages are fresh, and what generates them leaves nothing out."""

import re
from pathlib import Path

import msgspec
import pytest

from gateway.health import Frames, Observations
from tools.docs.markup import MissingWordsError, explained, table
from tools.docs.pages import PAGES, stale

DOCS = Path(__file__).resolve().parents[2] / "docs"
COUNTED = [field.name for kind in (Frames, Observations) for field in msgspec.structs.fields(kind)]


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_would_be_written_now(name: str) -> None:
    assert not stale(DOCS, {name: PAGES[name]}), "run .venv/bin/python -m tools.docs"


def test_a_page_is_stale_once_its_source_says_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("fresh")
    (tmp_path / "b.md").write_text("old")
    pages = {"a.md": lambda: "fresh", "b.md": lambda: "new", "c.md": lambda: "missing"}
    assert stale(tmp_path, pages) == ["b.md", "c.md"]


@pytest.mark.parametrize("words", [{"a": "1"}, {"a": "1", "b": "2", "c": "3"}])
def test_a_name_without_words_and_words_without_a_name_end_the_run(words: dict[str, str]) -> None:
    with pytest.raises(MissingWordsError, match=r"WORDS: .*\['[bc]'\]"):
        list(explained(["a", "b"], words, "WORDS"))


def test_a_cell_cannot_break_its_table() -> None:
    assert table(("a",), [("b | c\nd",)]) == "| a |\n|---|\n| b \\| c d |"


@pytest.mark.parametrize("field", COUNTED)
def test_each_counter_has_its_meaning(field: str) -> None:
    name = re.sub(r"_(\w)", lambda found: found[1].upper(), field)
    assert f"\n| `{name}` | " in (DOCS / "reference/counters.md").read_text(encoding="utf-8")
