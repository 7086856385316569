"""One exchange as a person reads it."""

from __future__ import annotations

from typing import Any

from gateway.console.story import price_of, timeline_of
from sluice.money.prices import Price
from tests.schemas.samples import analytics, proxy_log

PRICE = Price(
    id="list",
    version="1",
    vendor="openai",
    model="gpt",
    currency="USD",
    prompt_nanos=2_500_000_000,
    response_nanos=10_000_000_000,
    cache_read_nanos=1_250_000_000,
    cache_write_nanos=2_500_000_000,
)


def hook(name: str, micros: int) -> Any:
    """What a plugin did."""
    return {"plugin": f"p-{name}", "hook": name, "micros": micros, "decision": "allow"}


def test_steps_stand_where_they_ran() -> None:
    """Hooks before the vendor first, one behind the other; attempts behind them; those on the answer up to the end."""
    log: Any = proxy_log(
        total_micros=1000,
        upstream_micros=700,
        plugins=[hook("pre_auth", 10), hook("response_body", 50), hook("post_auth", 20)],
    )
    attempts: Any = [
        {
            "llm_id": 1,
            "llm_slug": "a",
            "status": None,
            "error_kind": "unreachable",
            "may_be_billed": False,
            "micros": 100,
        },
        {"llm_id": 2, "llm_slug": "b", "status": 200, "error_kind": "", "may_be_billed": True, "micros": 600},
    ]
    found = timeline_of(log, analytics(attempts=attempts))
    assert [(step["name"], step["at"], step["micros"], step["detail"]) for step in found] == [
        ("p-pre_auth", 0, 10, "allow"),
        ("p-post_auth", 10, 20, "allow"),
        ("a", 30, 100, "unreachable"),
        ("b", 130, 600, "status 200"),
        ("p-response_body", 950, 50, "allow"),
    ]


def test_without_analytics_the_call_is_the_proxy_log_s() -> None:
    """Where no app was known; and without a call, or a proxy log, there is none."""
    called: Any = proxy_log(total_micros=9, upstream_micros=5, upstream_status=200)
    assert [(step["hook"], step["micros"]) for step in timeline_of(called, None)] == [("upstream", 5)]
    refused: Any = proxy_log(total_micros=9)
    assert timeline_of(refused, None) == timeline_of(None, None) == []


def test_a_price_is_reckoned_as_it_was_charged() -> None:
    """Cached tokens leave the prompt's class; the lines come to what was recorded."""
    worth: Any = analytics(
        prompt_tokens=1000,
        cache_read_prompt_tokens=400,
        response_tokens=100,
        cost_nanos=600 * 2500 + 400 * 1250 + 100 * 10000,
    )
    found = price_of(worth, PRICE)
    assert found is not None
    assert [(line["what"], line["tokens"], line["nanos"]) for line in found["lines"]] == [
        ("prompt", 600, 1_500_000),
        ("cache read", 400, 500_000),
        ("response", 100, 1_000_000),
    ]
    assert found["adds_up"]


def test_what_does_not_add_up_is_said() -> None:
    """A row that was changed since, or a class that is not shown: never a wrong sum without a word."""
    worth: Any = analytics(prompt_tokens=1000, response_tokens=100, cost_nanos=7)
    found = price_of(worth, PRICE)
    assert found is not None
    assert not found["adds_up"]
    assert price_of(worth, None) is price_of({**worth, "cost_nanos": None}, PRICE) is None
