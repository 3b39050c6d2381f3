"""Prometheus metrics of one process, and those read from the database when asked."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from service.files import free_bytes
from service.store import Store
from service.stores import jobs, workers
from service.tables import searches

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "neckline_requests_total", "Answered requests", ("method", "route", "status"), registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "neckline_request_seconds", "Time to answer a request", ("method", "route"), registry=REGISTRY
)


class StoreCollector(Collector):
    """Queue, leases, evaluations, workers and disk, read from the store at each scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics as they stand now."""
        settings = self._store.settings
        with self._store.database.read() as tx:
            counts = jobs.counts(tx)
            living = workers.count(tx, within_s=3 * settings.heartbeat_s)
            evaluated, failed = tx.execute(
                select(func.sum(searches.c.evaluated), func.sum(searches.c.failed))
            ).one()
        family = GaugeMetricFamily("neckline_jobs", "Jobs by kind and state", labels=("kind", "state"))
        for (kind, state), count in counts.items():
            family.add_metric((kind, state), count)
        yield family
        yield GaugeMetricFamily("neckline_workers", "Workers heard of lately", value=living)
        totals = GaugeMetricFamily("neckline_evaluations", "Stored evaluations by outcome", labels=("state",))
        totals.add_metric(("ok",), float(evaluated or 0))
        totals.add_metric(("failed",), float(failed or 0))
        yield totals
        yield GaugeMetricFamily(
            "neckline_free_disk_bytes", "Free disk", value=float(free_bytes(settings.data))
        )


def exposition(store: Store) -> bytes:
    """Return the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(store))
    return generate_latest(REGISTRY) + generate_latest(registry)
