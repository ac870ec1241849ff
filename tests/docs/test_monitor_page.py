"""What the page on monitoring shows can be copied: metrics, labels and rules that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.web.metrics import METRICS

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/monitor.md"
REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference/metrics.md"
NAME = re.compile(r"\bugw_[a-z_]+")
SELECTOR = re.compile(r"\b(ugw_[a-z_]+)\{(\w+)=")
LOADER: Any = YAML(typ="safe")
LABELS = {metric.name: metric.labels for metric in METRICS}


def blocks() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def rules() -> list[dict[str, str]]:
    (groups,) = (text for text in blocks() if text.startswith("groups:"))
    loaded = LOADER.load(groups)
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def test_every_block_is_yaml_and_the_alarms_have_names_of_their_own() -> None:
    assert all(LOADER.load(text) for text in blocks())
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alarm_asks_for_what_there_is(rule: dict[str, str]) -> None:
    named = NAME.findall(rule["expr"]) or ["up"]  # Prometheus' own
    page = REFERENCE.read_text("utf-8")
    assert [name for name in named if name != "up" and f"\n| `{name}` | " not in page] == []
    selected = SELECTOR.findall(rule["expr"])
    assert [label for name, label in selected if label not in LABELS[name]] == []
