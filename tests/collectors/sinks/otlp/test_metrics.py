"""Metrics: sums that equal the events, series by the conventions, windows that never overlap."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from collectors.deliveries import Frame
from collectors.sinks.otlp.metrics import (
    CHARGED,
    COST,
    DURATION,
    SECOND_BOUNDS,
    TOKEN_BOUNDS,
    TOKEN_USAGE,
    Usage,
    metrics_request,
    points_in,
    usages_of,
)
from collectors.sinks.otlp.settings import OtlpSettings
from tests.collectors.sinks.otlp.receiver import attributes_of, exemplar_ids, metrics_in
from tests.contracts.sink_laws import LogPart, ids_of

SETTINGS = OtlpSettings()


def usages(frame: Frame, settings: OtlpSettings = SETTINGS, window: tuple[int, int] = (1_000, 2_000)) -> list[Usage]:
    """One for each event of a frame."""
    return usages_of(frame, settings, window, [0] * len(frame.delivery))


def metrics(items: list[Usage], settings: OtlpSettings = SETTINGS) -> dict[str, Metric]:
    """By name, of one request."""
    return {metric.name: metric for metric in metrics_in(metrics_request(items, settings, "me"))}


def of(frame: Frame, **settings: Any) -> dict[str, Metric]:
    """The metrics of a frame."""
    given = OtlpSettings.model_validate(settings)
    return metrics(usages(frame, given), given)


def test_tokens_and_seconds_by_the_conventions() -> None:
    """Names, units, bounds, attributes; every value is in one bucket."""
    found = of(LogPart().frame("analytics", 4))
    assert (found[TOKEN_USAGE].unit, found[DURATION].unit) == ("{token}", "s")
    points = found[TOKEN_USAGE].histogram.data_points
    by_type = {attributes_of(point)["gen_ai.token.type"]: point for point in points}
    assert {kind: (point.count, point.sum) for kind, point in by_type.items()} == {"input": (4, 48), "output": (4, 136)}
    assert tuple(by_type["input"].explicit_bounds) == TOKEN_BOUNDS
    assert list(by_type["input"].bucket_counts).index(4) == 2  # 12 is above 4 and up to 16
    [took] = found[DURATION].histogram.data_points
    assert (took.count, round(took.sum, 6), took.min, took.max) == (4, 0.006, 0.0015, 0.0015)
    assert tuple(took.explicit_bounds) == SECOND_BOUNDS
    assert attributes_of(took) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o",
        "sluice.app_id": 7,
        "sluice.llm_slug": "gpt",
    }


def test_money_is_added_as_integers() -> None:
    """A thousand thirds of a cent are exactly their sum: a float is made once, at the end."""
    [point] = of(LogPart().frame("analytics", 1_000, cost_nanos=3_333_333))[COST].sum.data_points
    assert point.as_double == 3.333333
    assert attributes_of(point)["sluice.currency"] == "USD"


def test_what_is_not_known_is_not_counted() -> None:
    """Absent tokens and unpriced calls are no zeros; zero is."""
    unknown = {"prompt_tokens": None, "response_tokens": 0, "cost_nanos": None, "model_name": None}
    found = of(LogPart().frame("analytics", 2, **unknown))
    assert COST not in found
    [point] = found[TOKEN_USAGE].histogram.data_points
    assert (attributes_of(point)["gen_ai.token.type"], point.count, point.sum) == ("output", 2, 0)
    assert "gen_ai.request.model" not in attributes_of(point)


def test_failures_are_series_of_their_own() -> None:
    """By ``error.type``; an event that went well has none."""
    log = LogPart()
    records = [
        log.frame("analytics", 1, outcome=outcome).delivery.records[0] for outcome in ("ok", "upstream_error", "ok")
    ]
    log.assign()
    points = of(log.deliver(records, "analytics"))[DURATION].histogram.data_points
    assert {attributes_of(point).get("error.type"): point.count for point in points} == {None: 2, "upstream_error": 1}


def test_dimensions_are_the_operator_s() -> None:
    """None but the conventions' where none are named."""
    [point] = of(LogPart().frame("analytics", 1), metric_dimensions=[])[DURATION].histogram.data_points
    assert not [key for key in attributes_of(point) if key.startswith("sluice.")]
    [point] = of(LogPart().frame("analytics", 1), metric_dimensions=["gateway_id"])[DURATION].histogram.data_points
    assert attributes_of(point)["sluice.gateway_id"] == "gw-1"


def test_budget_events_are_what_was_charged() -> None:
    """Corrections may lower it: that sum is not monotonic, and nothing else is made of budgets."""
    frame = LogPart().frame("budget", 3, cost_nanos=-500_000_000)
    found = of(frame)
    assert list(found) == [CHARGED]
    assert not found[CHARGED].sum.is_monotonic
    [point] = found[CHARGED].sum.data_points
    assert point.as_double == -1.5


def test_every_event_can_be_found_again() -> None:
    """As an exemplar, with its id and its trace."""
    frames = [LogPart().frame("analytics", 5), LogPart().frame("budget", 5)]
    for frame in frames:
        assert sorted(exemplar_ids(list(of(frame).values()))) == sorted(ids_of(frame))
    point = of(frames[1])[CHARGED].sum.data_points[0]
    assert point.exemplars[0].trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"


def test_disjoint_runs_have_disjoint_windows() -> None:
    """Delta points of one series that overlap are dropped by receivers; a retry has the very same window."""
    items = usages(LogPart().frame("analytics", 10), window=(5_000, 5_010))
    assert [(item.start, item.end) for item in items] == [(5_000 + at, 5_001 + at) for at in range(10)]
    windows = []
    for run in (items[:5], items[5:], items[:5]):
        point = metrics(run)[DURATION].histogram.data_points[0]
        windows.append((point.start_time_unix_nano, point.time_unix_nano))
    assert windows == [(5_000, 5_005), (5_005, 5_010), (5_000, 5_005)]


def test_all_are_deltas() -> None:
    """A collector that restarts has nothing to go on from, and needs nothing."""
    found = of(LogPart().frame("analytics", 1))
    held = [metric.sum if metric.HasField("sum") else metric.histogram for metric in found.values()]
    assert {data.aggregation_temporality for data in held} == {AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA}
    assert points_in(metrics_request(usages(LogPart().frame("analytics", 1)), SETTINGS, "me")) == 4
