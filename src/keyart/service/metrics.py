"""Metrics for Prometheus: requests, times, posters, batches, the queue."""

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One set for an application. Many workers share theirs in $PROMETHEUS_MULTIPROC_DIR."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "keyart_requests",
            "Requests answered.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "keyart_request_seconds",
            "Time from the headers of a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.posters = Counter(
            "keyart_posters",
            "Posters received, by outcome: answered, unreadable, refused.",
            ["outcome"],
            registry=self._registry,
        )
        self.batch = Histogram(
            "keyart_batch_posters",
            "Posters in one run of the network.",
            buckets=(1, 2, 3, 4, 6, 8, 16),
            registry=self._registry,
        )
        self.waiting = Gauge(
            "keyart_waiting_posters",
            "Posters accepted and not yet answered.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def text(self) -> bytes:
        """All metrics, of all workers, in the text format of Prometheus."""
        registry = self._registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
