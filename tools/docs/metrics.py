"""The page of the metrics, from the table that serves them."""

from collections.abc import Iterator

from gateway.web.metrics import METRICS, Metric
from tools.docs.markup import MissingWordsError, table
from tools.docs.markup import page as put_together

SOURCE = "gateway/web/metrics.py"
COLUMNS = ("metric", "kind", "labels", "meaning")
INTRODUCTION = """\
What `/metrics` serves on [the configured address](configuration.md#http), in the text format of
Prometheus. Counters begin at 0 when the agent starts. No label holds a device's address or id.

Both [laws](../explanation/architecture.md#the-two-laws) can be summed from here; while
`ugw_law_difference` is anything but 0, there is a bug worth reporting. Worth an alarm before
all others: `ugw_ready == 0`, `ugw_uplink_connected == 0`,
`ugw_backlog_level{level="normal"} == 0`, `ugw_backlog_oldest_age_seconds`,
`ugw_observations_total{result="dropped"}`, `ugw_certificate_not_after_timestamp_seconds`."""


def page() -> str:
    """Return the page. Raises MissingWordsError for a metric without a meaning."""
    return put_together("Metrics", SOURCE, _parts())


def _parts() -> Iterator[str]:
    yield INTRODUCTION
    yield table(COLUMNS, [_row(metric) for metric in METRICS])


def _row(metric: Metric) -> tuple[str, str, str, str]:
    if not metric.help:
        message = f"{SOURCE}: say what {metric.name} means"
        raise MissingWordsError(message)
    return f"`{metric.name}`", metric.kind, _labels(metric.labels), metric.help


def _labels(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)
