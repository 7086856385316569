"""The snapshot: what requests read is what was configured, made once."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings import Settings
from gateway.snapshot import App, Chains, Llm, Snapshot, build_snapshot, price_table
from gateway.upstreams.client import Origin
from sluice.clock import at_micros

AT = 1_700_000_000_000_000
HASH = "0" * 64


def built(chains: dict[str, Chains] | None = None, **sections: Any) -> Snapshot:
    """The snapshot of a settings tree."""
    return build_snapshot(Settings.model_validate(sections), chains or {})


def llm(base_url: str = "http://vendor/v1", **values: Any) -> Llm:
    """One configured LLM."""
    snapshot = built(llms=[{"id": 3, "slug": "demo", "base_url": base_url, **values}])
    return snapshot.llms_by_slug["demo"]


@pytest.mark.parametrize(
    ("base_url", "origin", "host", "base_path"),
    [
        ("http://vendor", Origin("http", "vendor", 80), b"vendor", ""),
        ("https://vendor/", Origin("https", "vendor", 443), b"vendor", ""),
        ("https://vendor:8443/v1//", Origin("https", "vendor", 8443), b"vendor:8443", "/v1"),
        ("http://VENDOR/v1", Origin("http", "vendor", 80), b"VENDOR", "/v1"),
        ("http://[::1]:9/v1", Origin("http", "::1", 9), b"[::1]:9", "/v1"),
        ("https://user:pass@vendor/v1", Origin("https", "vendor", 443), b"vendor", "/v1"),
        ("https://münchen.de:1/v1", Origin("https", "münchen.de", 1), b"xn--mnchen-3ya.de:1", "/v1"),
    ],
)
def test_a_base_url_is_taken_apart_once(base_url: str, origin: Origin, host: bytes, base_path: str) -> None:
    """Where to connect, what ``Host`` says, and what stands before each path; a user part goes nowhere."""
    made = llm(base_url)
    assert (made.origin, made.host, made.base_path) == (origin, host, base_path)


def test_the_key_is_ready_to_be_sent() -> None:
    """In the dialect's header; none where there is no key."""
    assert llm(api_key="vendor-key").authorization == [(b"authorization", b"Bearer vendor-key")]
    assert llm().authorization == []


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        ([], "anything", True), ([], None, True), (["gpt-.*"], "gpt-4o", True), (["gpt-.*"], "my-gpt-4o", False),
        (["gpt"], "gpt-4o", False), (["gpt"], "gpt\n", False), (["gpt"], None, False), (["a", "b"], "b", True),
        ([".*"], None, False), ([".*"], "a\nb", False), (["GPT"], "gpt", False),
    ],
)  # fmt: skip
def test_an_allow_list_matches_whole_names(patterns: list[str], model: str | None, allowed: bool) -> None:
    """An empty list allows all; a list never allows a request that names no model."""
    assert llm(allowed_models=patterns).allows(model) is allowed


def test_chains_are_given_by_slug() -> None:
    """An LLM without plugins has empty ones, so that nobody pays for it."""
    chains = Chains()
    snapshot = built(
        {"b": chains},
        llms=[{"id": at, "slug": slug, "base_url": "http://vendor"} for at, slug in enumerate(("a", "b"), 1)],
    )
    assert snapshot.llms_by_slug["b"].chains is chains
    assert snapshot.llms_by_slug["a"].chains == Chains(None, None, None, None)


def test_llms_are_found_by_slug_and_by_id() -> None:
    """The same object both ways, with its labels and defaults."""
    snapshot = built(
        llms=[{"id": 3, "slug": "demo", "base_url": "http://v", "labels": ["x", "y"], "default_model": "gpt-4o"}]
    )
    found = snapshot.llms_by_id[3]
    assert found is snapshot.llms_by_slug["demo"]
    assert (found.labels, found.default_model, found.vendor) == (["x", "y"], "gpt-4o", "openai")


def test_a_token_leads_to_its_app() -> None:
    """With the ids of the LLMs that the app may use, however many tokens it has."""
    snapshot = built(
        llms=[{"id": 7, "slug": "a", "base_url": "http://v"}, {"id": 9, "slug": "b", "base_url": "http://v"}],
        apps=[{"id": 1, "name": "one", "user_id": 5, "llms": ["b", "b"], "bodies": "none"}, {"id": 2, "name": "two"}],
        tokens=[{"app": 1, "sha256": HASH}, {"app": 1, "sha256": "1" * 64}, {"app": 2, "sha256": "2" * 64}],
    )
    app = snapshot.tokens[HASH].app
    assert app == App(1, "one", 5, frozenset({9}), "none")
    assert snapshot.tokens["1" * 64].app is app
    assert snapshot.tokens["2" * 64].app == App(2, "two", None, frozenset(), "full")
    assert snapshot.tokens[HASH].expires_at is None


def expiry(at: datetime) -> int | None:
    """When a token expires, in the snapshot."""
    token = {"app": 1, "sha256": HASH, "expires_at": at}
    return built(apps=[{"id": 1, "name": "one"}], tokens=[token]).tokens[HASH].expires_at


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
    """Or it is refused; it does not depend on where the gateway runs."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert expiry(datetime(2030, 1, 1)) == expiry(datetime(2030, 1, 1, tzinfo=UTC))  # noqa: DTZ001
    finally:
        monkeypatch.undo()
        time.tzset()


def test_prices_are_nanos_per_million_tokens() -> None:
    """From decimal text, exactly; cached tokens cost what others do unless a price says otherwise."""
    prices = price_table(
        Settings.model_validate(
            {
                "price_version": "7",
                "prices": [
                    {"id": "a", "model": "a", "prompt": "0.15", "response": "0.60", "currency": "EUR"},
                    {
                        "id": "b",
                        "model": "b",
                        "prompt": "1",
                        "response": "2",
                        "cache_read": "0",
                        "cache_write": "0.000000001",
                    },
                ],
            }
        )
    )
    first, second = prices.find("openai", "a", AT), prices.find("openai", "b", AT)
    assert first
    assert second
    assert (first.id, first.version, first.currency, first.valid_from) == ("a", "7", "EUR", 0)
    assert (first.prompt_nanos, first.response_nanos) == (150_000_000, 600_000_000)
    assert (first.cache_read_nanos, first.cache_write_nanos) == (150_000_000, 150_000_000)
    assert (second.cache_read_nanos, second.cache_write_nanos) == (0, 1)


def test_a_price_holds_from_its_moment_on() -> None:
    """The microsecond before it is the older price's."""
    row = {"model": "a", "response": "1"}
    newer = {"id": "new", "prompt": "2", "valid_from": at_micros(AT), **row}
    prices = price_table(Settings.model_validate({"prices": [{"id": "old", "prompt": "1", **row}, newer]}))
    found = [prices.find("openai", "a", at) for at in (AT - 1, AT)]
    assert [price.id if price else "" for price in found] == ["old", "new"]
