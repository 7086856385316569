"""The gateway's settings: what cannot work is refused before a port opens, with its key and what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from sluice.settings import SettingsError, load_settings
from tests.gateway.flow import snapshot_of

LLM = {"id": 1, "slug": "demo", "base_url": "http://vendor/v1"}
APP = {"id": 1, "name": "tests", "llms": ["demo"]}
TOKEN = {"app": 1, "sha256": "0" * 64}
PRICE = {"id": "p", "model": "gpt-*", "prompt": "1", "response": "2"}
PLUGIN = {"id": 1, "name": "limit", "command": "limit.py"}


def tree(**sections: Any) -> Settings:
    """A settings tree with one LLM, one app and one token, and what a test puts in their place."""
    return Settings.model_validate({"llms": [LLM], "apps": [APP], "tokens": [TOKEN], **sections})


def refusal(**sections: Any) -> str:
    """Why a tree is refused."""
    with pytest.raises(ValidationError) as caught:
        tree(**sections)
    return str(caught.value)


def one(row: Mapping[str, Any], **values: Any) -> list[dict[str, Any]]:
    """A list of this one row, changed."""
    return [{**row, **values}]


def test_nothing_need_be_said() -> None:
    """An empty file is a gateway that listens on loopback and knows no LLM."""
    settings = Settings()
    assert (settings.gateway.host, settings.gateway.port, settings.gateway.workers) == ("127.0.0.1", 8080, 1)
    assert (settings.llms, settings.apps, settings.tokens, settings.prices, settings.plugins) == ((), (), (), (), ())


def test_two_bodies_and_their_headers_fit_their_topic() -> None:
    """The most that is kept of a side, twice, is below what a topic takes."""
    limit = tree(gateway={"bodies": {"max_bytes": 400_000}}).gateway.bodies.max_bytes
    assert 2 * limit + 2 * 32_768 < tree().journal.max_exchange_bytes


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("gateway", {"port": 65_536}), ("gateway", {"port": -1}), ("gateway", {"workers": 0}),
        ("gateway", {"workers": 129}), ("gateway", {"max_in_flight": 0}), ("gateway", {"max_in_flight": 65_537}),
        ("gateway", {"max_request_bytes": 0}), ("gateway", {"keep_alive_seconds": 0}),
        ("gateway", {"drain_timeout_seconds": -1}), ("gateway", {"mode": "edge"}), ("gateway", {"id": ""}),
        ("gateway", {"id": "a/b"}), ("gateway", {"id": "a\n"}), ("gateway", {"id": "x" * 65}), ("gateway", {"prt": 1}),
        ("gateway", {"bodies": {"max_bytes": 400_001}}), ("gateway", {"bodies": {"max_bytes": -1}}),
        ("gateway", {"upstream": {"retries": 6}}), ("gateway", {"upstream": {"client": "curl"}}),
        ("gateway", {"upstream": {"connect_timeout_seconds": 0}}), ("record", {"unauthenticated_per_second": -1}),
        ("budget", {"interrupted": "never"}), ("budget", {"default_output_tokens": 0}), ("version", "2"),
        ("eventlog", {"durability": "strict"}), ("unknown", {}),
        ("console", {"max_queries": 0}), ("console", {"session_hours": 0}), ("console", {"colectors": []}),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(section: str, values: Any) -> None:
    """By its key; unknown keys too."""
    key = next(iter(values), section) if isinstance(values, dict) else section
    assert str(key) in refusal(**{section: values})


@pytest.mark.parametrize(
    "url", ["", "collector:9464", "ftp://c", "http://", "http://u:p@c", "http://c?x=1", "http://c:0", "http://[::1"]
)
def test_a_collector_that_cannot_be_asked_is_refused(url: str) -> None:
    """By its address, with one that can be."""
    assert "http://127.0.0.1:9464" in refusal(console={"collectors": [url]})
    assert tree(console={"collectors": ["https://c:1/base"]}).console.collectors == ("https://c:1/base",)


@pytest.mark.parametrize(
    "base_url",
    [
        "", "vendor", "vendor/v1", "/v1", "ftp://vendor", "http://", "http:///v1", "https://vendor/v1?key=1",
        "https://vendor/v1#top", "http://[::1", "file:///etc/passwd", "http:vendor", "://vendor",
    ],
)  # fmt: skip
def test_a_base_url_is_absolute_and_has_no_query(base_url: str) -> None:
    """Paths are put behind it."""
    assert "base_url" in refusal(llms=one(LLM, base_url=base_url))


def test_a_base_url_ends_without_a_slash() -> None:
    """However it was written."""
    assert tree(llms=one(LLM, base_url="https://vendor/v1//")).llms[0].base_url == "https://vendor/v1"


@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?P<a>", "\\"])
def test_a_pattern_that_does_not_compile_is_refused(pattern: str) -> None:
    """It would match nothing, and so deny every model in silence."""
    assert "is not a regular expression" in refusal(llms=one(LLM, allowed_models=["gpt-.*", pattern]))


@pytest.mark.parametrize("slug", ["", "Demo", "-demo", "de mo", "a/b", "a.b", "x" * 64, "ü", "demo\n"])
def test_a_slug_is_one_part_of_a_path(slug: str) -> None:
    """Lower-case letters, digits and two marks, at most 63."""
    assert "slug" in refusal(llms=one(LLM, slug=slug), apps=[], tokens=[])


@pytest.mark.parametrize(
    "values",
    [{"sha256": "0" * 63}, {"sha256": "G" * 64}, {"sha256": "A" * 64}, {"prefix": "x" * 9}, {"token": "slc_x"}],
)
def test_a_token_is_its_hash_alone(values: dict[str, Any]) -> None:
    """In lower-case hex, as it is looked up; the token itself has no place in a file."""
    assert next(iter(values)) in refusal(tokens=one(TOKEN, **values))


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"llms": [LLM, {**LLM, "id": 2}]}, "llms.slug: demo is used twice"),
        ({"llms": [LLM, {**LLM, "slug": "other"}]}, "llms.id: 1 is used twice"),
        ({"apps": [APP, {**APP, "name": "other"}]}, "apps.id: 1 is used twice"),
        ({"tokens": [TOKEN, TOKEN]}, f"tokens.sha256: {'0' * 64} is used twice"),
        ({"plugins": [PLUGIN, {**PLUGIN, "id": 2}]}, "plugins.name: limit is used twice"),
        (
            {"llms": one(LLM, plugins=["limt"]), "plugins": [PLUGIN]},
            "llms.demo.plugins: 'limt' does not exist; known: limit",
        ),
        (
            {"llms": one(LLM, plugins=[{"plugin": "limit", "app": 9}]), "plugins": [PLUGIN]},
            "llms.demo.plugins.app: 9 does not exist; known: ",
        ),
        ({"llms": one(LLM, plugins=["limit"])}, "llms.demo.plugins: 'limit' does not exist; known: none are defined"),
        ({"apps": one(APP, llms=["dmeo"])}, "apps.tests.llms: 'dmeo' does not exist; known: demo"),
        ({"tokens": one(TOKEN, app=2)}, "tokens.app: 2 does not exist; known: 1"),
    ],
)  # fmt: skip
def test_names_are_unique_and_meet(sections: dict[str, Any], said: str) -> None:
    """Whatever is named must exist; the message says what does."""
    assert said in refusal(**sections)


def test_ids_of_plugins_are_unique() -> None:
    """As those of LLMs and apps are."""
    assert "plugins.id" in refusal(plugins=[PLUGIN, {**PLUGIN, "name": "other"}])


def test_secrets_are_not_shown() -> None:
    """A tree that is printed, or that ends in a traceback, holds no key."""
    settings = tree(llms=one(LLM, api_key="sk-secret"))
    assert "sk-secret" not in repr(settings)
    assert "sk-secret" not in settings.model_dump_json()
    assert settings.llms[0].api_key.get_secret_value() == "sk-secret"


def test_settings_do_not_change() -> None:
    """Workers share them."""
    with pytest.raises(ValidationError):
        tree().gateway.port = 1


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({"llms": one(LLM, base_url="http://vendor:99999/v1")}, id="port-out-of-range"),
        pytest.param({"llms": one(LLM, base_url="http://vendor:x/v1")}, id="port-is-no-number"),
        pytest.param({"llms": one(LLM, base_url=f"http://{'ü' * 70}/v1")}, id="host-too-long"),
        pytest.param({"prices": one(PRICE, prompt="0,15")}, id="price-is-no-decimal"),
        pytest.param({"prices": one(PRICE, response="-1")}, id="price-below-zero"),
        pytest.param({"prices": one(PRICE, cache_read="1e3")}, id="price-with-exponent"),
        pytest.param({"prices": [PRICE, {**PRICE, "id": "q"}]}, id="two-prices-for-one-model"),
        pytest.param(
            {"prices": [PRICE, {**PRICE, "id": "q", "model": "other", "aliases": [PRICE["model"]]}]},
            id="an-alias-is-anothers-model",
        ),
        pytest.param({"prices_base": "mine"}, id="a-base-table-that-is-none"),
        pytest.param({"gateway": {"id": "collectors"}}, id="gateway-id-is-taken"),
        pytest.param({"prices": one(PRICE, currency="usd")}, id="currency-in-small-letters"),
        pytest.param({"prices": one(PRICE, prompt=0.15)}, id="price-is-a-float"),
    ],
)
def test_what_a_gateway_cannot_start_with_is_refused(sections: dict[str, Any]) -> None:
    """Before a port opens, with key and remedy: `sluice validate` says what the start would."""
    refusal(**sections)


@pytest.mark.parametrize(
    "values",
    [
        {"api_key": "key\n"}, {"api_key": "ke\ry"}, {"api_key": "k\x00"}, {"base_url": "http://vendor/v 1"},
        {"base_url": "http://vendor/v1\n"}, {"base_url": "http://vendor/ü"}, {"base_url": "http://vendor:0/v1"},
    ],
)  # fmt: skip
def test_what_no_request_can_carry_is_refused(values: dict[str, Any]) -> None:
    """A key read from a file with its line's end is the usual one."""
    assert next(iter(values)) in refusal(llms=one(LLM, **values))


def test_a_moment_beyond_the_calendar_is_refused() -> None:
    """Not a crash: in UTC it is in the year 0."""
    assert "expires_at" in refusal(tokens=one(TOKEN, expires_at="0001-01-01T00:00:00+01:00"))


def test_what_cannot_be_redacted_is_refused() -> None:
    """A policy that is none, a rule that nobody knows, a pattern without a bound: with the key."""
    assert "bodies" in refusal(apps=one(APP, bodies="some"))
    assert "did you mean 'email'" in refusal(gateway={"bodies": {"redact": {"rules": ["emial"]}}})
    assert "lookarounds" in refusal(gateway={"bodies": {"redact": {"patterns": ["(?=a)"]}}})
    assert tree(gateway={"bodies": {"policy": "redacted"}}, apps=one(APP, bodies="none")).apps[0].bodies == "none"


@pytest.mark.parametrize("base_url", ["http://[::1]:8080/v1", "https://münchen.example/v1", "http://vendor:65535"])
def test_any_address_that_can_be_called_is_one(base_url: str) -> None:
    """IPv6, names that are encoded for their resolver, ports to the last."""
    assert tree(llms=one(LLM, base_url=base_url)).llms[0].base_url == base_url


def test_prices_from_different_moments_are_a_history(tmp_path: Path) -> None:
    """From the same one, whatever zone it is written in, there is one; the refusal has file, key and remedy."""
    first = {**PRICE, "valid_from": "2026-01-01T00:00:00"}
    tree(prices=[PRICE, first])
    path = tmp_path / "sluice.yaml"
    again = {**PRICE, "id": "q", "valid_from": "2026-01-01T01:00:00+01:00"}
    path.write_text(json.dumps({"prices": [first, again, {**PRICE, "prompt": "0,15"}]}))
    with pytest.raises(SettingsError) as caught:
        load_settings(path, Settings, {})
    assert str(caught.value).startswith(f"{path}: prices[2].prompt: '0,15' is not a plain decimal amount; write it")
    path.write_text(json.dumps({"prices": [first, again]}))
    with pytest.raises(SettingsError, match=r"prices\.valid_from: openai/gpt-\* from 2026-01-01T00:00:00"):
        load_settings(path, Settings, {})


def test_what_is_valid_becomes_a_snapshot() -> None:
    """The least that serves does."""
    settings = tree(prices=[PRICE], plugins=[PLUGIN])
    assert set(snapshot_of(settings).llms_by_slug) == {"demo"}


def test_an_llm_does_not_fail_over_to_itself() -> None:
    """Nor to one that is not there; a message does not list thousands."""
    assert "the LLM itself" in refusal(llms=one(LLM, failover=["demo"]))
    many = [{**LLM, "id": number, "slug": f"llm-{number}"} for number in range(1, 1_000)]
    message = refusal(llms=[*many, {**LLM, "id": 1_000, "failover": ["nobody"]}])
    assert "'nobody' does not exist; known: llm-1, " in message
    assert len(message) < 500


def test_thousands_of_entities_are_read_in_a_moment() -> None:
    """What is looked up for each is not looked for among all: 20,000 apps took minutes."""
    apps = [{**APP, "id": number, "name": f"app {number}"} for number in range(1, 20_001)]
    tokens = [{"app": number, "sha256": f"{number:064x}"} for number in range(1, 20_001)]
    began = time.process_time()
    tree(apps=apps, tokens=tokens)
    assert time.process_time() - began < 5
