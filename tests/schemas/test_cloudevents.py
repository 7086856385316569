"""Tests of ``schemas.cloudevents``."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import EVENT_ID, cloudevent_headers


def test_the_five_attributes_and_the_trace_context() -> None:
    """CloudEvents 1.0 in Kafka's binary mode, and W3C's ``traceparent`` beside them."""
    headers = cloudevent_headers("sluice.budget.v1", "id-b", "gateway-1", 1_700_000_000_000_007, "00-ab-cd-01")
    assert headers == [
        ("ce_id", b"id-b"),
        ("ce_type", b"sluice.budget.v1"),
        ("ce_source", b"gateway-1"),
        ("ce_time", b"2023-11-14T22:13:20.000007Z"),
        ("ce_specversion", b"1.0"),
        ("traceparent", b"00-ab-cd-01"),
    ]
    assert headers[0][0] == EVENT_ID


@pytest.mark.parametrize("traceparent", ["", None])
def test_without_a_trace_there_is_no_header_of_it(traceparent: str | None) -> None:
    """An empty header would be a malformed one."""
    given = () if traceparent is None else (traceparent,)
    names = [name for name, _ in cloudevent_headers("t", "id", "g", 0, *given)]
    assert names == ["ce_id", "ce_type", "ce_source", "ce_time", "ce_specversion"]


@given(st.integers(0, 253_402_300_799_999_999))
def test_the_time_is_the_event_s_to_the_microsecond(micros: int) -> None:
    """Up to the end of year 9999, in UTC, never rounded through a float."""
    text = dict(cloudevent_headers("t", "id", "g", micros))["ce_time"].decode()
    moment = datetime.fromisoformat(text)
    whole = moment.replace(microsecond=0)
    assert int(whole.timestamp()) * 1_000_000 + moment.microsecond == micros
    assert text.endswith("Z")
