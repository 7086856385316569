"""Prices over REST: named for a token, kept exactly for a million, never rounded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.control.api.fields import TokenPrice
from gateway.control.api.views import token_price
from tests.gateway.control.api.harness import Api

BODY = {"vendor": "openai", "model_name": "gpt-4o-mini", "cpt": 6e-7, "cpit": 1.5e-7, "currency": "USD"}


async def test_the_reference_s_body_is_read_exactly(api: Api) -> None:
    """0.6 and 0.15 dollars a million tokens, in nanos; a cache price that is not given is the prompt's."""
    answer = await api.post("/pricing", BODY)
    assert answer["message"] == "Model price created successfully"
    made = answer["data"]
    assert (made["cpt"], made["cpit"]) == ("0.0000006", "0.00000015")
    assert (made["response_nanos_per_million"], made["prompt_nanos_per_million"]) == (600_000_000, 150_000_000)
    assert (made["cache_read_pt"], made["cache_write_pt"]) == ("0.00000015", "0.00000015")
    assert (made["key"], made["price_version"], made["valid_from"]) == (
        f"price-{made['id']}",
        "1",
        "1970-01-01T00:00:00.000000Z",
    )
    assert (await api.get(f"/pricing/{made['id']}"))["data"] == made


async def test_zero_is_a_price(api: Api) -> None:
    """The reference takes it for none; here an explicit zero is one."""
    made = (await api.post("/pricing", {**BODY, "cpt": 0, "cpit": "0", "cache_read_pt": 0.0}))["data"]
    assert (made["cpt"], made["cpit"], made["cache_read_pt"]) == ("0", "0", "0")


async def test_a_changed_price_has_another_version(api: Api) -> None:
    """So that events tell the two apart; what is not a price leaves it, and so does the same price."""
    path = f"/pricing/{(await api.post('/pricing', BODY))['data']['id']}"
    assert (await api.put(path, {"currency": "EUR"}))["data"]["price_version"] == "1"
    changed = (await api.put(path, {"cpt": "0.000001"}))["data"]
    assert (changed["price_version"], changed["version"], changed["cpit"]) == ("3", 3, "0.00000015")
    assert (await api.put(path, {"cpt": "0.0000010"}))["data"] == changed
    assert (await api.put(path, {"cpt": "0.000002", "price_version": "mine"}))["data"]["price_version"] == "mine"
    await api.put(path, {"cpt": "0.000003"}, 412, headers={"if-match": '"1"'})
    await api.put("/pricing/99", {"cpt": 1}, 404)


BAD: list[Any] = [
    ("cpt", -1e-7),
    ("cpt", "-0.1"),
    ("cpt", "1e-7"),
    ("cpt", 1e-16),
    ("cpt", "0.0000000000000001"),
    ("cpt", 1e300),
    ("cpt", True),
    ("cpt", None),
    ("cpt", [1]),
    ("cpit", "free"),
    ("cpit", "1_0"),
    ("cpit", "\u0661"),
    ("cpit", 10_000),
    ("currency", "usd"),
    ("currency", "DOLLARS"),
    ("vendor", "cohere"),
    ("model_name", ""),
    ("model_name", "x" * 257),
    ("price_version", "a b"),
    ("valid_from", "now"),
    ("key", "mine"),
]


async def test_a_bad_value_is_refused_by_its_field(api: Api) -> None:
    """400; what is finer than a nano for a million tokens is not rounded but refused."""
    for field, value in BAD:
        assert (await api.post("/pricing", {**BODY, field: value}, 400))["field"] == field


async def test_two_prices_from_the_same_moment_are_a_conflict(api: Api) -> None:
    """From another moment they are two."""
    await api.post("/pricing", BODY)
    assert (await api.post("/pricing", BODY, 409))["code"] == "duplicate"
    await api.post("/pricing", {**BODY, "valid_from": "2026-12-01T00:00:00Z"})
    assert (await api.get("/pricing?vendor=openai"))["pagination"]["total"] == 2
    assert (await api.get("/pricing?vendor=other"))["pagination"]["total"] == 0
    await api.delete("/pricing/1")
    await api.get("/pricing/1", 404)


@given(st.integers(0, 2**63 - 1))
def test_every_price_survives_both_ways(nanos: int) -> None:
    """What is shown of a price is read back as the same price."""
    shown = token_price(nanos)
    assert TypeAdapter(TokenPrice).validate_python(Decimal(shown)) == nanos
    assert TypeAdapter(TokenPrice).validate_python(shown) == nanos


RICH = {
    "cache_write_1h_pt": "0.000006",
    "audio_prompt_pt": 0.00004,
    "audio_response_pt": 0,
    "image_prompt_pt": None,
    "request_price": "0.012",
    "tool_request_price": 0.01,
    "tiers": [{"above_prompt_tokens": 200_000, "cpit": "0.000006", "cpt": 0, "cache_read_pt": None}],
    "batch_percent": 0,
    "aliases": ["my-deployment", "gpt-4o-mini-*"],
}


async def test_a_price_has_every_class(api: Api) -> None:
    """Exactly, zero too; null is what a nearer class costs, and it can be set again."""
    made = (await api.post("/pricing", {**BODY, **RICH}))["data"]
    assert (made["cache_write_1h_pt"], made["audio_prompt_pt"], made["audio_response_pt"]) == (
        "0.000006",
        "0.00004",
        "0",
    )
    assert (made["image_prompt_pt"], made["image_response_pt"]) == (None, None)
    assert (made["request_price"], made["tool_request_price"], made["batch_percent"]) == ("0.012", "0.01", 0)
    assert made["aliases"] == ["my-deployment", "gpt-4o-mini-*"]
    (tier,) = made["tiers"]
    named = {name: value for name, value in tier.items() if value is not None}
    assert named == {"above_prompt_tokens": 200_000, "cpit": "0.000006", "cpt": "0"}
    path = f"/pricing/{made['id']}"
    assert (await api.get(path))["data"] == made
    assert (await api.put(path, {"cache_write_1h_pt": None}))["data"]["cache_write_1h_pt"] is None


async def test_what_changes_the_charge_is_another_version(api: Api) -> None:
    """Tiers, requests and batches too; aliases do not, and neither does the same again."""
    made = (await api.post("/pricing", {**BODY, **RICH}))["data"]
    path, version = f"/pricing/{made['id']}", made["price_version"]
    same: dict[str, Any]
    for same in ({"tiers": RICH["tiers"]}, {"aliases": []}, {"batch_percent": 0}):
        assert (await api.put(path, same))["data"]["price_version"] == version
    other: dict[str, Any]
    for other in ({"tiers": []}, {"batch_percent": 50}, {"request_price": 0}, {"audio_prompt_pt": 0}):
        changed = (await api.put(path, other))["data"]["price_version"]
        assert changed != version
        version = changed


async def test_a_bad_part_is_refused_by_its_field(api: Api) -> None:
    """Before anything is written."""
    tier = {"above_prompt_tokens": 5, "cpit": 1}
    bad: list[tuple[str, Any]] = [
        ("batch_percent", 101), ("batch_percent", -1), ("batch_percent", 1.5), ("batch_percent", "50"),
        ("request_price", -1), ("request_price", None), ("tool_request_price", "x"), ("audio_prompt_pt", -1),
        ("aliases", [""]), ("aliases", ["a"] * 65), ("aliases", "a"), ("aliases", [7]), ("tiers", [tier, tier]),
    ]  # fmt: skip
    for field, value in bad:
        assert (await api.post("/pricing", {**BODY, field: value}, 400))["field"].startswith(field), (field, value)
    for wrong in ({}, {"above_prompt_tokens": 5}, {"cpit": 1}, {**tier, "above_prompt_tokens": 0}, {**tier, "x": 1}):
        assert (await api.post("/pricing", {**BODY, "tiers": [wrong]}, 400))["field"].startswith("tiers")
