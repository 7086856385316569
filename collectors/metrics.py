"""The collectors' metrics: one catalogue, each with its meaning, and a view of it for each service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from collectors.errors import Halt, Retryable, Waiting
from collectors.services.archive.metrics import ArchiveMetrics
from collectors.services.budget_truth.metrics import TruthMetrics
from sluice.eventlog.interface import Partition
from sluice.telemetry import Gauge, Registry

Outcome = Literal["delivered", "duplicate", "fallback", "passed", "filtered", "dead_lettered", "revoked"]
CollectorOutcome = Literal["handled", "duplicate", "passed", "dead_lettered", "revoked"]
Step = Literal["poll", "decode", "prepare", "write", "dead_letter", "backpressure"]
CommitResult = Literal["stored", "refused", "failed"]

_SERVICE = ("service",)
_RECORD_BUCKETS = (1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000)
_BYTE_BUCKETS = (1e3, 1e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 5e7)
_LATENCY_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class CollectorMetrics:
    """The metrics of one process; they belong to its loop."""

    def __init__(self) -> None:
        self.registry = Registry()
        self._flow(self.registry)
        self._log(self.registry)
        self._state(self.registry)
        self._configuration(self.registry)
        self._reconcile(self.registry)
        self.budget_truth = TruthMetrics(self.registry)
        self.archive = ArchiveMetrics(self.registry)

    def _flow(self, registry: Registry) -> None:
        self.records = registry.counter(
            "sluice_collector_records_total",
            "Records by outcome: delivered and duplicate were handled by a collector, fallback is only there, passed "
            "was seen by plugins that did not want it and is nowhere, dead_lettered is in the dead letters, "
            "filtered is not this service's, revoked is another member's now and was not acknowledged here.",
            labels=("service", "outcome"),
        )
        self.collector_outcomes = registry.counter(
            "sluice_collector_outcomes_total",
            "What each collector of a service did with the events that were selected for it; collector=fallback is the "
            "service's fallback.",
            labels=("service", "collector", "outcome"),
        )
        self.dead_letters = registry.counter(
            "sluice_collector_dead_letters_total", "Dead letters by their reason.", labels=("service", "reason")
        )
        self.batch_records = registry.histogram(
            "sluice_collector_batch_records",
            "Records of a batch when it is written.",
            "records",
            _RECORD_BUCKETS,
            _SERVICE,
        )
        self.batch_bytes = registry.histogram(
            "sluice_collector_batch_bytes",
            "Bytes of a batch, as they lay in the log.",
            "bytes",
            _BYTE_BUCKETS,
            _SERVICE,
        )
        self.write_seconds = registry.histogram(
            "sluice_collector_write_seconds",
            "One write to the sink, whatever came of it.",
            "seconds",
            _LATENCY_BUCKETS,
            _SERVICE,
        )
        self.retries = registry.counter(
            "sluice_collector_retries_total",
            "Writes after which something must be written again.",
            labels=("service", "cause"),
        )
        self.step_micros = registry.counter(
            "sluice_collector_step_micros_total",
            "Time spent by step: what a service waits for tells what to scale. Writes overlap, so theirs is a sum.",
            "microseconds",
            ("service", "step"),
        )
        self.column_failures = registry.counter(
            "sluice_collector_column_failures_total",
            "Groups of records that had to be decoded one by one, as something was wrong among them.",
            labels=_SERVICE,
        )

    def _log(self, registry: Registry) -> None:
        self.lag_records = registry.gauge(
            "sluice_collector_lag_records",
            "Records in the log behind the committed offset.",
            "records",
            ("service", "topic", "partition"),
        )
        self.lag_seconds = registry.gauge(
            "sluice_collector_lag_seconds",
            "Age of the oldest record in the log that is not committed.",
            "seconds",
            _SERVICE,
        )
        self.seconds_to_loss = registry.gauge(
            "sluice_collector_seconds_to_loss",
            "Until the log deletes the oldest record that is not finished: retention less its age.",
            "seconds",
            _SERVICE,
        )
        self.commits = registry.counter(
            "sluice_collector_commits_total",
            "Commits of next offsets. Refused: the partitions were another member's already. Failed: tried again.",
            labels=("service", "result"),
        )
        self.commit_seconds = registry.histogram(
            "sluice_collector_commit_seconds", "One commit of next offsets.", "seconds", _LATENCY_BUCKETS, _SERVICE
        )
        self.rebalances = registry.counter(
            "sluice_collector_rebalances_total", "Times that partitions came or went.", labels=("service", "change")
        )
        self.poll_errors = registry.counter(
            "sluice_collector_poll_errors_total", "Polls that the log did not answer.", labels=("service", "error")
        )

    def _state(self, registry: Registry) -> None:
        self.in_flight_records = registry.gauge(
            "sluice_collector_in_flight_records", "Records between the log and their outcome.", "records", _SERVICE
        )
        self.in_flight_bytes = registry.gauge(
            "sluice_collector_in_flight_bytes", "Bytes between the log and their outcome.", "bytes", _SERVICE
        )
        self.oldest_unfinished_seconds = registry.gauge(
            "sluice_collector_oldest_unfinished_seconds",
            "Age of the oldest record taken in and not finished.",
            "seconds",
            _SERVICE,
        )
        self.concurrency_limit = registry.gauge(
            "sluice_collector_concurrency_limit",
            "Writes that may be in flight; falls when the sink throttles.",
            labels=_SERVICE,
        )
        self.writes_in_flight = registry.gauge(
            "sluice_collector_writes_in_flight", "Writes that are in flight.", labels=_SERVICE
        )
        self.paused_partitions = registry.gauge(
            "sluice_collector_paused_partitions", "Partitions that wait because too much is in flight.", labels=_SERVICE
        )
        self.breaker_open = registry.gauge(
            "sluice_collector_breaker_open",
            "1 while a sink that kept failing is left alone, but for one write now and then.",
            labels=("service", "collector"),
        )
        self.ready = registry.gauge("sluice_collector_ready", "1 while records flow.", labels=_SERVICE)
        self.halted = registry.gauge(
            "sluice_collector_halted", "1 while a service waits for somebody to change something.", labels=_SERVICE
        )
        self.paused = registry.gauge(
            "sluice_collector_paused", "1 while an operator has paused a service.", labels=_SERVICE
        )
        self.restarts = registry.counter(
            "sluice_collector_restarts_total", "Times that a service had to begin anew.", labels=("service", "cause")
        )
        self.retention_deleted = registry.counter(
            "sluice_collector_retention_deleted_total",
            "Events that retention deleted from a store.",
            labels=("store", "kind"),
        )
        self.retention_failures = registry.counter(
            "sluice_collector_retention_failures_total",
            "Times that retention could not look at a store, or not delete what was due.",
            labels=("store", "kind"),
        )
        self.retention_failing = registry.gauge(
            "sluice_collector_retention_failing",
            "1 while a store could not be cleared when that was last tried.",
            labels=("store", "kind"),
        )
        self.loop_lag = registry.gauge(
            "sluice_collector_loop_lag_seconds", "How late the event loop was when it was last looked at.", "seconds"
        )

    def retained(self, store: str, kind: str, events: int) -> None:
        """Retention deleted so many events of a store; below zero: it could not. Without a name it is of all stores."""
        self.retention_failing.set(int(events < 0), store, kind)
        if events < 0:
            self.retention_failures.add(1, store, kind)
        elif store:
            self.retention_deleted.add(events, store, kind)

    def retention_begins(self) -> None:
        """With other stores, maybe: what failed of those there were is of before."""
        for labels, _ in self.retention_failing.series():
            self.retention_failing.forget(*labels)

    def _configuration(self, registry: Registry) -> None:
        self.reloads = registry.counter(
            "sluice_collector_reloads_total",
            "Configurations that were read while services ran, by what came of it: applied, waiting (a sink of a "
            "service that changes does not answer), refused, unreachable (nothing could be read).",
            labels=("result",),
        )
        self.configuration_stale = registry.gauge(
            "sluice_collector_configuration_stale",
            "1 while what runs may not be what is wanted: the newest configuration was refused, waits or cannot be "
            "read.",
        )

    def _reconcile(self, registry: Registry) -> None:
        self.reconcile_missing = registry.gauge(
            "sluice_collector_reconcile_missing",
            "Events of the log that a sink should have and has not, when they were last compared.",
            labels=("sink", "kind"),
        )
        self.reconcile_surplus = registry.gauge(
            "sluice_collector_reconcile_surplus",
            "Documents of a sink that are of no event in the log, when they were last compared.",
            labels=("sink", "kind"),
        )
        self.reconcile_gaps = registry.gauge(
            "sluice_collector_reconcile_gaps",
            "Events that gateways reported and the log has not, when they were last compared.",
            labels=("kind",),
        )
        self.reconcile_failures = registry.counter(
            "sluice_collector_reconcile_failures_total",
            "Times that a sink, or where none is named the log, could not be compared.",
            labels=("sink",),
        )

    def reconciled(self, sink: str, kind: str, missing: int, surplus: int) -> None:
        """A sink was compared; an empty ``sink`` is the log with what was reported."""
        if sink:
            self.reconcile_missing.set(missing, sink, kind)
            self.reconcile_surplus.set(surplus, sink, kind)
        else:
            self.reconcile_gaps.set(missing, kind)

    def reconcile_failed(self, sink: str) -> None:
        """It could not be."""
        self.reconcile_failures.add(1, sink)

    def reconciles_no_more(self) -> None:
        """What it found last says nothing of what is there now: an alert that looks at it must end."""
        for gauge in (self.reconcile_missing, self.reconcile_surplus, self.reconcile_gaps):
            for labels, _ in gauge.series():
                gauge.forget(*labels)

    def of(self, service: str) -> ServiceMetrics:
        """The same, for one service."""
        return ServiceMetrics(self, service)

    def reloaded(self, result: str) -> None:
        """A configuration was read while services ran."""
        self.reloads.add(1, result)

    def forget(self, service: str) -> None:
        """Show no value of this moment of a service that is no more; what was counted stays counted."""
        for metric in self.registry.metrics():
            if isinstance(metric, Gauge) and metric.labels[:1] == _SERVICE:
                for labels, _ in metric.series():
                    if labels[0] == service:
                        metric.forget(*labels)


class ServiceMetrics:
    """Counts what one service does."""

    def __init__(self, catalogue: CollectorMetrics, service: str) -> None:
        self.all = catalogue
        self.service = service
        self._partitions: set[Partition] = set()
        for outcome in get_args(Outcome):  # that nothing was finished is something to be seen
            catalogue.records.add(0, service, outcome)

    def finished(self, outcome: Outcome, count: int) -> None:
        """Records whose outcome is known."""
        if count:
            self.all.records.add(count, self.service, outcome)

    def ended(self, collector: str, outcome: CollectorOutcome, count: int) -> None:
        """One collector is done with so many events."""
        if count:
            self.all.collector_outcomes.add(count, self.service, collector, outcome)

    def broke_off(self, collector: str, *, is_open: bool) -> None:
        """The breaker of a collector's sink opened, or closed."""
        self.all.breaker_open.set(int(is_open), self.service, collector)

    def buried(self, reasons: Iterable[str]) -> None:
        """Dead letters that the log has acknowledged."""
        for reason in reasons:
            self.all.dead_letters.add(1, self.service, reason)

    def spent(self, step: Step, seconds: float) -> None:
        """Time in a step."""
        self.all.step_micros.add(int(seconds * 1_000_000), self.service, step)

    def gathered(self, records: int, size_bytes: int) -> None:
        """A batch goes to the sink."""
        self.all.batch_records.observe(records, self.service)
        self.all.batch_bytes.observe(size_bytes, self.service)

    def wrote(self, seconds: float) -> None:
        """One write, whatever came of it."""
        self.all.write_seconds.observe(seconds, self.service)
        self.spent("write", seconds)

    def retried(self, cause: Retryable | Halt) -> None:
        """Something of a write must be written again."""
        self.all.retries.add(1, self.service, _kind_of(cause))

    def decoded(self, seconds: float, column_failures: int) -> None:
        """One slice was decoded."""
        self.spent("decode", seconds)
        if column_failures:
            self.all.column_failures.add(column_failures, self.service)

    def committed(self, result: CommitResult, seconds: float) -> None:
        """One commit."""
        self.all.commits.add(1, self.service, result)
        self.all.commit_seconds.observe(seconds, self.service)

    def rebalanced(self, change: str) -> None:
        """Partitions came or went."""
        self.all.rebalances.add(1, self.service, change)

    def poll_failed(self, error: Exception) -> None:
        """The log did not answer a poll."""
        self.all.poll_errors.add(1, self.service, type(error).__name__)

    def restarted(self, cause: str) -> None:
        """The service had to begin anew."""
        self.all.restarts.add(1, self.service, cause)

    def in_flight(self, records: int, size_bytes: int, oldest_unfinished_seconds: float) -> None:
        """What is between the log and its outcome now."""
        self.all.in_flight_records.set(records, self.service)
        self.all.in_flight_bytes.set(size_bytes, self.service)
        self.all.oldest_unfinished_seconds.set(oldest_unfinished_seconds, self.service)

    def writing(self, in_flight: int, limit: int, paused_partitions: int) -> None:
        """How the sink's side stands now."""
        self.all.writes_in_flight.set(in_flight, self.service)
        self.all.concurrency_limit.set(limit, self.service)
        self.all.paused_partitions.set(paused_partitions, self.service)

    def stands(self, *, is_ready: bool, is_halted: bool, is_paused: bool = False) -> None:
        """How the service stands now."""
        self.all.paused.set(int(is_paused), self.service)
        self.all.ready.set(int(is_ready), self.service)
        self.all.halted.set(int(is_halted), self.service)

    def lagging(self, records: dict[Partition, int], seconds: float, seconds_to_loss: float | None) -> None:
        """How far behind the service is now, on the partitions that are its."""
        for gone in self._partitions - set(records):
            self.all.lag_records.forget(self.service, gone.topic, str(gone.partition))
        self._partitions = set(records)
        for partition, count in records.items():
            self.all.lag_records.set(count, self.service, partition.topic, str(partition.partition))
        self.all.lag_seconds.set(seconds, self.service)
        if seconds_to_loss is None:
            self.all.seconds_to_loss.forget(self.service)
        else:
            self.all.seconds_to_loss.set(seconds_to_loss, self.service)


def _kind_of(cause: Retryable | Halt) -> str:
    if isinstance(cause, Halt):
        return "halt"
    if isinstance(cause, Waiting):
        return "waiting"
    return "throttled" if cause.throttled else "transient"
