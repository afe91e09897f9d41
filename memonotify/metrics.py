"""The metrics of one daemon, in a registry of its own, so that two apps in one process do not share counts.

Every part takes a `Metrics` and counts what it does; the admin listener writes them out. Label values come from closed
sets or from names in the configuration, never from what a caller sent.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """All counters, gauges and histograms, by name."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "memonotify_webhook_requests", "Webhook requests by answer", ["status"], registry=registry
        )
        self.accept_seconds = Histogram(
            "memonotify_webhook_seconds", "Time to answer a webhook", registry=registry, buckets=_SECONDS
        )
        self.events = Counter(
            "memonotify_events",
            "Events taken in; a duplicate counts as one",
            ["workspace", "result"],
            registry=registry,
        )
        self.evaluated = Counter("memonotify_events_evaluated", "Events evaluated", ["workspace"], registry=registry)
        self.decisions = Counter(
            "memonotify_decisions", "What the engine concluded", ["rule", "outcome"], registry=registry
        )
        self.fetches = Counter(
            "memonotify_fetches",
            "Calls to the bank's API by result: ok or a reason",
            ["workspace", "result"],
            registry=registry,
        )
        self.fetch_seconds = Histogram(
            "memonotify_fetch_seconds", "Time of a call to the bank's API", registry=registry, buckets=_SECONDS
        )
        self.clock_offset = Gauge(
            "memonotify_bank_clock_offset_seconds", "The bank's clock minus ours", ["workspace"], registry=registry
        )
        self.quota_remaining = Gauge(
            "memonotify_bank_quota_remaining",
            "Calls left in the bank's current quota",
            ["workspace"],
            registry=registry,
        )
        self.attempts = Counter(
            "memonotify_delivery_attempts",
            "Tries to send, by result: ok or a reason",
            ["channel", "result"],
            registry=registry,
        )
        self.attempt_seconds = Histogram(
            "memonotify_delivery_attempt_seconds",
            "Time of a try to send",
            ["channel"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.smtp_connections = Counter(
            "memonotify_smtp_connections", "Connections opened to a mail server", ["channel"], registry=registry
        )
        self.settled = Counter(
            "memonotify_deliveries_settled",
            "Deliveries that reached their end",
            ["channel", "state"],
            registry=registry,
        )
        self.render_errors = Counter(
            "memonotify_render_errors",
            "Messages sent in the plain form because they failed to render",
            ["rule"],
            registry=registry,
        )
        self.released = Counter(
            "memonotify_deliveries_released",
            "Held deliveries whose wait ended, by the state that followed",
            ["rule", "state"],
            registry=registry,
        )
        self.gathered = Counter(
            "memonotify_deliveries_gathered",
            "Messages that were told in another one, by what gathered them",
            ["rule", "policy"],
            registry=registry,
        )
        self.held = Gauge("memonotify_deliveries_held", "Deliveries held by a policy", registry=registry)
        self.breaker_open = Gauge(
            "memonotify_channel_breaker_open", "1 while a channel's breaker is open", ["channel"], registry=registry
        )
        self.backlog = Gauge("memonotify_backlog", "Events not yet evaluated", registry=registry)
        self.pending = Gauge(
            "memonotify_deliveries_pending", "Deliveries not yet settled", ["channel"], registry=registry
        )
        self.last_event = Gauge(
            "memonotify_last_event_timestamp_seconds",
            "When the last event was taken in",
            ["workspace"],
            registry=registry,
        )
        self.scheduled = Counter(
            "memonotify_scheduled_runs",
            "Runs of rules with a schedule: made, put_off, missed or failed",
            ["rule", "result"],
            registry=registry,
        )
        self.rules = Gauge("memonotify_rules", "Rules in force", registry=registry)
        self.files_refused = Gauge(
            "memonotify_rule_files_refused",
            "Rule files that are wrong as they are on disk; of each the last good version is in force, if it has one",
            registry=registry,
        )
        self.reloads = Counter(
            "memonotify_reloads",
            "Loads of the rules while running: ok, refused (a file was wrong) or failed (a fault of memonotify)",
            ["result"],
            registry=registry,
        )
        self.store_commits = Counter("memonotify_store_commits", "Transactions committed", registry=registry)
        self.store_errors = Counter("memonotify_store_errors", "Transactions that failed", registry=registry)
        self.purged = Counter("memonotify_events_purged", "Events removed by retention", registry=registry)
        self.nodes = Gauge("memonotify_nodes", "Nodes with a lease on a shared store", registry=registry)
        self.leads = Gauge("memonotify_node_leads", "1 while this node leads on a shared store", registry=registry)
        self.info = Gauge("memonotify_build_info", "1, with the version as a label", ["version"], registry=registry)

    def exposition(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self.registry)
