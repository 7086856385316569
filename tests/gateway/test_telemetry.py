"""The gateway's metrics: every outcome is counted once, and what is shown is what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.telemetry import GatewayMetrics
from gateway.tracing.trace import Trace
from sluice.money.usage import Usage
from tests.gateway.test_exchange import an_exchange
from tests.sluice.eventlog.journal.making import begun


def test_an_exchange_is_counted_by_its_outcome() -> None:
    """Once, with its duration; without an outcome it was our own fault."""
    metrics = GatewayMetrics()
    for outcome in ("ok", "ok", "client_closed", None):
        metrics.count(an_exchange(outcome=outcome))
    assert metrics.exchanges.series() == [(("ok",), 2), (("client_closed",), 1), (("gateway_error",), 1)]
    assert metrics.duration.count() == 4
    assert metrics.totals.outcomes["ok"] == 2


def test_tokens_and_money_are_counted_where_there_are_any() -> None:
    """By kind and by how sure we are; an unpriced exchange adds no cost, and absent counts are none."""
    metrics = GatewayMetrics()
    metrics.count(an_exchange(outcome="ok", usage=Usage(10, 5), cost_nanos=7, cost_status="exact"))
    metrics.count(an_exchange(outcome="ok", usage=Usage(1, None), cost_nanos=3, cost_status="estimated"))
    metrics.count(an_exchange(outcome="ok", usage=Usage(1, 1), cost_nanos=None, cost_status="unpriced"))
    metrics.count(an_exchange(outcome="upstream_error", cost_nanos=0, cost_status="exact"))
    assert (metrics.tokens.value("prompt"), metrics.tokens.value("response")) == (12, 6)
    assert metrics.cost.series() == [(("exact",), 7), (("estimated",), 3)]
    assert metrics.totals.cost_nanos == 10


async def test_drops_are_what_was_answered_without_a_record(tmp_path: Path) -> None:
    """By reason, over all networks and errors; nothing observed yet is zero."""
    metrics = GatewayMetrics()
    assert metrics.drops() == {"refusals_not_recorded": 0, "commits_failed": 0, "dropped": 0, "undurable": 0}
    for network in ("192.0.0.0/16", "10.0.0.0/16"):
        metrics.unrecorded.add(2, "auth_failed", network)
    metrics.commit_failures.add(1, "CommitFailedError")
    metrics.commit_failures.add(1, "CommitTimeoutError")
    journal = begun(tmp_path)
    journal.counters.exchanges_dropped, journal.counters.exchanges_undurable = 5, 6
    metrics.log.observe(journal, None)
    assert metrics.drops() == {"refusals_not_recorded": 4, "commits_failed": 2, "dropped": 5, "undurable": 6}
    await journal.close()


def test_every_metric_has_a_name_a_meaning_and_a_unit() -> None:
    """Names begin with ``sluice_``, counters end in ``_total``, meanings are sentences, units are in the name."""
    for family in GatewayMetrics().registry.families():
        name, kind, meaning, unit = family[:4]
        assert name.startswith("sluice_")
        assert name.endswith("_total") == (kind == "counter"), name
        assert meaning.endswith("."), name
        assert unit in {"", "seconds", "bytes", "tokens", "nanos"}
        assert unit in name, name


def test_a_flood_of_networks_does_not_fill_the_memory() -> None:
    """Label values come from clients: beyond a bound they are counted together."""
    metrics = GatewayMetrics()
    for number in range(3_000):
        metrics.unrecorded.add(1, "auth_failed", f"{number}.0.0/16")
    assert len(metrics.unrecorded.series()) <= 1_001
    assert metrics.drops()["refusals_not_recorded"] == 3_000


@pytest.mark.parametrize("cost", [0, 1, 12_345_678_901])
def test_rendered_counts_are_whole_numbers(cost: int) -> None:
    """Money is not rounded on its way to Prometheus' text."""
    metrics = GatewayMetrics()
    metrics.count(an_exchange(outcome="ok", cost_nanos=cost, cost_status="exact"))
    lines = [line for line in metrics.registry.render().splitlines() if line.startswith("sluice_cost_nanos_total{")]
    assert lines == ([f'sluice_cost_nanos_total{{cost_status="exact"}} {cost}'] if cost else [])


@pytest.mark.parametrize("exemplars", [True, False])
def test_a_traced_exchange_is_found_by_its_duration(exemplars: bool) -> None:
    """Unless ``metrics.exemplars`` is off; when its record began is noted either way."""
    metrics = GatewayMetrics(exemplars=exemplars)
    metrics.count(an_exchange(outcome="ok"))
    assert metrics.duration.exemplars() == []
    exchange = an_exchange(outcome="ok", trace=Trace("a" * 32, "b" * 16))
    metrics.count(exchange)
    assert exchange.trace is not None
    assert exchange.trace.settled_ns > exchange.started_ns
    found = [trace_id for series in metrics.duration.exemplars() for _, (trace_id, *_) in series]
    assert found == (["a" * 32] if exemplars else [])
