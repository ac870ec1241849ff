"""The metrics in the text format of Prometheus, read at the moment somebody asks.

The one adapter of prometheus_client. Its global registry is not used: what a library might
register there would be shown too.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from gateway.web.inside import Inside
from gateway.web.metrics import METRICS, Metric

__all__ = ["CONTENT_TYPE", "text"]


class _Collector(Collector):
    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def collect(self) -> Iterable[Family]:
        """Yield all families, with the values of now."""
        for metric in METRICS:
            family = _family(metric)
            for labels, value in metric.read(self._inside):
                family.add_metric(labels, value)
            yield family


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    if metric.kind == "counter":
        name = metric.name.removesuffix("_total")
        return CounterMetricFamily(name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def text(inside: Inside) -> bytes:
    """Return the values of now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(inside))
    return generate_latest(registry)
