from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from omnihub.store.store import Store

# Anybody can make up a method, and each would be a series of its own.
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    def __init__(self) -> None:
        self._own = CollectorRegistry()
        self._requests = Counter(
            "omnihub_http_requests", "Requests answered", ["method", "route", "status"], registry=self._own
        )
        self._seconds = Histogram(
            "omnihub_http_request_seconds", "Time to answer", ["route"], buckets=_SECONDS, registry=self._own
        )
        self._intake = Gauge("omnihub_intake_events", "Raw events by state", ["state"], registry=self._own)
        self._oldest = Gauge(
            "omnihub_intake_oldest_seconds", "Age of the oldest raw event not taken in", registry=self._own
        )
        self._backlog = Gauge(
            "omnihub_intake_backlog_bytes", "Raw events not taken in, estimated", registry=self._own
        )
        self._free = Gauge("omnihub_database_disk_free_bytes", "On the database's disk", registry=self._own)
        self._closed = Gauge("omnihub_journal_closed", "1 while nothing more is received", registry=self._own)
        self._outbox = Gauge(
            "omnihub_outbox_messages", "Outbound messages by state", ["state"], registry=self._own
        )
        self._search_lag = Gauge(
            "omnihub_search_lag_seconds", "Age of what search does not find yet", registry=self._own
        )
        self.live_clients = Gauge("omnihub_live_clients", "Open live connections", registry=self._own)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    async def text(self, store: Store) -> bytes:
        """In the format that Prometheus scrapes; what waits is counted at this moment."""
        intake = await store.journal.counts()
        for state in ("waiting", "dead"):
            self._intake.labels(state).set(intake[state])
        self._oldest.set(intake["oldest_seconds"])
        pressure = store.pressure.measured
        self._backlog.set(pressure.waiting_bytes)
        self._free.set(pressure.free_bytes if pressure.free_bytes is not None else float("nan"))
        self._closed.set(bool(pressure.closed))
        for state, count in (await store.outbox.counts()).items():
            self._outbox.labels(state).set(count)
        self._search_lag.set((await store.search_state.load()).lag())
        return generate_latest(REGISTRY) + generate_latest(self._own)
