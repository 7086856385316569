"""The collectors' metrics: one catalogue, counted by service, and gone when they are nobody's any more."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from collectors.errors import Halt, Retryable
from collectors.metrics import CollectorMetrics, Outcome, ServiceMetrics
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition
from sluice.telemetry import Counter, Gauge, Histogram

FIRST, SECOND = Partition("t", 0), Partition("t", 1)


def service() -> tuple[CollectorMetrics, ServiceMetrics]:
    """A catalogue and one service's view of it."""
    catalogue = CollectorMetrics()
    return catalogue, catalogue.of("a")


_PROCESS = ("loop_lag", "retention", "reconcile", "reloads", "configuration", "budget", "archive")
OF_THE_PROCESS = tuple(f"sluice_collector_{name}" for name in _PROCESS)
"""What is of no one service."""


def metrics_of(catalogue: CollectorMetrics) -> list[Counter | Gauge | Histogram]:
    """Every metric that is an attribute of the catalogue, or of a part of it."""
    parts = (catalogue, catalogue.budget_truth, catalogue.archive)
    found = [each for part in parts for each in vars(part).values()]
    return [each for each in found if isinstance(each, Counter | Gauge | Histogram)]


def test_every_metric_is_kept_named_and_explained() -> None:
    """One prefix, a sentence, a unit in the name, and nothing in the registry that no attribute holds."""
    catalogue = CollectorMetrics()
    found = metrics_of(catalogue)
    assert {metric.name for metric in found} == {family.name for family in catalogue.registry.families()}
    for metric in found:
        assert re.fullmatch(r"sluice_collector_[a-z_]+", metric.name)
        assert metric.meaning.endswith(".")
        assert metric.name.endswith("_total") == isinstance(metric, Counter)
        assert (metric.labels[:1] == ("service",)) != metric.name.startswith(OF_THE_PROCESS)


def test_buckets_only_rise() -> None:
    """A histogram whose buckets do not rise counts wrong."""
    for metric in metrics_of(CollectorMetrics()):
        if isinstance(metric, Histogram):
            assert list(metric.buckets) == sorted(set(metric.buckets))


def test_services_are_counted_apart() -> None:
    """Two views of one catalogue share names and no values."""
    catalogue, one = service()
    other = catalogue.of("b")
    one.finished("delivered", 3)
    other.finished("delivered", 4)
    other.finished("dead_lettered", 1)
    assert [catalogue.records.value(name, "delivered") for name in ("a", "b")] == [3, 4]
    assert catalogue.records.value("a", "dead_lettered") == 0


def test_nothing_done_makes_no_series() -> None:
    """A zero is not worth a line, but for what was finished: that nothing was is to be seen."""
    catalogue, one = service()
    one.finished("revoked", 0)
    one.decoded(0.5, 0)
    assert {count for _, count in catalogue.records.series()} == {0}
    assert catalogue.column_failures.series() == []


def test_collectors_are_counted_apart() -> None:
    """What each of a service did, and whether its sink is left alone; nothing done makes no series."""
    catalogue = CollectorMetrics()
    metrics = catalogue.of("s")
    metrics.ended("a", "handled", 3)
    metrics.ended("b", "passed", 2)
    metrics.ended("b", "handled", 0)
    metrics.broke_off("b", is_open=True)
    metrics.broke_off("a", is_open=False)
    lines = [line for line in catalogue.registry.render().splitlines() if line.startswith("sluice_collector_")]
    assert [line for line in lines if "collector=" in line] == [
        'sluice_collector_outcomes_total{service="s",collector="a",outcome="handled"} 3',
        'sluice_collector_outcomes_total{service="s",collector="b",outcome="passed"} 2',
        'sluice_collector_breaker_open{service="s",collector="b"} 1',
        'sluice_collector_breaker_open{service="s",collector="a"} 0',
    ]


def test_dead_letters_count_by_reason() -> None:
    """Each letter once under its own reason."""
    catalogue, one = service()
    one.buried(["bad_body", "too_large", "bad_body"])
    one.buried([])
    assert sorted(catalogue.dead_letters.series()) == [(("a", "bad_body"), 2), (("a", "too_large"), 1)]


def test_seconds_become_microseconds_by_step() -> None:
    """Steps add up as integers, a write is a step too, and decoding counts what columns could not do."""
    catalogue, one = service()
    one.spent("poll", 0.25)
    one.spent("poll", 0.000_001_5)
    one.wrote(2.0)
    one.decoded(0.001, 3)
    assert catalogue.step_micros.value("a", "poll") == 250_001
    assert catalogue.step_micros.value("a", "write") == 2_000_000
    assert catalogue.step_micros.value("a", "decode") == 1_000
    assert catalogue.write_seconds.count("a") == 1
    assert catalogue.column_failures.value("a") == 3


def test_a_batch_is_measured_in_both_bounds() -> None:
    """By count and by bytes, values above the last bucket included."""
    catalogue, one = service()
    one.gathered(1, 10)
    one.gathered(10**9, 10**12)
    [(_, (records, record_sum))] = catalogue.batch_records.series()
    [(_, (sizes, _))] = catalogue.batch_bytes.series()
    assert (records[0], records[-1], record_sum) == (1, 1, 1 + 10**9)
    assert (sizes[0], sizes[-1]) == (1, 1)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Retryable("503"), "transient"),
        (Retryable("429", 3.0, throttled=True), "throttled"),
        (Halt("403", "grant it"), "halt"),
    ],
)
def test_retries_count_by_what_to_do(cause: Retryable | Halt, kind: str) -> None:
    """Three causes, never the message: it would be a series for each."""
    catalogue, one = service()
    one.retried(cause)
    assert catalogue.retries.series() == [(("a", kind), 1)]


def test_poll_errors_count_by_class() -> None:
    """A lost offset is not a broker that is away; messages are no labels."""
    catalogue, one = service()
    one.poll_failed(EventLogError("x"))
    one.poll_failed(EventLogError("y"))
    one.poll_failed(OffsetLostError("z"))
    assert sorted(catalogue.poll_errors.series()) == [(("a", "EventLogError"), 2), (("a", "OffsetLostError"), 1)]


def test_commits_rebalances_and_restarts_are_counted() -> None:
    """Each by its result, and each commit is measured whatever came of it."""
    catalogue, one = service()
    for result in ("stored", "refused", "failed"):
        one.committed(result, 0.1)
    one.rebalanced("assigned")
    one.restarted("stall")
    assert [catalogue.commits.value("a", result) for result in ("stored", "refused", "failed")] == [1, 1, 1]
    assert catalogue.commit_seconds.count("a") == 3
    assert catalogue.rebalances.value("a", "assigned") == 1
    assert catalogue.restarts.value("a", "stall") == 1


def test_gauges_show_this_moment() -> None:
    """The last value and no sum; a truth is 0 or 1."""
    catalogue, one = service()
    for records in (5, 2):
        one.in_flight(records, 10 * records, 1.5)
        one.writing(records, 8, 1)
    one.stands(is_ready=True, is_halted=False)
    assert catalogue.in_flight_records.value("a") == 2
    assert catalogue.in_flight_bytes.value("a") == 20
    assert catalogue.oldest_unfinished_seconds.value("a") == 1.5
    assert catalogue.writes_in_flight.value("a") == 2
    assert catalogue.concurrency_limit.value("a") == 8
    assert catalogue.paused_partitions.value("a") == 1
    assert (catalogue.ready.value("a"), catalogue.halted.value("a")) == (1, 0)
    assert 'sluice_collector_ready{service="a"} 1' in catalogue.registry.render()


def test_a_partition_that_went_has_no_lag() -> None:
    """Another member shows it now: two lines of one partition would be added up. Another service's stay."""
    catalogue, one = service()
    other = catalogue.of("b")
    other.lagging({FIRST: 9}, 1.0, None)
    one.lagging({FIRST: 7, SECOND: 3}, 12.5, 600.0)
    assert catalogue.lag_records.value("a", "t", "1") == 3
    one.lagging({FIRST: 5}, 0.0, None)
    assert catalogue.lag_records.value("a", "t", "0") == 5
    assert catalogue.lag_records.value("a", "t", "1") is None
    assert catalogue.lag_records.value("b", "t", "0") == 9
    one.lagging({}, 0.0, None)
    assert [labels for labels, _ in catalogue.lag_records.series()] == [("b", "t", "0")]


def test_no_loss_ahead_is_no_line() -> None:
    """Where nothing is behind there is no time to loss: a zero would say that it happens now."""
    catalogue, one = service()
    one.lagging({FIRST: 7}, 12.5, 600.0)
    assert (catalogue.lag_seconds.value("a"), catalogue.seconds_to_loss.value("a")) == (12.5, 600.0)
    one.lagging({FIRST: 0}, 0.0, None)
    assert (catalogue.lag_seconds.value("a"), catalogue.seconds_to_loss.value("a")) == (0.0, None)
    one.lagging({FIRST: 7}, 12.5, -3.0)
    assert catalogue.seconds_to_loss.value("a") == -3.0


def test_of_a_service_that_is_no_more_no_gauge_is_left() -> None:
    """It would be alarmed by for ever; what was counted stays, and so does what others have."""
    catalogue = CollectorMetrics()
    for name in ("gone", "here"):
        catalogue.of(name).stands(is_ready=False, is_halted=True)
        catalogue.of(name).lagging({Partition("t", 1): 5}, 1.0, 2.0)
        catalogue.of(name).finished("delivered", 3)
    catalogue.configuration_stale.set(1)
    catalogue.forget("gone")
    text = catalogue.registry.render()
    assert [line for line in text.splitlines() if 'service="gone"' in line and not line.endswith(" 0")] == [
        'sluice_collector_records_total{service="gone",outcome="delivered"} 3'
    ]
    assert 'sluice_collector_lag_records{service="here",topic="t",partition="1"} 5' in text
    assert "sluice_collector_configuration_stale 1" in text


def test_reloads_are_counted_by_what_came_of_them() -> None:
    """Each is one."""
    catalogue = CollectorMetrics()
    for result in ("applied", "refused", "applied"):
        catalogue.reloaded(result)
    assert (catalogue.reloads.value("applied"), catalogue.reloads.value("refused")) == (2, 1)


def test_a_store_fails_until_it_does_not() -> None:
    """A failure in a day is one in a day, however seldom it is tried: what counts is whether the last one worked. What
    there is no more does not fail."""
    metrics = CollectorMetrics()
    metrics.retained("search", "analytics", -1)
    metrics.retained("", "", -1)
    assert [value for _, value in metrics.retention_failing.series()] == [1, 1]
    metrics.retained("search", "analytics", 0)
    metrics.retained("", "", 0)
    assert [value for _, value in metrics.retention_failing.series()] == [0, 0]
    assert metrics.retention_deleted.series() == [(("search", "analytics"), 0)]
    metrics.retention_begins()
    assert metrics.retention_failing.series() == []


def test_that_a_service_has_finished_nothing_can_be_seen() -> None:
    """From its start, by every outcome: an alert that compares with zero needs a zero."""
    metrics = CollectorMetrics()
    metrics.of("s")
    assert metrics.registry.render().count('sluice_collector_records_total{service="s"') == len(get_args(Outcome))
