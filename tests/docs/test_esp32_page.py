"""The pages of the ESP32 leave out no line of its console and no module of its agent."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "gateway/esp32"
HOW_TO = ROOT / "docs/how-to/esp32.md"
EXPLANATION = ROOT / "docs/explanation/esp32.md"
MODULES = sorted(path.name for path in AGENT.glob("[!_]*.py"))


def said_in(tree: ast.Module) -> Iterator[str]:
    """Return what is said on the console, where it stands in so many words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            event = node.args[0]
            if name == "say" and isinstance(event, ast.Constant):
                yield str(event.value)


LINES = sorted(
    {text for name in MODULES for text in said_in(ast.parse((AGENT / name).read_text()))}
)


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_console_is_explained(line: str) -> None:
    cells = re.findall(r"^\| (.+?) \| ", HOW_TO.read_text("utf-8"), re.MULTILINE)
    spans = [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    assert any(span == line or span.startswith(f"{line} ") for span in spans)


def test_there_are_lines_to_be_explained() -> None:
    assert {"READY", "network down", "trouble"} <= set(LINES)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_its_place(name: str) -> None:
    assert f"`{name}`" in EXPLANATION.read_text("utf-8")
