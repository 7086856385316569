"""Metrics: counters, gauges and histograms of one process, rendered as Prometheus text.

A catalogue is a class that asks a ``Registry`` for its metrics once and keeps them as attributes: so each metric has
one name, one meaning and one unit, and counting is a dictionary look-up (about 0.2 µs). Not thread-safe: a registry
belongs to one event loop. Label values come from outside at times, so every metric holds at most ``MAX_SERIES`` of
them; what comes later is counted under ``other``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from sluice.exposition import Exemplar, Family, render_families, render_open_metrics

MAX_SERIES = 1_000
OTHER = "other"

MetricKind = Literal["counter", "gauge", "histogram"]
Labels = tuple[str, ...]


class Metric(ABC):
    """What all metrics have: a name, a meaning, a unit, and label names."""

    kind: MetricKind

    def __init__(self, name: str, meaning: str, unit: str, labels: Sequence[str]) -> None:
        self.name = name
        self.meaning = meaning
        self.unit = unit
        self.labels = tuple(labels)
        self._overflow: Labels = (OTHER,) * len(self.labels)

    @abstractmethod
    def series(self) -> Sequence[tuple[Labels, Any]]:
        """Label values and what was measured for each."""

    def family(self) -> Family:
        """What was measured so far, as plain data."""
        return Family(self.name, self.kind, self.meaning, self.unit, self.labels, self.series())


MetricT = TypeVar("MetricT", bound="Metric")


class Count:
    """How much was counted in one series; whoever counts there often keeps it, and adds to ``amount`` alone."""

    __slots__ = ("amount",)

    def __init__(self) -> None:
        self.amount = 0


class Counter(Metric):
    """Only goes up; named ``…_total``."""

    kind = "counter"

    def __init__(self, name: str, meaning: str, unit: str = "", labels: Sequence[str] = ()) -> None:
        super().__init__(name, meaning, unit, labels)
        self._counts: dict[Labels, Count] = {} if labels else {(): Count()}

    def add(self, amount: int, *labels: str) -> None:
        """Count ``amount`` more for these label values."""
        try:
            self._counts[labels].amount += amount
        except KeyError:
            self.count_of(labels).amount += amount

    def count_of(self, labels: Labels) -> Count:
        """What is counted for these label values, or for ``other``; it is shown from now on."""
        counts = self._counts
        if labels not in counts and len(counts) >= MAX_SERIES:
            labels = self._overflow
        return counts.setdefault(labels, Count())

    def by_label(self) -> Callable[[str], Count]:
        """Finds what is counted for the value of the only label, in a third of the time that ``add`` takes."""
        return _Counts(self).__getitem__

    def value(self, *labels: str) -> int:
        """What was counted for these label values."""
        count = self._counts.get(labels)
        return count.amount if count is not None else 0

    def series(self) -> list[tuple[Labels, int]]:
        """Label values and counts."""
        return [(labels, count.amount) for labels, count in self._counts.items()]


class _Counts(dict[str, Count]):
    """Those of a counter with one label, by its value."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self._counter = counter

    def __missing__(self, value: str) -> Count:
        count = self._counter.count_of((value,))
        if len(self) < MAX_SERIES:
            self[value] = count
        return count


class Gauge(Metric):
    """A value of this moment."""

    kind = "gauge"

    def __init__(self, name: str, meaning: str, unit: str = "", labels: Sequence[str] = ()) -> None:
        super().__init__(name, meaning, unit, labels)
        self._values: dict[Labels, float] = {}

    def set(self, value: float, *labels: str) -> None:
        """The value now."""
        if labels in self._values or len(self._values) < MAX_SERIES:
            self._values[labels] = value
        else:
            self._values[self._overflow] = value

    def forget(self, *labels: str) -> None:
        """Show no value for these label values any more."""
        self._values.pop(labels, None)

    def value(self, *labels: str) -> float | None:
        """What was last set."""
        return self._values.get(labels)

    def series(self) -> list[tuple[Labels, float]]:
        """Label values and values."""
        return list(self._values.items())


class Histogram(Metric):
    """A distribution, in buckets whose upper bounds are given, in the metric's unit."""

    kind = "histogram"

    def __init__(
        self, name: str, meaning: str, unit: str, buckets: Sequence[float], labels: Sequence[str] = ()
    ) -> None:
        super().__init__(name, meaning, unit, labels)
        self.buckets = tuple(buckets)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        self._exemplars: dict[Labels, dict[int, Exemplar]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """One measurement."""
        counts = self._counts.get(labels)
        if counts is None:
            if len(self._counts) >= MAX_SERIES:
                labels = self._overflow
            counts = self._counts.setdefault(labels, [0] * (len(self.buckets) + 1))
            self._sums.setdefault(labels, 0.0)
        counts[bisect_left(self.buckets, value)] += 1
        self._sums[labels] += value

    def exemplify(self, value: float, exemplar: Exemplar, *labels: str) -> None:
        """What was measured last, ``value``, was measured there; each bucket keeps the latest."""
        labels = labels if labels in self._counts else self._overflow
        self._exemplars.setdefault(labels, {})[bisect_left(self.buckets, value)] = exemplar

    def exemplars(self) -> list[list[tuple[int, tuple[str, float, float]]]]:
        """By series, in order: places of buckets with the fields of an ``Exemplar``. Empty where there are none."""
        if not self._exemplars:
            return []
        found = (self._exemplars.get(labels, {}) for labels in self._counts)
        return [[(place, (*exemplar,)) for place, exemplar in each.items()] for each in found]

    def count(self, *labels: str) -> int:
        """How many measurements there were."""
        return sum(self._counts.get(labels, ()))

    def series(self) -> list[tuple[Labels, tuple[list[int], float]]]:
        """Label values, and for each the count of every bucket (the last one is unbounded) and the sum."""
        return [(labels, (list(counts), self._sums[labels])) for labels, counts in self._counts.items()]

    def family(self) -> Family:
        """With the buckets, and the exemplars that there are."""
        return super().family()._replace(buckets=self.buckets, exemplars=self.exemplars())


class Registry:
    """The metrics of one process, each name once."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def counter(self, name: str, meaning: str, unit: str = "", labels: Sequence[str] = ()) -> Counter:
        """Make a counter."""
        return self._add(Counter(name, meaning, unit, labels))

    def gauge(self, name: str, meaning: str, unit: str = "", labels: Sequence[str] = ()) -> Gauge:
        """Make a gauge."""
        return self._add(Gauge(name, meaning, unit, labels))

    def histogram(
        self, name: str, meaning: str, unit: str, buckets: Sequence[float], labels: Sequence[str] = ()
    ) -> Histogram:
        """Make a histogram."""
        return self._add(Histogram(name, meaning, unit, buckets, labels))

    def _add(self, metric: MetricT) -> MetricT:
        if metric.name in self._metrics:
            message = f"metric {metric.name!r} exists already"
            raise ValueError(message)
        self._metrics[metric.name] = metric
        return metric

    def metrics(self) -> list[Metric]:
        """All of them, in the order in which they were made."""
        return list(self._metrics.values())

    def families(self) -> list[Family]:
        """Everything measured so far, as plain data that can be sent to another process."""
        return [metric.family() for metric in self._metrics.values()]

    def render(self, extra: Mapping[str, str] | None = None) -> str:
        """Prometheus text, with ``extra`` labels on every line."""
        return render_families([(dict(extra or {}), self.families())])

    def render_open(self, extra: Mapping[str, str] | None = None) -> str:
        """OpenMetrics, with exemplars."""
        return render_open_metrics([(dict(extra or {}), self.families())])
