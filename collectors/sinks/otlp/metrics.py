"""Analytics as GenAI metrics, budget events as what was charged: deltas, added up within a request.

Each event is an exemplar of the series that it is in, with its ids: so a backend that keeps them leads to the exchange.
It has a slice of time of its own, given when its batch is made: disjoint runs of events have disjoint windows, as the
data model asks of one writer, and a request that comes again has the windows it had.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Exemplar,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

from collectors.deliveries import Frame
from collectors.sinks.otlp.attributes import (
    SCOPE,
    Value,
    attribute,
    attributes,
    nanos_of,
    provider_of,
    resource,
    trace_id_of,
)
from collectors.sinks.otlp.settings import OtlpSettings

TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105 - a metric's name
DURATION = "gen_ai.client.operation.duration"
COST = "sluice.gen_ai.client.cost"
CHARGED = "sluice.budget.charged"

TOKEN_BOUNDS = tuple(float(4**power) for power in range(14))
"""1, 4, 16 … 67,108,864, as the conventions advise."""
SECOND_BOUNDS = tuple(0.01 * 2**power for power in range(14))
"""0.01, 0.02, 0.04 … 81.92, as the conventions advise."""

_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_NANOS = 1_000_000_000
_MICROS = 1_000_000

Key = tuple[tuple[str, Value], ...]


class Usage(NamedTuple):
    """What one event adds to the metrics, and its slice of time in nanoseconds."""

    event_id: str
    trace_id: str
    at: int
    """When it was completed, in nanoseconds."""
    key: Key
    prompt_tokens: int | None
    response_tokens: int | None
    seconds: float | None
    """``None`` for a budget event, which is no operation."""
    error_type: str
    cost_nanos: int | None
    currency: str
    start: int
    end: int
    request: int


_COMMON = ("event_id", "trace_id", "completed_at", "cost_nanos", "currency", "vendor", "model_name")
_OF_ANALYTICS = (*_COMMON, "prompt_tokens", "response_tokens", "total_micros", "outcome")


def usages_of(frame: Frame, settings: OtlpSettings, window: tuple[int, int], requests: Sequence[int]) -> list[Usage]:
    """One for each row; the window is divided among them."""
    is_budget = frame.kind == "budget"
    read = {*(_COMMON if is_budget else _OF_ANALYTICS), *settings.metric_dimensions}
    start, width = window[0], (window[1] - window[0]) // max(1, frame.rows.height)
    found = []
    for at, row in enumerate(frame.rows.select(read).iter_rows(named=True)):
        outcome = "ok" if is_budget else row["outcome"]
        found.append(
            Usage(
                event_id=row["event_id"],
                trace_id=row["trace_id"],
                at=nanos_of(row["completed_at"]),
                key=_key(row, settings),
                prompt_tokens=row.get("prompt_tokens"),
                response_tokens=row.get("response_tokens"),
                seconds=None if is_budget else row["total_micros"] / _MICROS,
                error_type="" if outcome == "ok" else outcome,
                cost_nanos=row["cost_nanos"],
                currency=row["currency"],
                start=start + at * width,
                end=start + (at + 1) * width,
                request=requests[at],
            )
        )
    return found


def _key(row: Mapping[str, Any], settings: OtlpSettings) -> Key:
    return (
        ("gen_ai.operation.name", settings.operation_name),
        ("gen_ai.provider.name", provider_of(row["vendor"])),
        ("gen_ai.request.model", row["model_name"]),
        ("gen_ai.response.model", row["model_name"]),
        *((f"sluice.{name}", row[name]) for name in settings.metric_dimensions),
    )


@dataclass(slots=True)
class _Distribution:
    """Values of one series, in buckets: each holds what is above the bound before it, up to its own."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0
    least: float = 0
    most: float = 0
    exemplars: list[Exemplar] = field(default_factory=list)

    def add(self, value: float) -> None:
        if not self.counts:
            self.counts, self.least, self.most = [0] * (len(self.bounds) + 1), value, value
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)


@dataclass(slots=True)
class _Amount:
    """Money of one series, in nanos: added as integers."""

    nanos: int = 0
    exemplars: list[Exemplar] = field(default_factory=list)


@dataclass(slots=True)
class _Sums:
    """What the events of a request come to."""

    tokens: dict[Key, _Distribution] = field(default_factory=dict)
    seconds: dict[Key, _Distribution] = field(default_factory=dict)
    cost: dict[Key, _Amount] = field(default_factory=dict)
    charged: dict[Key, _Amount] = field(default_factory=dict)

    def add(self, item: Usage) -> None:
        if item.seconds is None:
            self._pay(self.charged, item, item.cost_nanos or 0, with_exemplar=True)
            return
        for kind, count in (("input", item.prompt_tokens), ("output", item.response_tokens)):
            if count is not None:
                key = (*item.key, ("gen_ai.token.type", kind))
                self.tokens.setdefault(key, _Distribution(TOKEN_BOUNDS)).add(count)
        key = (*item.key, ("error.type", item.error_type))
        took = self.seconds.setdefault(key, _Distribution(SECOND_BOUNDS))
        took.add(item.seconds)
        took.exemplars.append(_exemplar(item, item.seconds))
        if item.cost_nanos is not None:
            self._pay(self.cost, item, item.cost_nanos, with_exemplar=False)

    def _pay(self, series: dict[Key, _Amount], item: Usage, nanos: int, *, with_exemplar: bool) -> None:
        amount = series.setdefault((*item.key, ("sluice.currency", item.currency)), _Amount())
        amount.nanos += nanos
        if with_exemplar:
            amount.exemplars.append(_exemplar(item, nanos / _NANOS))


def _exemplar(item: Usage, value: float) -> Exemplar:
    named = [attribute("sluice.event_id", item.event_id)]
    exemplar = Exemplar(filtered_attributes=named, time_unix_nano=item.at, as_double=value)
    if trace_id := trace_id_of(item.trace_id):
        exemplar.trace_id = trace_id
    return exemplar


def metrics_request(items: Sequence[Usage], settings: OtlpSettings, instance_id: str) -> ExportMetricsServiceRequest:
    """These in one request: their sums, over the window from the first to the last."""
    sums = _Sums()
    for item in items:
        sums.add(item)
    window = items[0].start, items[-1].end
    metrics = [
        _histogram(TOKEN_USAGE, "{token}", "Tokens used by operations.", sums.tokens, window),
        _histogram(DURATION, "s", "Duration of operations.", sums.seconds, window),
        _sum(COST, "Cost of operations, in the currency that sluice.currency names.", sums.cost, window),
        _sum(CHARGED, "Charged to budgets, in that currency; corrections may lower it.", sums.charged, window),
    ]
    return ExportMetricsServiceRequest(
        resource_metrics=[
            ResourceMetrics(
                resource=resource(settings.service_name, instance_id, settings.resource_attributes.items()),
                scope_metrics=[ScopeMetrics(scope=SCOPE, metrics=[metric for metric in metrics if metric is not None])],
            )
        ]
    )


def _histogram(
    name: str, unit: str, meaning: str, series: Mapping[Key, _Distribution], window: tuple[int, int]
) -> Metric | None:
    if not series:
        return None
    points = [
        HistogramDataPoint(
            attributes=attributes(key),
            start_time_unix_nano=window[0],
            time_unix_nano=window[1],
            count=sum(found.counts),
            sum=found.total,
            bucket_counts=found.counts,
            explicit_bounds=found.bounds,
            min=found.least,
            max=found.most,
            exemplars=found.exemplars,
        )
        for key, found in series.items()
    ]
    histogram = Histogram(data_points=points, aggregation_temporality=_DELTA)
    return Metric(name=name, unit=unit, description=meaning, histogram=histogram)


def _sum(name: str, meaning: str, series: Mapping[Key, _Amount], window: tuple[int, int]) -> Metric | None:
    if not series:
        return None
    points = [
        NumberDataPoint(
            attributes=attributes(key),
            start_time_unix_nano=window[0],
            time_unix_nano=window[1],
            as_double=found.nanos / _NANOS,
            exemplars=found.exemplars,
        )
        for key, found in series.items()
    ]
    total = Sum(data_points=points, aggregation_temporality=_DELTA, is_monotonic=name == COST)
    return Metric(name=name, unit="1", description=meaning, sum=total)


def points_in(request: ExportMetricsServiceRequest) -> int:
    """How many data points a request holds."""
    return sum(map(len, _points(request)))


def _points(request: ExportMetricsServiceRequest) -> Iterator[Sequence[Any]]:
    for within in request.resource_metrics:
        for scope in within.scope_metrics:
            for metric in scope.metrics:
                yield metric.sum.data_points if metric.HasField("sum") else metric.histogram.data_points
