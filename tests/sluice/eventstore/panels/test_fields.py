"""Fields come from the templates and the events, so that each is in both stores."""

from __future__ import annotations

import pytest

from schemas.events import KINDS, Kind
from sluice.eventstore.documents import properties
from sluice.eventstore.panels.fields import event_kind, field_of, fields_of
from sluice.eventstore.panels.query import QueryError
from sluice.eventstore.tables import TABLES


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_a_column_and_is_indexed(kind: Kind) -> None:
    """Whatever may be asked for is in the table and in the mapping; bodies, headers and text are not among it."""
    names = set(fields_of(kind))
    assert names <= set(TABLES[kind].c.keys())
    assert names <= set(properties(kind))
    assert {"app_id", "outcome", "model_name", "labels"} <= names
    assert not names & {"request_body", "request_headers", "raw_usage", "error_message", "plugins", "occurred_at"}


def test_units_follow_from_names() -> None:
    """Money, times, tokens and bytes are told apart, so that pages and exports show them right."""
    analytics, logs = fields_of("analytics"), fields_of("proxy_log")
    assert analytics["cost_nanos"].is_money
    assert (analytics["total_micros"].unit, analytics["prompt_tokens"].unit) == ("micros", "tokens")
    assert (logs["request_body_bytes"].unit, logs["response_code"].unit) == ("bytes", "number")
    assert fields_of("plugin_step")["micros"].unit == "micros"


def test_wrong_names_are_refused_with_the_nearest() -> None:
    """A slip is put right, another event's field is said to be so, and rubbish gets the list."""
    with pytest.raises(QueryError, match="did you mean cost_nanos"):
        field_of("analytics", "cost_nano", "field")
    with pytest.raises(QueryError, match="budget have it"):
        field_of("analytics", "reserved_nanos", "field")
    with pytest.raises(QueryError, match="there are: app_id"):
        field_of("analytics", "???", "field")
    assert event_kind("plugin_step") == "proxy_log"
