"""The pages of trouble show what the code says: no more than that, and nothing left out."""

import re
from pathlib import Path

import msgspec
import pytest

from tests.docs import said

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"
FIRST_CELL = re.compile(r"^\| (`.+?) \| ", re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
FEW_WORDS = 3  # fewer are no sentence but a name
DIAL, MQTT, UPLINK = "gateway/dial.py", "gateway/mqtt.py", "gateway/uplink/mqtt.py"
REASONS = "gateway/reasons.py"
CAUSES = "gateway/transport/ble/causes.py"
RADIOS = (
    CAUSES,
    "gateway/transport/ble/supervisor.py",
    "gateway/transport/serial/port.py",
    "gateway/transport/serial/supervisor.py",
)
TROUBLES = "gateway/web/troubles.py"
SHOWN = (TROUBLES, "gateway/web/inside.py")


class Page(msgspec.Struct, frozen=True):
    """A page of trouble, and what the code says: what must be shown there, what else may be."""

    name: str
    between: tuple[str, str]  # headings
    must: frozenset[str]
    may: frozenset[str] = frozenset()

    def shown(self) -> list[str]:
        """Return what it shows as said: the spans of code in the first cells of its tables."""
        text = (HOW_TO / self.name).read_text(encoding="utf-8")
        begin, end = (text.index(f"\n## {heading}\n") for heading in self.between)
        return [
            span for cell in FIRST_CELL.findall(text[begin:end]) for span in SPAN.findall(cell)
        ]


def sentences(*files: str) -> frozenset[str]:
    """Return all that files say but names."""
    found = (text for file in files for text in said.texts(said.module(file)))
    return frozenset(text for text in found if len(text.split()) >= FEW_WORDS)


BROKER = Page(
    "broker-not-reached.md",
    ("The cause and what to do", "It is connected, and nothing arrives"),
    frozenset(
        said.arguments(DIAL, "UplinkError")
        | said.arguments(MQTT, "UplinkError")
        | said.arguments(REASONS, "UplinkError")
        | said.arguments(UPLINK, "UplinkError")
        | said.values(DIAL, "_CERTIFICATE")
        | said.values(DIAL, "_ALERTS")
    ),
    sentences(DIAL, "gateway/sender.py"),
)
SENSOR = Page(
    "sensor-not-heard.md",
    ("1. Is the radio up?", "2. Does what it sends arrive?"),
    sentences(*RADIOS) | said.values(CAUSES, "_REFUSALS"),
)
RED = Page(
    "it-shows-red.md",
    ("Red: it is in trouble", "It does not run"),
    frozenset(
        said.arguments(TROUBLES, "Trouble", 1)
        | said.arguments("gateway/web/inside.py", "Reason", 1)
    ),
    sentences(*SHOWN, "gateway/reload.py"),
)
PAGES = [BROKER, SENSOR, RED]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("cannot resolve broker.example: ...", "cannot resolve \0: \0"),
        ("no adapter hci0", "no adapter \0: plug it in, or choose another"),
        ("it says ...", "it says \0"),
    ],
)
def test_what_is_said_is_known_by_its_beginning(shown: str, text: str) -> None:
    assert said.is_said(shown, text)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("no adapter", "no adapter \0: plug it in, or choose another"),
        ("the door is open", "the door is shut"),
        ("anything at all", "\0 \0"),
    ],
)
def test_what_is_not_said_is_known(shown: str, text: str) -> None:
    assert not said.is_said(shown, text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_shows_nothing_that_is_never_said(page: Page) -> None:
    known = page.must | page.may
    assert [s for s in page.shown() if not any(said.is_said(s, text) for text in known)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_leaves_nothing_out(page: Page) -> None:
    shown = page.shown()
    assert shown, "the headings are there, and no table between them"
    texts = (text for text in page.must if len(text.replace(said.VALUE, "").split()) >= FEW_WORDS)
    missing = [text for text in texts if not any(said.is_said(s, text) for s in shown)]
    assert sorted(missing) == []
