"""The page of the events leaves none out."""

from pathlib import Path

import pytest

from tools.docs import events
from tools.docs.markup import MissingWordsError
from tools.schema.event import EVENTS, Event

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/events.md"


@pytest.mark.parametrize("kind", EVENTS)
def test_each_kind_has_its_section(kind: str) -> None:
    assert f"\n## {kind}\n" in PAGE.read_text("utf-8")


def test_a_kind_without_a_remedy_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS", {**EVENTS, "door.open": Event("a door is open", ())})
    with pytest.raises(MissingWordsError, match=r"door\.open"):
        events.page()


def test_a_kind_without_an_example_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS", {**EVENTS, "door.open": Event("a door is open", ())})
    monkeypatch.setattr(events, "REMEDIES", {**events.REMEDIES, "door.open": "Close it."})
    with pytest.raises(MissingWordsError, match=r"event-door-open\.json"):
        events.page()
