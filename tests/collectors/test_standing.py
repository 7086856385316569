"""How a service stands, as operators are told: true at this moment, and about this service alone."""

from __future__ import annotations

import pytest

from collectors.errors import Halt
from collectors.metrics import CollectorMetrics
from collectors.standing import Rates, families_of, standing_of
from sluice.eventlog.interface import Partition
from tests.collectors.test_server import Clock, give_life, services_on

ANALYTICS = Partition("sluice.analytics.v1", 0)


def test_everything_is_told() -> None:
    """Assignment, lag by partition and in all, outcomes, retries, dead letters, the last error and how long ago."""
    clock, metrics = Clock(), CollectorMetrics()
    service, other = services_on(clock, metrics, "a", "b")
    for each, count in ((service, 3), (other, 99)):
        of = metrics.of(each.name)
        of.finished("delivered", count)
        of.buried(["bad_body"] * count)
        of.lagging({ANALYTICS: count}, 4.0, 100.0)
    give_life(service, 7.0)
    service.health.halt("sink", Halt("403", "grant it"))
    service.health.clear("sink")
    clock.seconds += 5
    found = standing_of(service, metrics, 12.34)
    assert found["assignment"] == ["sluice.analytics.v1/0"]
    assert (found["lag_records"], found["lag_by_partition"]) == (3, {"sluice.analytics.v1/0": 3})
    assert (found["lag_seconds"], found["seconds_to_loss"], found["oldest_unfinished_seconds"]) == (4.0, 100.0, 7.0)
    assert (found["outcomes"], found["dead_letters"], found["retries"]) == ({"delivered": 3}, {"bad_body": 3}, {})
    assert found["last_error"] == {"where": "sink", "reason": "403; grant it", "seconds_ago": 5.0}
    assert (found["records_per_second"], found["state"], found["collectors"]) == (12.3, "running", ["a"])


@pytest.mark.parametrize(
    ("does", "state"),
    [("halt", "halted"), ("pause", "paused"), ("stop", "not running"), ("trouble", "in trouble"), ("", "running")],
)
def test_the_state_is_a_word(does: str, state: str) -> None:
    """What keeps it from running: a halt before a pause, as it waits for somebody who does not know."""
    clock, metrics = Clock(), CollectorMetrics()
    [service] = services_on(clock, metrics, "a")
    if does in {"halt", "pause"}:
        service.health.pause()
    if does == "halt":
        service.health.halt("sink", Halt("403", "grant it"))
    if does == "stop":
        service.health.is_running = False
    if does == "trouble":
        service.health.trouble("sink", "away")
    assert standing_of(service, metrics, None)["state"] == state


def test_a_rate_is_of_the_last_minute() -> None:
    """None before there is a sample; a service that appears later counts from zero."""
    metrics = CollectorMetrics()
    rates = Rates(metrics)
    assert rates.per_second("a", 0.0) is None
    for second in range(0, 300, 5):
        metrics.of("a").finished("delivered", 50)
        rates.sample(float(second))
    assert rates.per_second("a", 295.0) == pytest.approx(10.0)
    metrics.of("b").finished("filtered", 60)
    assert rates.per_second("b", 295.0) == pytest.approx(1.0)
    assert rates.per_second("nobody", 295.0) == 0


def test_metrics_of_one_service_are_its_own() -> None:
    """Histograms too; what has no service is not anybody's."""
    metrics = CollectorMetrics()
    for name in ("a", "b"):
        metrics.of(name).gathered(3, 100)
    metrics.loop_lag.set(1.0)
    found = {family.name: family for family in families_of(metrics.registry.families(), "a")}
    assert [labels for labels, _ in found["sluice_collector_batch_records"].series] == [("a",)]
    assert "sluice_collector_loop_lag_seconds" not in found
