"""The gateway's metrics: one catalogue, each with its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.recording.reports import Totals
from sluice.telemetry import Registry

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from sluice.eventlog.journal.journal import Journal
    from sluice.eventlog.relay import Relay

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class GatewayMetrics:
    """The metrics of one worker; they belong to its loop."""

    def __init__(self) -> None:
        self.registry = registry = Registry()
        self.totals = Totals()
        self.exchanges = registry.counter(
            "sluice_exchanges_total", "Exchanges that ended, by their one terminal outcome.", labels=("outcome",)
        )
        self.duration = registry.histogram(
            "sluice_exchange_duration_seconds", "From the request's head to the outcome.", "seconds", _LATENCY_BUCKETS
        )
        self.tokens = registry.counter(
            "sluice_tokens_total", "Tokens of vendors' answers, counted or estimated.", "tokens", ("kind",)
        )
        self.cost = registry.counter(
            "sluice_cost_nanos_total", "Cost of exchanges, in 1e-9 currency units.", "nanos", ("cost_status",)
        )
        self.unrecorded = registry.counter(
            "sluice_unrecorded_exchanges_total",
            "Exchanges refused before an app was known that were only counted: beyond the cap, or no room for them.",
            labels=("outcome", "network"),
        )
        self.commit_failures = registry.counter(
            "sluice_commit_failures_total",
            "Exchanges whose events could not be made durable in time.",
            labels=("error",),
        )
        self.parser_refusals = registry.counter(
            "sluice_http_refusals_total", "Requests the HTTP parser refused; they never became exchanges.",
            labels=("status",),
        )  # fmt: skip
        self.interrupted = registry.counter(
            "sluice_interrupted_exchanges_total", "Exchanges cut by a kill and recorded by the boot after it."
        )

        self._journal_gauges = {
            name: registry.gauge(f"sluice_journal_{name}", meaning, unit)
            for name, meaning, unit in (
                ("used_bytes", "What lies in this worker's journal.", "bytes"),
                ("left_bytes", "What may still be written to it.", "bytes"),
                ("records", "Records written by this boot.", ""),
                ("failed_batches", "Groups of exchanges that could not be written.", ""),
                ("late_batches", "Groups that took longer than journal.commit_timeout_seconds.", ""),
                ("dropped_exchanges", "Answered without a record, for want of room (journal.on_full: drop).", ""),
                ("undurable_exchanges", "Answered, and then not written (on_full: drop, or mode fast).", ""),
                ("degraded_exchanges", "Answered without Kafka's acknowledgement (strict.on_timeout: degrade).", ""),
                ("cut_bytes", "Torn bytes cut from its end when it was opened.", "bytes"),
                ("damaged_places", "Damage found in it when it was opened.", ""),
                ("detached_groups", "Groups too far behind that lost their place, and what lay there.", ""),
                ("housekeeping_failures", "Times that rolling, retention or measuring failed.", ""),
                ("unflushed_bytes", "Mode fast: what a crash would lose now.", "bytes"),
            )
        }
        self.relay_lag = registry.gauge("sluice_relay_lag_records", "Records that Kafka has not acknowledged yet.")
        self.relay_failures = registry.gauge("sluice_relay_failures", "Rounds of the relay that failed, of this boot.")
        self.relay_refused = registry.gauge("sluice_relay_refused_records", "Records Kafka refused for good.")
        self.relay_connected = registry.gauge("sluice_relay_acknowledging", "1 where Kafka acknowledges, else 0.")

    def observe_log(self, journal: Journal, relay: Relay | None) -> None:
        """Show how the event log is; called each second."""
        counters, room = journal.counters, journal.room
        for name, value in (
            ("used_bytes", room.used_bytes),
            ("left_bytes", room.left_bytes),
            ("records", counters.records),
            ("failed_batches", counters.failed_batches),
            ("late_batches", counters.late_batches),
            ("dropped_exchanges", counters.exchanges_dropped),
            ("undurable_exchanges", counters.exchanges_undurable),
            ("degraded_exchanges", counters.exchanges_degraded),
            ("cut_bytes", counters.cut_bytes),
            ("damaged_places", counters.damaged),
            ("detached_groups", counters.groups_detached),
            ("housekeeping_failures", counters.housekeeping_failures),
            ("unflushed_bytes", counters.unflushed_bytes),
        ):
            self._journal_gauges[name].set(value)
        if relay is not None:
            self.relay_lag.set(relay.lag_records)
            self.relay_failures.set(relay.counters.failures)
            self.relay_refused.set(relay.counters.refused)
            self.relay_connected.set(int(relay.is_acknowledging))

    def drops(self) -> dict[str, int]:
        """What was answered without being recorded, by reason; for the gateway's reports."""
        unrecorded = sum(count for _, count in self.unrecorded.series())
        failed = sum(count for _, count in self.commit_failures.series())
        gauges = self._journal_gauges
        return {
            "refusals_not_recorded": unrecorded,
            "commits_failed": failed,
            "dropped": int(gauges["dropped_exchanges"].value() or 0),
            "undurable": int(gauges["undurable_exchanges"].value() or 0),
        }

    def count_unrecorded(self, outcome: str, network: str) -> None:
        """Count an exchange that leaves no event."""
        self.totals.unrecorded += 1
        self.unrecorded.add(1, outcome, network)

    def count(self, exchange: Exchange) -> None:
        """Count an exchange whose outcome is known."""
        self.totals.add(exchange)
        self.exchanges.add(1, exchange.outcome or "gateway_error")
        self.duration.observe(exchange.elapsed_micros() / 1_000_000)
        usage = exchange.usage
        if usage is not None:
            self.tokens.add(usage.prompt_tokens or 0, "prompt")
            self.tokens.add(usage.response_tokens or 0, "response")
        if exchange.cost_nanos:
            self.cost.add(exchange.cost_nanos, exchange.cost_status)
