"""Rows show numbers as existing scripts read them, and no secret."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.api.reference.rows import amount, app_token_row, hook_type, llm_row, plugin_row, price_row
from gateway.control.entities import LlmEntity, PluginEntity, PriceEntity, TokenEntity
from gateway.settings import UpstreamSettings


def test_no_row_has_a_secret() -> None:
    """Neither a vendor key nor a token nor its hash."""
    llm = LlmEntity(id=1, slug="a", name="a", vendor="openai", endpoint="http://x", api_key="sk-secret")
    token = TokenEntity(id=1, app_id=1, sha256="5ec4e7", prefix="slc_1234")
    shown = json.dumps([llm_row(llm, UpstreamSettings()), app_token_row(token)])
    assert "sk-secret" not in shown
    assert "5ec4e7" not in shown


@given(st.integers(0, 1 << 53))
def test_an_amount_is_the_nearest_number(nanos: int) -> None:
    """What it says is off by less than the last digit of a float; whole amounts are exact."""
    shown = amount(nanos)
    assert abs(shown * 1_000_000_000 - nanos) <= max(nanos, 1) * 2**-50
    assert amount(nanos // 1_000_000_000 * 1_000_000_000) == nanos // 1_000_000_000


@pytest.mark.parametrize(("nanos", "shown"), [(600_000_000, 6e-7), (150_000_000, 1.5e-7), (0, 0), (1, 1e-15)])
def test_a_price_is_of_one_token(nanos: int, shown: float) -> None:
    """Exactly the number that a script wrote."""
    price = PriceEntity(
        id=1, key="k", vendor="v", model_name="m", prompt_nanos=nanos, response_nanos=0, cache_read_nanos=0,
        cache_write_nanos=0,
    )  # fmt: skip
    assert price_row(price)["CPIT"] == shown


def test_the_first_hook_is_the_type() -> None:
    """None is empty."""
    assert (hook_type(("a", "b")), hook_type(())) == ("a", "")


def test_a_plugin_s_scopes_are_shown_and_its_secrets_are_not() -> None:
    """Where it was granted none there is null, as there always was."""
    plugin = PluginEntity(id=1, name="p", slug="p", command="python://a:B", config={"token": "hush"})
    assert (plugin_row(plugin)["service_scopes"], plugin_row(plugin)["config"]) == (None, {"token": "***"})
    assert plugin_row(replace(plugin, service_scopes=("apps.read",)))["service_scopes"] == ["apps.read"]
