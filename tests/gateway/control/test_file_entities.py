"""The entities of ``sluice.yaml``: what the file says is what is kept, to the microsecond and the nano."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.control.entities import Attachment, Entities, Entity, LlmLink
from gateway.control.file_entities import ENTITY_SECTIONS, entities_of, file_sha256
from gateway.settings import Settings
from sluice.clock import at_micros

AT = 1_700_000_000_000_000
HASH = "0" * 64
LLM = {"id": 3, "slug": "demo", "base_url": "http://vendor/v1"}
PRICE = {"id": "p", "model": "gpt-4o", "prompt": "0.15", "response": "0.60"}


def read(**sections: Any) -> Entities:
    """The entities of a settings tree."""
    return entities_of(Settings.model_validate(sections))


def test_all_is_managed_by_the_file() -> None:
    """Ids are the file's where it has any; tokens and prices are told apart by numbers that no database gives."""
    found = read(
        llms=[LLM],
        apps=[{"id": 7, "name": "one"}],
        tokens=[{"app": 7, "sha256": HASH}, {"app": 7, "sha256": "1" * 64}],
        prices=[PRICE],
        plugins=[{"id": 5, "name": "limit", "command": "limit.py"}],
    )
    kinds: tuple[dict[int, Any], ...] = (found.llms, found.apps, found.tokens, found.prices, found.plugins)
    assert [list(kind) for kind in kinds] == [[3], [7], [-1, -2], [-1], [5]]
    everything: list[Entity] = [entity for kind in kinds for entity in kind.values()]
    assert {entity.managed_by for entity in everything} == {"file"}
    assert all(kind[entity_id].id == entity_id for kind in kinds for entity_id in kind)


def test_an_llm_is_what_its_section_says() -> None:
    """Names become ids; what is not said is the gateway's, or none."""
    plugins = [{"id": 5, "name": "a", "command": "a.py"}, {"id": 6, "name": "b", "command": "b.py"}]
    other = {"id": 4, "slug": "other", "base_url": "http://other/"}
    values: dict[str, Any] = {
        "name": "Demo", "api_key": "env:KEY", "allowed_models": ("gpt-.*",), "default_model": "gpt-4o",
        "timeout_seconds": 1.5, "retry_count": 0, "budget_reset_day": 9, "rate_limit_rpm": 10, "rate_limit_tpm": 11,
        "max_request_bytes": 12, "max_response_bytes": 13, "is_active": False, "labels": ("x",), "max_tokens": 14,
    }  # fmt: skip
    given_values = {**LLM, **values, "plugins": ["b", "a"], "failover": ["other"], "monthly_budget": "1.5"}
    found = read(llms=[given_values, other], plugins=plugins).llms
    assert {name: getattr(found[3], name) for name in values} == values
    assert (found[3].failover_llm_ids, found[3].monthly_budget_nanos) == ((4,), 1_500_000_000)
    assert found[3].attachments == (Attachment(plugin_id=6), Attachment(plugin_id=5))
    assert (found[4].endpoint, found[4].name, found[4].max_tokens) == ("http://other", "other", 0)
    assert (found[4].timeout_seconds, found[4].retry_count, found[4].max_request_bytes) == (None, None, 0)
    assert "env:KEY" not in repr(found)


def test_an_app_is_what_its_section_says() -> None:
    """An LLM that is named twice is linked once; a budget of its own belongs to the link."""
    values: dict[str, Any] = {
        "name": "one", "user_id": 5, "is_active": False, "bodies": "none", "budget_reset_day": 9,
        "time_zone": "Asia/Tokyo", "budget_fail": "open", "rate_limit_rpm": 10, "rate_limit_tpm": 11,
        "max_concurrent": 12, "allowed_ips": ("10.0.0.0/8",),
    }  # fmt: skip
    own = {"llms": ["b", "demo", "b"], "llm_budgets": {"b": "0.000000001"}, "monthly_budget": "2"}
    app = read(llms=[LLM, {"id": 9, "slug": "b", "base_url": "http://b"}], apps=[{"id": 1, **values, **own}]).apps[1]
    assert {name: getattr(app, name) for name in values} == values
    assert app.llms == (LlmLink(llm_id=9, monthly_budget_nanos=1), LlmLink(llm_id=3))
    assert app.monthly_budget_nanos == 2_000_000_000


def test_a_plugin_is_what_its_section_says() -> None:
    """Its name is its slug too: events and logs go on calling it by that."""
    values: dict[str, Any] = {
        "command": "file:///a/b", "hook_types": ("pre_auth",), "config": {"a": {"b": [1]}}, "timeout_ms": 5,
        "on_failure": "open", "checksum": "a" * 64, "on_stream": "skip", "on_oversize": "skip", "max_concurrent": 3,
        "breaker_failures": 4, "breaker_pause_seconds": 0.5, "service_scopes": ("kv.readwrite",),
    }  # fmt: skip
    plugin = read(plugins=[{"id": 5, "name": "My.Plugin", **values}]).plugins[5]
    assert {name: getattr(plugin, name) for name in values} == values
    assert (plugin.name, plugin.slug, plugin.is_active) == ("My.Plugin", "My.Plugin", True)


def test_an_attachment_is_what_its_section_says() -> None:
    """In the order of the file; a name alone attaches the plugin as it is, and it may be attached more than once."""
    plugins = [{"id": 5, "name": "a", "command": "a.py"}, {"id": 6, "name": "b", "command": "b.py"}]
    whole = {"plugin": "a", "config": {"x": [1]}, "app": 7, "on_stream": "refuse", "is_active": False}
    attached = [whole, "b", {"plugin": "a"}, {"plugin": "a", "config": {}}]
    found = read(llms=[{**LLM, "plugins": attached}], plugins=plugins, apps=[{"id": 7, "name": "one"}]).llms[3]
    assert found.attachments == (
        Attachment(plugin_id=5, config={"x": [1]}, app_id=7, on_stream="refuse", is_active=False),
        Attachment(plugin_id=6),
        Attachment(plugin_id=5),
        Attachment(plugin_id=5, config={}),
    )


def test_a_plugin_that_is_attached_tells_who_chose_its_hooks() -> None:
    """A list in the file is the operator's: no manifest changes it."""
    row = {"id": 5, "name": "a", "command": "a.py"}
    assert not read(plugins=[row]).plugins[5].hook_types_customized
    assert read(plugins=[{**row, "hook_types": ["auth"]}]).plugins[5].hook_types_customized
    attached = read(plugins=[{**row, "command": "grpc://a:1", "token": "env:A", "ca_file": "/a"}]).plugins[5]
    assert (attached.token, attached.ca_file) == ("env:A", "/a")


def expiry(at: datetime) -> int | None:
    """When a token expires."""
    token = {"app": 1, "sha256": HASH, "expires_at": at}
    return read(apps=[{"id": 1, "name": "one"}], tokens=[token]).tokens[-1].expires_at


def test_a_moment_is_the_same_in_every_zone() -> None:
    """Micros of the epoch."""
    assert expiry(at_micros(AT)) == AT
    assert expiry(at_micros(AT).astimezone(timezone(timedelta(hours=-5)))) == AT


@settings(deadline=None, max_examples=50)
@given(st.integers(1_500_000_000_000_000, 2_100_000_000_000_000))
def test_a_moment_keeps_its_microseconds(micros: int) -> None:
    """A price begins, and a token ends, neither early nor late."""
    assert expiry(at_micros(micros)) == micros


@pytest.mark.parametrize("micros", [549_308_666_004_386, 2_175_697_756_746_843])
def test_a_moment_of_any_year_keeps_its_microseconds(micros: int) -> None:
    """1987 and 2038 too."""
    assert expiry(at_micros(micros)) == micros


def test_a_moment_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not depend on where the gateway runs."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert expiry(datetime(2030, 1, 1)) == expiry(datetime(2030, 1, 1, tzinfo=UTC))  # noqa: DTZ001
    finally:
        monkeypatch.undo()
        time.tzset()


def test_prices_are_nanos_per_million_tokens() -> None:
    """From decimal text, exactly; cached tokens cost what others do unless a price says otherwise."""
    second = {"id": "b", "model": "b", "prompt": "1", "response": "2", "cache_read": "0", "cache_write": "0.000000001"}
    found = read(
        price_version="7", prices=[{**PRICE, "currency": "EUR"}, {**second, "valid_from": at_micros(AT)}]
    ).prices
    assert (found[-1].key, found[-1].price_version, found[-1].currency, found[-1].valid_from) == ("p", "7", "EUR", 0)
    assert (found[-1].prompt_nanos, found[-1].response_nanos) == (150_000_000, 600_000_000)
    assert (found[-1].cache_read_nanos, found[-1].cache_write_nanos) == (150_000_000, 150_000_000)
    assert (found[-2].cache_read_nanos, found[-2].cache_write_nanos, found[-2].valid_from) == (0, 1, AT)


def test_a_file_is_another_when_its_entities_are() -> None:
    """A key of a vendor counts too; what is no entity does not."""
    base: dict[str, Any] = {"llms": [{**LLM, "api_key": "one"}]}
    same = file_sha256(read(**base))
    assert file_sha256(read(**base, gateway={"port": 9}, record={"unauthenticated_per_second": 1})) == same
    others = [
        {"llms": [{**LLM, "api_key": "two"}]},
        {**base, "apps": [{"id": 1, "name": "one"}]},
        {**base, "prices": [PRICE]},
        {**base, "prices": [PRICE], "price_version": "2"},
        {**base, "plugins": [{"id": 1, "name": "a", "command": "a.py", "config": {"huge": 1 << 80, "odd": {1: b"x"}}}]},
    ]
    assert len({same, *(file_sha256(read(**other)) for other in others)}) == 1 + len(others)


def test_sections_of_entities_are_sections_of_the_file() -> None:
    """Those that take effect while the gateway runs."""
    assert set(ENTITY_SECTIONS) < set(Settings.model_fields)


def test_a_price_says_what_every_class_costs() -> None:
    """What it does not name stays open, so that a nearer class's price holds; a tier has what it names alone."""
    rich = {
        "cache_write_1h": "2", "audio_prompt": "0", "image_response": "30", "per_request": "0.012",
        "per_tool_request": "0.01", "batch_percent": 50, "aliases": ["a", "b-*"],
        "tiers": [{"above_prompt_tokens": 200_000, "prompt": "6", "cache_write_1h": "0"}],
    }  # fmt: skip
    (found,) = read(prices=[{**PRICE, **rich}]).prices.values()
    assert (found.cache_write_1h_nanos, found.audio_prompt_nanos, found.image_response_nanos) == (
        2 * 10**9,
        0,
        3 * 10**10,
    )
    assert (found.audio_response_nanos, found.image_prompt_nanos) == (None, None)
    assert (found.request_nanos, found.tool_request_nanos) == (12_000_000, 10_000_000)
    assert (found.batch_percent, found.aliases) == (50, ("a", "b-*"))
    assert found.tiers == ({"above_prompt_tokens": 200_000, "prompt_nanos": 6 * 10**9, "cache_write_1h_nanos": 0},)
