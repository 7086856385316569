"""From a document back to the event: the same as what was recorded."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.documents import bulk_lines
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from sluice.eventstore.sources import event_of
from tests.collectors.events import NOW_MICROS, make_event, numbered, record_of
from tests.collectors.frames import frame_of_records

BOOK = SchemaBook()
ADDED = {"request_body_replaced", "response_body_replaced"}


def source_of(kind: Kind, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What Elasticsearch gets of an event, and the event as a row of the database."""
    event = make_event(kind, **changes)
    frame = frame_of_records(BOOK, numbered([record_of(event.value(1), event.event_id, kind)]))
    line = bulk_lines(kind, frame.rows, "stem")[0].splitlines()[1]
    return orjson.loads(line), frame.rows.to_dicts()[0]


@pytest.mark.parametrize("kind", KINDS)
@given(micros=st.integers(-(10**15), 10**17), body=st.none() | st.text(st.characters(exclude_categories=["Cs"])))
def test_every_field_comes_back(kind: Kind, micros: int, body: str | None) -> None:
    """To the microsecond, before 1970 and within lists too; nothing is added but whether a body was replaced."""
    changes = {"request_body": body if body is None else body.encode()} if kind == "proxy_log" else {}
    source, row = source_of(kind, occurred_at=micros, completed_at=micros + 1, user_id=2**53 + 1, **changes)
    event = event_of(kind, source)
    assert {name: value for name, value in event.items() if name not in ADDED} == row
    assert {name for name in event if name in ADDED} == (ADDED if kind == "proxy_log" else set())


def test_a_part_of_a_document_is_a_part_of_the_event() -> None:
    """Absent fields stay absent."""
    assert event_of("budget", {}) == {}
    assert event_of("budget", {"exchange_id": "x", "cost": 1.5, "unknown": 1}) == {"exchange_id": "x"}


@pytest.mark.parametrize("moment", [None, 5, 1.5, "", "yesterday", "2025-13-01T00:00:00Z", [], {}])
def test_foreign_times_are_left_as_they_are(moment: Any) -> None:
    """A page is not lost for one document that somebody else wrote."""
    assert event_of("analytics", {"completed_at": moment}) == {"completed_at": moment}


@pytest.mark.parametrize("moment", ["2025-11-24T16:00:00Z", "2025-11-24T16:00:00", "2025-11-24T17:00:00.000+01:00"])
def test_times_in_other_forms_are_understood(moment: str) -> None:
    """Elasticsearch reads them as the same moment; without a zone they are UTC."""
    assert event_of("analytics", {"@timestamp": moment}) == {"occurred_at": NOW_MICROS}
