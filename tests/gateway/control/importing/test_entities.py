"""Fields of the reference's rows: carried over, or left with the reason; nothing in silence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.control.importing.entities import (
    app_values,
    exact,
    llm_values,
    micros,
    plugin_values,
    price_values,
    slug_in,
)
from gateway.control.importing.plan import Plan
from gateway.control.importing.reading import snake_case
from tests.gateway.control.importing import conftest as made


def left_of_llm(**values: Any) -> list[str]:
    """What is left of an LLM with these, its key aside."""
    plan = Plan()
    llm_values(snake_case(made.llm(1, "x", **values)), plan)
    return [left.reason for left in plan.left if "vendor key" not in left.reason]


def test_an_llm() -> None:
    """Its defaults are left to ours; its key is never in an export."""
    plan = Plan()
    values = llm_values(
        snake_case(made.llm(1, "Mock GPT", monthly_budget=Decimal("12.50"), metadata={"a": Decimal("0.5")})), plan
    )
    assert values == {
        "name": "Mock GPT",
        "vendor": "openai",
        "endpoint": "http://127.0.0.1:19001/v1",
        "default_model": "gpt-4o-mini",
        "is_active": True,
        "max_tokens": 4096,
        "timeout_seconds": 30,
        "retry_count": 3,
        "monthly_budget": "12.5",
        "metadata": {"a": 0.5},
    }
    assert [left.reason.partition(":")[0] for left in plan.left] == ["its vendor key"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"auth_mechanism": "oauth"}, "auth_mechanism"),
        ({"auth_config": {"a": 1}}, "auth_config"),
        ({"namespace": "eu"}, "namespace"),
        ({"retry_count": 9}, "retry_count of 9"),
        ({"monthly_budget": -1}, "monthly_budget"),
        ({"allowed_models": ["("]}, "model pattern"),
    ],
)
def test_what_an_llm_has_that_we_have_not(values: dict[str, Any], said: str) -> None:
    """Is named."""
    (reason,) = left_of_llm(**values)
    assert said in reason


@pytest.mark.parametrize(
    "values", [{"budget_start_date": "2026-01-01"}, {"plugin_resources_json": "{}"}, {"namespace": "eu"}]
)
def test_what_an_app_has_that_we_have_not(values: dict[str, Any]) -> None:
    """Is named."""
    plan = Plan()
    app_values(snake_case(made.app(1, "x", **values)), plan)
    assert [next(iter(values)) in left.reason for left in plan.left] == [True]


def test_lists_may_be_json_text() -> None:
    """As some exports of columns have them."""
    values = app_values(snake_case(made.app(1, "x", allowed_ips='["10.0.0.0/8"]', user_id=3)), Plan())
    assert (values["allowed_ips"], values["user_id"]) == (["10.0.0.0/8"], 3)


def test_an_inactive_one_stays_so() -> None:
    """False is no default."""
    assert llm_values(snake_case(made.llm(1, "x", is_active=False)), Plan())["is_active"] is False


def test_a_plugin() -> None:
    """Its one hook is a list here."""
    values = plugin_values(snake_case(made.plugin(1, "Enricher")))
    assert values["hook_types"] == ["post_auth"]
    assert values["config"] == {"additional_instruction": "Be terse."}
    assert plugin_values(snake_case(made.plugin(1, "x", hook_types=["response"])))["hook_types"] == ["response"]


def test_a_price() -> None:
    """Exactly; a cache price of 0 of the reference is the prompt's, one of ours is 0."""
    row = snake_case(made.price(1, "m"))
    assert price_values(row) == {"cpt": "0.0000006", "cpit": "0.00000015", "currency": "USD"}
    assert price_values({**row, "cpt": 0}) == {"cpt": "0", "cpit": "0.00000015", "currency": "USD"}
    ours = {**row, "managed_by": "api", "valid_from": "2026-01-01T00:00:00Z"}
    assert (price_values(ours) or {})["cache_read_pt"] == "0"
    assert (price_values(ours) or {})["valid_from"] == "2026-01-01T00:00:00Z"
    for bad in (None, "x", -1, True, float("nan")):
        assert price_values({**row, "cpt": bad}) is None
    tier = {"above_prompt_tokens": 5, "cpit": "1"}
    rich = {**ours, "batch_percent": 0, "aliases": ["a"], "tiers": [tier], "tool_request_price": "0.01"}
    found = price_values({**rich, "audio_prompt_pt": None, "request_price": "0"}) or {}
    assert (found["batch_percent"], found["aliases"], found["tiers"]) == (0, ["a"], [tier])
    assert (found["tool_request_price"], found["request_price"]) == ("0.01", "0")
    assert "audio_prompt_pt" not in found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (6e-7, "0.0000006"),
        (Decimal("1E-7"), "0.0000001"),
        ("1.50", "1.5"),
        (10, "10"),
        (100.0, "100"),
        (Decimal("1E+99"), None),
    ],
)
def test_a_number_is_exact(value: Any, text: str | None) -> None:
    """As plain text; a beyond is none."""
    assert exact(value) == text


@pytest.mark.parametrize(
    ("row", "slug"),
    [({"slug": "a-b"}, "a-b"), ({"slug": "A B"}, "a-b"), ({"name": "Ünï"}, "uni"), ({"name": "日本"}, ""), ({}, "")],
)
def test_a_slug(row: dict[str, Any], slug: str) -> None:
    """Its own, or one that URLs may have."""
    assert slug_in(row) == slug


def test_a_moment() -> None:
    """Without a zone it is UTC."""
    assert micros("1970-01-01T00:00:01Z") == micros("1970-01-01T00:00:01") == 1_000_000
    assert micros("1970-01-01T01:00:01.5+01:00") == 1_500_000
    assert micros(None) is None
    with pytest.raises(ValueError, match="SOON"):
        micros("soon")
