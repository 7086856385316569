"""What a traced exchange carries."""

from __future__ import annotations

from gateway.tracing.trace import TimedList
from tests.gateway.tracing.making import a_trace


def test_what_is_sent_on_names_the_exchange_itself() -> None:
    """With the flags that it came with."""
    trace = a_trace(flags=3)
    assert trace.traceparent == f"00-{trace.trace_id}-{trace.span_id}-03"


def test_a_list_notes_when_its_entries_began() -> None:
    """Each was appended when it ended; one that grows later began when it did."""
    now = iter([5_000_000, 9_000_000])
    timed: TimedList[dict[str, object]] = TimedList(lambda: next(now))
    first: dict[str, object] = {"micros": 2_000}
    timed.append(first)
    timed.append({"micros": 0})
    first["micros"] = 99_000
    assert timed.starts_ns == [3_000_000, 9_000_000]
    assert timed == [{"micros": 99_000}, {"micros": 0}]
