"""Usage: money by currency, exact; what an event lacks is null."""

from __future__ import annotations

from gateway.control.api.usage_views import Event, EventView, OneBody, RequestBodyView, body_view, money
from schemas.events import AnalyticsFields, Common
from sluice.eventstore.queries import Bodies


def test_money_is_by_currency() -> None:
    """In their order, as text and as nanos; negative corrections too."""
    found = money({"USD": 1_500_000_000, "EUR": -1})
    assert [(each.currency, each.amount, each.nanos) for each in found] == [
        ("EUR", "-0.000000001", -1),
        ("USD", "1.5", 1_500_000_000),
    ]


def test_an_event_shows_fields_that_events_have() -> None:
    """Under their own names, but for what is computed."""
    known = set(AnalyticsFields.__annotations__) | set(Common.__annotations__) | {"event_id"}
    assert set(EventView.model_fields) - known == {"cost", "total_ms"}


def test_what_an_event_lacks_is_null() -> None:
    """An explicit zero is not."""
    strings = dict.fromkeys(
        ("event_id", "exchange_id", "request_id", "llm_slug", "vendor", "outcome", "cost_status", "currency"), ""
    )
    view = EventView.of(
        Event({**strings, "occurred_at": 0, "cost_nanos": 0, "choices": 0, "tool_calls": 0, "is_stream": False})
    )
    assert (view.cost, view.cost_nanos, view.prompt_tokens, view.total_ms) == ("0", 0, None, 0.0)


def test_a_body_is_text_as_far_as_it_is() -> None:
    """Nothing else of the exchange is shown with it."""
    bodies = Bodies("e", "POST", "/p", 200, 0, b"ok \xff", "t", True, False, b"secret", "t", False, False)
    view = body_view(OneBody("e", "request", bodies))
    assert isinstance(view, RequestBodyView)
    assert (view.request_body, view.is_truncated) == ("ok \ufffd", True)
    assert "secret" not in str(view)
