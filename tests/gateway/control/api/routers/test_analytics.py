"""Analytics over REST: events, bodies and sums of one app, as the event store has them."""

from __future__ import annotations

from typing import Any

from sluice.eventstore.queries import (
    Bodies,
    Costs,
    DayFigures,
    EventStoreError,
    LlmFigures,
    LlmStats,
    ModelFigures,
    Summary,
)
from tests.gateway.control.api.harness import Api

AT = 1_793_491_200_000_000


def event(number: int, **values: Any) -> dict[str, Any]:
    """An analytics event of app 1."""
    made = {
        "event_id": f"0190-{number}-a",
        "exchange_id": f"0190-{number}",
        "request_id": "r",
        "occurred_at": AT + number,
        "app_id": 1,
        "user_id": None,
        "llm_id": 1,
        "llm_slug": "gpt",
        "vendor": "openai",
        "model_name": "gpt-4o",
        "outcome": "ok",
        "response_code": 200,
        "prompt_tokens": 12,
        "response_tokens": 0,
        "total_tokens": 12,
        "cost_nanos": 1_000_001,
        "cost_status": "exact",
        "currency": "USD",
        "choices": 1,
        "tool_calls": 0,
        "is_stream": False,
        "total_micros": 1500,
        "raw_usage": "{}",
    }
    return {**made, **values}


async def test_events_are_an_app_s(api: Api) -> None:
    """Paged; money exact, an explicit zero stays one, and what is not known is null."""
    api.events.items = [event(2), event(1, cost_nanos=None, model_name=None), event(0, app_id=2)]
    found = await api.get("/analytics/events?app_id=1&limit=1")
    assert found["pagination"] == {"page": 1, "limit": 1, "total": 2, "total_pages": 2}
    first = found["data"][0]
    assert (first["cost"], first["cost_nanos"], first["total_ms"]) == ("0.001000001", 1_000_001, 1.5)
    assert (first["response_tokens"], first["cache_read_prompt_tokens"]) == (0, None)
    second = (await api.get("/analytics/events?app_id=1&limit=1&page=2"))["data"][0]
    assert (second["cost"], second["model_name"]) == (None, None)


BAD_PAGES: list[Any] = [
    "",
    "app_id=0",
    "app_id=x",
    "app_id=1&limit=1001",
    "app_id=1&page=0",
    "app_id=1&page=11&limit=1000",
    "app_id=1&q=1",
]


async def test_a_page_that_is_none_is_refused(api: Api) -> None:
    """Also one that the event store cannot reach."""
    for query in BAD_PAGES:
        assert (await api.get(f"/analytics/events?{query}", 400))["code"] == "invalid"
    assert api.events.asked == []


async def test_bodies_are_of_one_exchange(api: Api) -> None:
    """Each side by itself; what is no text is shown as far as it is, what was not kept is null."""
    api.events.kept["e-1"] = Bodies(
        "e-1", "POST", "/v1/chat", 200, AT, b"\xffhi", "text/plain", False, False, None, "", True, False
    )
    request = (await api.get("/analytics/events/e-1/request"))["data"]
    assert (request["request_body"], request["method"], request["is_truncated"]) == ("\ufffdhi", "POST", False)
    response = (await api.get("/analytics/events/e-1/response"))["data"]
    assert (response["response_body"], response["status_code"], response["is_truncated"]) == (None, 200, True)
    assert (await api.get("/analytics/events/e-2/request", 404))["error"] == "Event not found"
    for bad in ("a b", "x" * 129, "%00", "'--"):
        await api.get(f"/analytics/events/{bad}/response", 400)


async def test_a_summary_is_of_a_time(api: Api) -> None:
    """By default of the last 7 days."""
    models = (ModelFigures("gpt-4o", 3, 30, {"USD": 5}),)
    api.events.found = Summary(
        4, {"ok": 3, "upstream_error": 1}, 20, 10, 30, {"USD": 5, "EUR": 1}, 2.5, 0.5, models, False
    )
    found = await api.get("/analytics/summary?app_id=1")
    data = found["data"]
    assert (data["total_requests"], data["successful_requests"], data["failed_requests"]) == (4, 3, 1)
    assert [each["currency"] for each in data["total_costs"]] == ["EUR", "USD"]
    assert data["error_stats"] == {"upstream_error": 1}
    assert data["top_models"][0]["costs"] == [{"currency": "USD", "amount": "0.000000005", "nanos": 5}]
    _, app_id, start, end = api.events.asked[0]
    assert (app_id, end - start) == (1, 7 * 86_400_000_000)


async def test_costs_are_split(api: Api) -> None:
    """By LLM, model and day."""
    usd = {"USD": 7}
    api.events.spent = Costs(
        2,
        usd,
        {"USD": 4},
        (LlmFigures(1, "gpt", 2, 9, usd),),
        (DayFigures("2026-11-01", 2, 9, usd),),
        (ModelFigures(None, 2, 9, usd),),
        False,
    )
    times = "start_time=2026-11-01T00:00:00Z&end_time=2026-11-02T00:00:00Z"
    found = await api.get(f"/analytics/costs?app_id=1&{times}")
    assert found["data"]["cost_by_llm"][0]["llm_slug"] == "gpt"
    assert found["data"]["cost_by_day"][0]["day"] == "2026-11-01"
    assert found["data"]["cost_by_model"][0]["model_name"] is None
    assert found["data"]["average_costs_per_request"][0]["nanos"] == 4
    assert found["time_range"]["end_time"] == "2026-11-02T00:00:00.000000Z"


async def test_a_store_that_is_away_is_said_to_be(api: Api) -> None:
    """503 without a word of where it is."""
    await api.llm()
    api.events.stats = LlmStats(1, 2, {"USD": 3})
    api.events.error = EventStoreError("http://elastic:9200 refused")
    for path in (
        "/analytics/events?app_id=1",
        "/analytics/summary?app_id=1",
        "/analytics/costs?app_id=1",
        "/llms/1/stats",
    ):
        refused = await api.get(path, 503)
        assert refused["code"] == "events_unavailable"
        assert "elastic:9200" not in str(refused)
