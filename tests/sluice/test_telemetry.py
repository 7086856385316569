"""Metrics: what is counted is what is shown, and nothing from outside can make them grow without bound."""

from __future__ import annotations

import pytest

from sluice.exposition import Exemplar
from sluice.telemetry import MAX_SERIES, OTHER, Registry


def test_counters_count_per_label_values() -> None:
    """Each combination of label values has its own count."""
    counter = Registry().counter("sluice_things_total", "Things.", labels=("outcome",))
    counter.add(1, "ok")
    counter.add(2, "ok")
    counter.add(5, "bad")
    assert counter.value("ok") == 3
    assert counter.value("bad") == 5
    assert counter.value("never") == 0


def test_a_counter_without_labels_is_shown_before_it_counts() -> None:
    """A zero that is shown can be alerted on; an absent line cannot."""
    registry = Registry()
    registry.counter("sluice_things_total", "Things.")
    assert "sluice_things_total 0\n" in registry.render()


def test_series_are_bounded() -> None:
    """Label values may come from clients: beyond the bound they are counted together."""
    counter = Registry().counter("sluice_things_total", "Things.", labels=("network",))
    for number in range(MAX_SERIES + 10):
        counter.add(1, str(number))
    assert len(counter.series()) == MAX_SERIES + 1
    assert counter.value(OTHER) == 10


def test_a_count_that_is_kept_is_the_series_of_its_label() -> None:
    """However it is found, bounded alike, and shown from when it is first asked for."""
    counter = Registry().counter("sluice_things_total", "Things.", labels=("network",))
    count_of = counter.by_label()
    assert counter.series() == []
    counter.add(1, "a")
    count_of("a").amount += 2
    count_of("b").amount += 4
    assert counter.series() == [(("a",), 3), (("b",), 4)]
    for number in range(2 * MAX_SERIES):
        count_of(str(number)).amount += 1
        count_of(str(number)).amount += 1
    assert len(counter.series()) == MAX_SERIES + 1
    assert counter.value(OTHER) == 2 * (MAX_SERIES + 2)


def test_gauges_are_bounded_and_forget() -> None:
    """A gauge shows the last value, and none once it is forgotten."""
    gauge = Registry().gauge("sluice_level", "Level.", labels=("partition",))
    for number in range(MAX_SERIES + 10):
        gauge.set(number, str(number))
    assert gauge.value(OTHER) == MAX_SERIES + 9
    gauge.set(7.5, "3")
    assert gauge.value("3") == 7.5
    gauge.forget("3")
    assert gauge.value("3") is None


def test_histograms_put_measurements_into_buckets() -> None:
    """A value lies in the first bucket whose bound it does not pass; the last bucket has no bound."""
    histogram = Registry().histogram("sluice_seconds", "Time.", "seconds", (0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    ((_, (counts, total)),) = histogram.series()
    assert counts == [2, 1, 1]
    assert total == pytest.approx(7.65)
    assert histogram.count() == 4


def test_histogram_series_are_bounded() -> None:
    """As those of counters."""
    histogram = Registry().histogram("sluice_seconds", "Time.", "seconds", (1.0,), ("who",))
    for number in range(MAX_SERIES + 10):
        histogram.observe(0.5, str(number))
    assert len(histogram.series()) == MAX_SERIES + 1
    assert histogram.count(OTHER) == 10


def test_a_name_is_given_once() -> None:
    """Two metrics of one name would be one line with two meanings."""
    registry = Registry()
    registry.counter("sluice_things_total", "Things.")
    with pytest.raises(ValueError, match="exists already"):
        registry.gauge("sluice_things_total", "Things.")


def test_each_bucket_keeps_its_latest_exemplar() -> None:
    """A flood of traces keeps one a bucket; series that overflow share theirs."""
    histogram = Registry().histogram("sluice_seconds", "Time.", "seconds", (1.0,), labels=("name",))
    for number in range(100):
        histogram.observe(0.5, "a")
        histogram.exemplify(0.5, Exemplar(f"{number:032x}", 0.5, 1.0), "a")
    histogram.observe(0.5, "b")
    assert histogram.exemplars() == [[(0, Exemplar(f"{99:032x}", 0.5, 1.0))], []]
    for number in range(MAX_SERIES + 5):
        histogram.observe(2.0, str(number))
        histogram.exemplify(2.0, Exemplar("e" * 32, 2.0, 1.0), str(number))
    assert len(histogram.exemplars()) == len(histogram.series()) == MAX_SERIES + 1


def test_without_exemplars_nothing_is_carried() -> None:
    """Nobody pays for what is not there."""
    histogram = Registry().histogram("sluice_seconds", "Time.", "seconds", (1.0,))
    histogram.observe(0.5)
    assert histogram.exemplars() == []
