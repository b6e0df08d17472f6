"""Every metric there is, in one table. Labels never hold a phone number, an id or text.

Strategy: one object is made per process and handed on; nothing registers itself at import.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_ANSWER_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 1.8, 2.0, 5.0, 10.0)
_PUBLISH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.8, 5.0)
_LAG_BUCKETS = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0)
_SUBMIT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one process; seconds are seconds."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.callbacks = Counter(
            "mm7_callbacks", "Callbacks answered.", ["account", "operation", "outcome"], registry=registry
        )
        self.answer_seconds = Histogram(
            "mm7_answer_seconds", "Body's arrival to answer.", ["account"], buckets=_ANSWER_BUCKETS, registry=registry
        )
        self.publish_seconds = Histogram(
            "mm7_publish_seconds", "Publish to confirm.", buckets=_PUBLISH_BUCKETS, registry=registry
        )
        self.quirks = Counter(
            "mm7_quirks", "Deviations that were read all the same.", ["account", "quirk"], registry=registry
        )
        self.duplicates = Counter(
            "mm7_duplicates", "Callbacks answered again and not published again.", ["account"], registry=registry
        )
        self.spool_events = Gauge("mm7_spool_events", "Events that wait in the spool.", registry=registry)
        self.spool_oldest_seconds = Gauge("mm7_spool_oldest_seconds", "Age of the oldest of them.", registry=registry)
        self.spool_set_apart = Gauge(
            "mm7_spool_set_apart", "What of the spool a person has to look at.", registry=registry
        )
        self.state_unavailable = Counter(
            "mm7_state_unavailable",
            "Times that the state store did not answer, by what for.",
            ["use"],
            registry=registry,
        )
        self.submits = Counter(
            "mm7_submits", "Commands brought to an outcome.", ["account", "operation", "outcome"], registry=registry
        )
        self.submit_seconds = Histogram(
            "mm7_submit_seconds", "Request to the provider.", ["account"], buckets=_SUBMIT_BUCKETS, registry=registry
        )
        self.retries = Counter("mm7_retries", "Commands put off to be tried again.", ["account"], registry=registry)
        self.dead = Counter("mm7_dead", "Commands dead-lettered.", ["account"], registry=registry)
        self.broker_up = Gauge("mm7_broker_up", "1 while the broker is connected.", registry=registry)
        self.broker_blocked = Gauge(
            "mm7_broker_blocked", "1 while the broker takes nothing (memory or disk alarm).", registry=registry
        )
        self.loop_lag_seconds = Histogram(
            "mm7_loop_lag_seconds", "How late the event loop wakes up.", buckets=_LAG_BUCKETS, registry=registry
        )
        self.loop_lag_max_seconds = Gauge(
            "mm7_loop_lag_max_seconds", "The latest since this was read last.", registry=registry
        )

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
