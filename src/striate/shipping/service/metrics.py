"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters and clocks of one service; labels take few values, none of them a client's."""

    def __init__(self):
        self.registry = CollectorRegistry()
        own = self.registry
        self.requests = Counter("striate_requests", "Requests answered.", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "striate_request_seconds", "From a request's head to its answer.", ["route"], buckets=_SECONDS, registry=own
        )
        self.refused = Counter("striate_refused", "Requests refused, by the code of the error.", ["code"], registry=own)
        self.images = Counter("striate_images", "Images answered.", ["model"], registry=own)
        self.bytes = Counter("striate_body_bytes", "Bytes of bodies read.", registry=own)
        self.batches = Histogram(
            "striate_batch_images", "Images in a batch.", ["runtime"], buckets=_IMAGES, registry=own
        )
        self.batch_seconds = Histogram(
            "striate_batch_seconds", "Seconds that a batch computes.", ["runtime"], buckets=_SECONDS, registry=own
        )
        self.queue = Gauge("striate_queue_images", "Images that wait or are worked on.", registry=own)
        self.held = Gauge("striate_held_bytes", "Bytes of bodies in memory.", registry=own)
        self.reloads = Counter("striate_reloads", "Models loaded anew.", ["model", "outcome"], registry=own)
        self.dropped = Gauge("striate_log_lines_dropped", "Lines that the log did not take in time.", registry=own)
        ProcessCollector(registry=self.registry)

    def follow(self, gauge: Gauge, value: Callable[[], float]) -> None:
        """Let a gauge say what a function returns."""
        gauge.set_function(value)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
