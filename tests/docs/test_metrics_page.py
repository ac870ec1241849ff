"""The page of the metrics leaves none out."""

from pathlib import Path

import msgspec
import pytest

from gateway.web.metrics import METRICS
from tools.docs import metrics
from tools.docs.markup import MissingWordsError

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/metrics.md"


@pytest.mark.parametrize("name", [metric.name for metric in METRICS])
def test_each_metric_is_documented(name: str) -> None:
    assert PAGE.read_text(encoding="utf-8").count(f"\n| `{name}` | ") == 1


def test_a_metric_without_a_meaning_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    dumb = msgspec.structs.replace(METRICS[0], name="ugw_new_total", help="")
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, dumb))
    with pytest.raises(MissingWordsError, match="ugw_new_total"):
        metrics.page()
