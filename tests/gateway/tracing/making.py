"""Exchanges that are over, made up."""

from __future__ import annotations

from typing import Any

from gateway.tracing.finished import Finished, finish
from gateway.tracing.trace import TimedList, Trace
from tests.gateway.test_exchange import an_exchange

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def a_trace(**changes: Any) -> Trace:
    """One that begins here."""
    return Trace(**{"trace_id": TRACE_ID, "span_id": SPAN_ID, **changes})


def a_finished(trace: Trace | None = None, **changes: Any) -> Finished:
    """One that began at 1,000 ms and took 100 ms; ``changes`` are fields of what is kept of it."""
    done = finish(an_exchange(outcome="ok", timings=TimedList(), attempts=TimedList()), trace or a_trace())
    done.started_ns, done.ended_ns = 1_000_000_000, 1_100_000_000
    for name, value in changes.items():
        setattr(done, name, value)
    return done
