"""Who is traced: decided once, by the client or by chance."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from gateway.tracing.sampling import Sampler
from gateway.tracing.settings import TracingSettings
from tests.gateway.tracing.making import SPAN_ID, TRACE_ID


def sampler(sample: float, **more: Any) -> Sampler:
    """One that takes this share."""
    return Sampler(TracingSettings.model_validate({"sample": sample, **more}))


@pytest.mark.parametrize(("sample", "low", "high"), [(0.0, 0, 0), (0.01, 50, 160), (1.0, 10_000, 10_000)])
def test_the_share_is_kept(sample: float, low: int, high: int) -> None:
    """Of exchanges without a parent; ids are whole, and no two the same."""
    decide = sampler(sample).decide
    traces = [trace for _ in range(10_000) if (trace := decide("")) is not None]
    assert low <= len(traces) <= high
    assert len({trace.trace_id for trace in traces}) == len(traces)
    assert all(len(trace.trace_id) == 32 and len(trace.span_id) == 16 and trace.flags == 1 for trace in traces)


def test_the_client_s_decision_holds() -> None:
    """Whatever the share; unless a share of what clients trace is asked for."""
    sampled = f"00-{TRACE_ID}-{SPAN_ID}-01"
    trace = sampler(0.0).decide(sampled)
    assert trace is not None
    assert (trace.trace_id, trace.parent_id) == (TRACE_ID, SPAN_ID)
    assert trace.traceparent == f"00-{TRACE_ID}-{trace.span_id}-01"
    assert sampler(0.0, parent="sample").decide(sampled) is None
    assert sampler(1.0, parent="sample").decide(sampled) is not None
    assert sampler(1.0).decide(sampled[:-2] + "00") is None


def test_services_with_one_share_choose_the_same_traces() -> None:
    """As OpenTelemetry's own sampler does, from the same ids."""
    ours, theirs, every = sampler(0.3, parent="sample"), TraceIdRatioBased(0.3), sampler(1.0)
    for trace in (every.decide("") for _ in range(500)):
        assert trace is not None
        decision = theirs.should_sample(None, int(trace.trace_id, 16), "x").decision
        chosen = ours.decide(f"00-{trace.trace_id}-{SPAN_ID}-01") is not None
        assert chosen == (decision is Decision.RECORD_AND_SAMPLE)


def test_ids_are_never_zero() -> None:
    """That would be no id (W3C Trace Context, 3.2.2.3)."""
    trace = Sampler(TracingSettings(sample=1.0), lambda _: 0).decide("")
    assert trace is not None
    assert int(trace.trace_id, 16) > 0
    assert int(trace.span_id, 16) > 0
