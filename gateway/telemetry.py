"""The gateway's metrics: one catalogue, each with its meaning."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.log_metrics import LogGauges
from gateway.recording.reports import Totals
from sluice.exposition import Exemplar
from sluice.telemetry import Registry

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.tracing.trace import Trace

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class GatewayMetrics:
    """The metrics of one worker; they belong to its loop."""

    def __init__(self, *, exemplars: bool = True) -> None:
        """``exemplars``: whether durations name traces that they are of."""
        self._exemplars = exemplars
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
        self._of_outcome, self._of_kind = self.exchanges.by_label(), self.tokens.by_label()
        self._of_status = self.cost.by_label()
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

        self.untold_streams = registry.counter(
            "sluice_untold_streams_total",
            "Ended streams that stream_complete plugins were not told of: too many waited for them.",
        )
        self.reservation_exceeded = registry.counter(
            "sluice_reservation_exceeded_nanos_total",
            "What exchanges under a budget cost beyond what was held for them, in 1e-9 currency units.",
            "nanos",
        )

        self.payloads = registry.counter(
            "sluice_plugin_payloads_total",
            "Payloads from plugins to control: sent; then handled, passed (received, and of no use), retried, or "
            "dead_lettered.",
            labels=("plugin", "outcome"),
        )
        self.payloads_waiting = registry.gauge(
            "sluice_plugin_payloads_waiting", "Payloads of this host that wait, as the worker that delivers sees it."
        )

        self._add_outlets(registry)

        self.log = LogGauges(registry)

    def _add_outlets(self, registry: Registry) -> None:
        """Of what others read besides the events: traces and the access log."""
        self.traced = registry.counter(
            "sluice_traced_exchanges_total",
            "Traces of exchanges: exported; dropped (the queue was full), failed (no answer, or a fault), refused, "
            "garbled (the answer was none), or unsent at the end.",
            labels=("outcome",),
        )
        self.rejected_spans = registry.counter(
            "sluice_rejected_spans_total", "Spans that a receiver left out of traces that it took."
        )
        self.access_lines = registry.counter(
            "sluice_access_log_lines_total",
            "Lines of the access log: written; dropped (the queue was full), failed, or unsent at the end.",
            labels=("outcome",),
        )

    def drops(self) -> dict[str, int]:
        """What was answered without being recorded, by reason; for the gateway's reports."""
        unrecorded = sum(count for _, count in self.unrecorded.series())
        failed = sum(count for _, count in self.commit_failures.series())
        gauges = self.log.journal
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
        self._of_outcome(exchange.outcome or "gateway_error").amount += 1
        micros = exchange.elapsed_micros() if exchange.total_micros is None else exchange.total_micros
        seconds = micros / 1_000_000
        self.duration.observe(seconds)
        if exchange.trace is not None:
            self._note_trace(exchange, exchange.trace, seconds)
        usage = exchange.usage
        if usage is not None:
            self._of_kind("prompt").amount += usage.prompt_tokens or 0
            self._of_kind("response").amount += usage.response_tokens or 0
        if exchange.cost_nanos:
            self._of_status(exchange.cost_status).amount += exchange.cost_nanos

    def _note_trace(self, exchange: Exchange, trace: Trace, seconds: float) -> None:
        """The record begins; who looks at a duration finds the exchange."""
        trace.settled_ns = time.monotonic_ns()
        if self._exemplars:
            at = (exchange.occurred_at + round(seconds * 1_000_000)) / 1_000_000
            self.duration.exemplify(seconds, Exemplar(trace.trace_id, seconds, at))
