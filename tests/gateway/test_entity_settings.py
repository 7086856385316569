"""What ``sluice.yaml`` may say of entities: what could only fail later, or in silence, is refused with its key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.entity_settings import AppSettings, LlmSettings, TokenSettings
from sluice.money.price_settings import PriceSettings

LLM = {"id": 1, "slug": "demo", "base_url": "http://vendor/v1"}
APP = {"id": 1, "name": "tests"}
TOKEN = {"app": 1, "sha256": "0" * 64}
PRICE = {"id": "p", "model": "gpt-4o", "prompt": "1", "response": "2"}

Kind = type[LlmSettings | AppSettings | TokenSettings | PriceSettings]
BASES: dict[Kind, dict[str, Any]] = {LlmSettings: LLM, AppSettings: APP, TokenSettings: TOKEN, PriceSettings: PRICE}


def made(kind: Kind, **values: Any) -> Any:
    """A section with these values."""
    return kind.model_validate({**BASES[kind], **values})


@pytest.mark.parametrize("kind", BASES)
def test_what_is_not_said_limits_nothing(kind: Kind) -> None:
    """No budget, no rate, every address, every model; active, and for calling LLMs."""
    section = made(kind)
    names = ("monthly_budget", "rate_limit_rpm", "rate_limit_tpm", "max_concurrent", "allowed_ips", "allowed_models")
    assert [getattr(section, name) for name in names if getattr(section, name, 0) not in {"0", 0, ()}] == []
    assert getattr(section, "is_active", True)
    assert getattr(section, "scopes", ("api",)) == ("api",)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (LlmSettings, {"slug": "Demo"}), (LlmSettings, {"slug": "a" * 64}), (LlmSettings, {"slug": "a/b"}),
        (LlmSettings, {"id": 0}), (LlmSettings, {"vendor": "nobody"}), (LlmSettings, {"retry_count": 6}),
        (LlmSettings, {"retry_count": -1}), (LlmSettings, {"timeout_seconds": 0}), (LlmSettings, {"max_tokens": 0}),
        (LlmSettings, {"budget_reset_day": 29}), (LlmSettings, {"budget_reset_day": 0}),
        (LlmSettings, {"monthly_budget": "-1"}), (LlmSettings, {"monthly_budget": "1e3"}),
        (LlmSettings, {"rate_limit_rpm": -1}), (LlmSettings, {"rate_limit_tpm": 1_000_000_001}),
        (LlmSettings, {"max_request_bytes": -1}), (LlmSettings, {"api_key": "a\nb"}),
        (LlmSettings, {"allowed_models": ["("]}), (LlmSettings, {"failover": ["Not A Slug"]}),
        (LlmSettings, {"failover": [f"llm-{number}" for number in range(17)]}),
        (LlmSettings, {"plugins": [{"plugin": "a", "app": 0}]}), (LlmSettings, {"plugins": [{"plugin": "a", "x": 1}]}),
        (LlmSettings, {"plugins": [{"plugin": "a", "on_stream": "pass"}]}), (LlmSettings, {"plugins": [{}]}),
        (LlmSettings, {"plugins": [{"plugin": "a", "config": "x"}]}), (LlmSettings, {"plugins": [3]}),
        (LlmSettings, {"plugins": "a"}),
        (LlmSettings, {"allowed_upstreams": ["vendor"]}), (LlmSettings, {"allowed_upstreams": ["http://v/?a=1"]}),
        (LlmSettings, {"allowed_upstreams": ["http://v:0"]}), (LlmSettings, {"allowed_upstreams": ["ftp://v"]}),
        (LlmSettings, {"allowed_upstreams": [f"http://v{at}" for at in range(65)]}),
        (AppSettings, {"allowed_ips": ["10.0.0.0/33"]}), (AppSettings, {"allowed_ips": [""]}),
        (AppSettings, {"time_zone": "Mars/Olympus"}), (AppSettings, {"budget_fail": "maybe"}),
        (AppSettings, {"max_concurrent": -1}), (AppSettings, {"llm_budgets": {"demo": "-1"}}),
        (AppSettings, {"bodies": "some"}), (AppSettings, {"monthly_budget": "0,15"}),
        (TokenSettings, {"sha256": "0" * 63}), (TokenSettings, {"sha256": "A" * 64}),
        (TokenSettings, {"prefix": "123456789"}),
        (TokenSettings, {"scopes": ["root"]}), (TokenSettings, {"name": "x" * 256}),
        (TokenSettings, {"expires_at": "soon"}),
        (PriceSettings, {"currency": "dollars"}), (PriceSettings, {"prompt": "-1"}), (PriceSettings, {"response": "x"}),
        (PriceSettings, {"cache_read": "1_000"}),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(kind: Kind, values: dict[str, Any]) -> None:
    """By the key that is wrong."""
    with pytest.raises(ValidationError) as caught:
        made(kind, **values)
    assert next(iter(values)) in str(caught.value)


@pytest.mark.parametrize("attached", [3, None, ["a"], True])
def test_what_is_no_attachment_is_told_how_one_is_written(attached: Any) -> None:
    """Rather than what a dictionary would be."""
    with pytest.raises(ValidationError, match=r"write its name, or \{plugin: NAME"):
        made(LlmSettings, plugins=[attached])


@pytest.mark.parametrize("kind", BASES)
def test_a_key_that_is_not_known_is_refused(kind: Kind) -> None:
    """A misspelt limit would be none."""
    with pytest.raises(ValidationError, match="rate_limit_rpn"):
        made(kind, rate_limit_rpn=5)


def test_a_budget_for_an_llm_is_of_one_that_the_app_may_use() -> None:
    """Else it would limit nothing."""
    assert made(AppSettings, llms=["demo"], llm_budgets={"demo": "5"}).llm_budgets == {"demo": "5"}
    with pytest.raises(ValidationError, match="'other' is no LLM of this app"):
        made(AppSettings, llms=["demo"], llm_budgets={"other": "5"})


def test_a_key_is_not_shown() -> None:
    """Neither where the section is printed nor where it is refused."""
    assert "sk-secret" not in repr(made(LlmSettings, api_key="sk-secret"))
    with pytest.raises(ValidationError) as caught:
        made(LlmSettings, api_key="sk-secret\n")
    assert "sk-secret" not in str(caught.value.errors(include_input=False))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_time_zones_are_those_of_the_system(zone: str) -> None:
    """By their names."""
    assert made(AppSettings, time_zone=zone).time_zone == zone


@given(st.text(max_size=20))
def test_a_slug_is_what_a_path_can_have(text: str) -> None:
    """Whatever is taken stands in a path as it is, and in an address without being encoded."""
    try:
        slug = made(LlmSettings, slug=text).slug
    except ValidationError:
        return
    assert slug == text
    assert slug.isascii()
    assert not set(slug) & set("/?#%. \n")


def test_no_two_prices_begin_at_once() -> None:
    """What tells them apart says model, vendor and moment, in UTC."""
    one = made(PriceSettings, valid_from="2026-01-01T00:00:00+01:00")
    other = made(PriceSettings, valid_from="2025-12-31T23:00:00")
    assert one.starts == other.starts == ("openai/gpt-4o from 2025-12-31T23:00:00+00:00",)
    assert made(PriceSettings).starts[0].endswith("from 1970-01-01T00:00:00+00:00")
    assert len(made(PriceSettings, aliases=["a", "b-*"]).starts) == 3


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"id": "base:openai/m"}, "base:"),
        ({"tiers": [{"above_prompt_tokens": 5}]}, "has no price"),
        ({"tiers": [{"above_prompt_tokens": 0, "prompt": "1"}]}, "greater than or equal to 1"),
        ({"tiers": [{"prompt": "1"}]}, "above_prompt_tokens"),
        ({"tiers": [{"above_prompt_tokens": 5, "prompt": "-1"}]}, "below zero"),
        ({"tiers": [{"above_prompt_tokens": 5, "prompt": "1"}] * 2}, "same above_prompt_tokens"),
        ({"tiers": [{"above_prompt_tokens": at, "prompt": "1"} for at in range(1, 18)]}, "at most 16"),
        ({"batch_percent": -1}, "greater than or equal to 0"),
        ({"batch_percent": 101}, "less than or equal to 100"),
        ({"batch_percent": 12.5}, "integer"),
        ({"aliases": ["a"] * 65}, "at most 64"),
        ({"audio_prompt": "-1"}, "below zero"),
        ({"per_request": "free"}, "no plain decimal|not a plain decimal"),
        ({"per_tool_request": 0.01}, "string"),
        ({"cache_write_2h": "1"}, "Extra inputs"),
    ],
)
def test_a_price_that_means_nothing_is_refused(values: dict[str, Any], why: str) -> None:
    """By its key, with the remedy."""
    with pytest.raises(ValidationError, match=why):
        made(PriceSettings, **values)


def test_upstreams_are_kept_as_a_plugin_may_name_them() -> None:
    """Without a slash at the end, each once; what is wrong with one is said of that one."""
    urls = ["http://vendor/v1/", "http://vendor/v1", "https://other"]
    assert made(LlmSettings, allowed_upstreams=urls).allowed_upstreams == ("http://vendor/v1", "https://other")
    with pytest.raises(ValidationError, match="'ftp://other' must be an absolute http"):
        made(LlmSettings, allowed_upstreams=["http://vendor", "ftp://other"])
