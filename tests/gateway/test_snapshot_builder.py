"""From entities to a snapshot: what requests read is what was configured, made once, and changed where it changed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.access.vendor_keys import VendorKeys
from gateway.control.entities import AppEntity, Changes, Entities, LlmEntity, LlmLink, PriceEntity, TokenEntity
from gateway.snapshot import Address, App, Chains, Llm, Snapshot
from gateway.snapshot_builder import SnapshotBuilder, build_snapshot, price_table
from gateway.upstreams.client import Origin
from sluice.money.base_prices import read_base_prices

AT = 1_700_000_000_000_000
HASH, OTHER_HASH = "0" * 64, "1" * 64


def llm_entity(llm_id: int = 3, **values: Any) -> LlmEntity:
    """One that works."""
    given_values = {
        "slug": f"llm-{llm_id}",
        "name": f"LLM {llm_id}",
        "vendor": "openai",
        "endpoint": "http://vendor/v1",
    }
    return LlmEntity(id=llm_id, **{**given_values, **values})


def app_entity(app_id: int = 1, *llm_ids: int, **values: Any) -> AppEntity:
    """One that may use these LLMs."""
    links = tuple(LlmLink(llm_id=llm_id) for llm_id in llm_ids)
    return AppEntity(id=app_id, **{"name": f"app {app_id}", "llms": links, **values})


def token_entity(token_id: int = 1, app_id: int = 1, **values: Any) -> TokenEntity:
    """One that is known by ``HASH``."""
    return TokenEntity(id=token_id, app_id=app_id, **{"sha256": HASH, **values})


def price_entity(price_id: int = 1, **values: Any) -> PriceEntity:
    """One of gpt-4o."""
    given_values = {"key": f"price-{price_id}", "vendor": "openai", "model_name": "gpt-4o"}
    nanos = {"prompt_nanos": 1, "response_nanos": 2, "cache_read_nanos": 3, "cache_write_nanos": 4}
    return PriceEntity(id=price_id, **{**given_values, **nanos, **values})


def entities(*made: LlmEntity | AppEntity | TokenEntity | PriceEntity, generation: int = 1) -> Entities:
    """All of these."""
    found = Entities(generation=generation)
    for entity in made:
        match entity:
            case LlmEntity():
                found.llms[entity.id] = entity
            case AppEntity():
                found.apps[entity.id] = entity
            case TokenEntity():
                found.tokens[entity.id] = entity
            case PriceEntity():
                found.prices[entity.id] = entity
    return found


def llm(**values: Any) -> Llm:
    """One configured LLM."""
    return build_snapshot(entities(llm_entity(**values))).llms_by_id[3]


@pytest.mark.parametrize(
    ("endpoint", "origin", "host", "base_path"),
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
def test_an_endpoint_is_taken_apart_once(endpoint: str, origin: Origin, host: bytes, base_path: str) -> None:
    """Where to connect, what ``Host`` says, and what stands before each path; a user part goes nowhere."""
    made = llm(endpoint=endpoint)
    assert (made.origin, made.host, made.base_path, made.problem) == (origin, host, base_path, "")


@pytest.mark.parametrize("allows", [False, True])
def test_only_the_file_and_a_setting_let_an_llm_be_private(allows: bool) -> None:
    """An LLM of the API is connected to at public addresses alone, unless the setting says otherwise."""
    made = SnapshotBuilder(allows_private=allows).build(
        entities(llm_entity(3), llm_entity(4, slug="file", managed_by="file"))
    )
    assert [made.llms_by_id[llm_id].origin.allows_private for llm_id in (3, 4)] == [allows, True]


@pytest.mark.parametrize("allows", [False, True])
def test_upstreams_are_ready_to_be_called(allows: bool) -> None:
    """By base URL without its last slash, the LLM's own among them; as public as its endpoint must be."""
    own = llm_entity(endpoint="https://vendor/v1", allowed_upstreams=("http://other:8080/v2/", "https://third"))
    made = SnapshotBuilder(allows_private=allows).build(entities(own)).llms_by_id[3]
    assert dict(made.upstreams) == {
        "https://vendor/v1": Address(Origin("https", "vendor", 443, allows), b"vendor", "/v1"),
        "http://other:8080/v2": Address(Origin("http", "other", 8080, allows), b"other:8080", "/v2"),
        "https://third": Address(Origin("https", "third", 443, allows), b"third", ""),
    }
    assert llm().upstreams == {}


def test_an_upstream_that_is_no_address_is_an_llm_that_says_so() -> None:
    """Whoever wrote it checked it; another program did not."""
    assert "correct it" in llm(allowed_upstreams=("nonsense",)).problem


def test_the_key_is_ready_to_be_sent(tmp_path: Path) -> None:
    """In the dialect's header, wherever it is kept; none where there is no key."""
    (tmp_path / "key").write_text("of-a-file\n")
    keys = VendorKeys(tmp_path, {"VENDOR_KEY": "of-the-environment"})
    found = {"plain": "plain", "env:VENDOR_KEY": "of-the-environment", "file:key": "of-a-file"}
    for key, expected in found.items():
        made = build_snapshot(entities(llm_entity(api_key=key)), keys=keys).llms_by_id[3]
        assert made.authorization == [(b"authorization", f"Bearer {expected}".encode())]
    assert llm().authorization == []


@pytest.mark.parametrize(
    "values",
    [
        {"api_key": "env:NOBODY_SETS_THIS"}, {"api_key": "file:/nowhere/key"}, {"endpoint": "nonsense"},
        {"endpoint": "http://vendor:99999"}, {"endpoint": "ftp://vendor"}, {"endpoint": "http://[::1"},
        {"allowed_models": ("(",)}, {"vendor": "nobody"},
    ],
)  # fmt: skip
def test_an_llm_that_cannot_be_called_says_so_and_stops_nothing(values: dict[str, Any]) -> None:
    """It is known, with the reason, which is logged once as an error; the others serve."""
    with capture_logs() as lines:
        snapshot = build_snapshot(entities(llm_entity(api_key="vendor-key"), llm_entity(4, **values)))
    assert snapshot.llms_by_id[3].problem == ""
    assert snapshot.llms_by_id[4].problem
    (line,) = lines
    assert (line["log_level"], line["event"], line["llm_id"]) == ("error", "llm cannot be called", 4)
    assert "vendor-key" not in str(lines)


def test_what_is_configured_is_what_is_served() -> None:
    """Each field of an LLM arrives under its name."""
    values: dict[str, Any] = {
        "default_model": "gpt-4o", "timeout_seconds": 1.5, "retry_count": 0, "max_tokens": 7,
        "max_request_bytes": 8, "max_response_bytes": 9, "monthly_budget_nanos": 10, "budget_reset_day": 11,
        "rate_limit_rpm": 12, "rate_limit_tpm": 13,
    }  # fmt: skip
    made = llm(labels=("x", "y"), failover_llm_ids=(4, 5), **values)
    assert {name: getattr(made, name) for name in values} == values
    assert (made.labels, made.failover_ids, made.vendor, made.id) == (["x", "y"], (4, 5), "openai", 3)


def test_an_app_is_what_its_links_and_limits_say() -> None:
    """Budgets of links are kept where there are any; networks are read."""
    links = (LlmLink(llm_id=3, monthly_budget_nanos=5), LlmLink(llm_id=4))
    values: dict[str, Any] = {
        "user_id": 7, "bodies": "none", "monthly_budget_nanos": 8, "budget_reset_day": 9, "time_zone": "Asia/Tokyo",
        "budget_fail": "open", "rate_limit_rpm": 10, "rate_limit_tpm": 11, "max_concurrent": 12, "is_active": False,
    }  # fmt: skip
    app = build_snapshot(entities(app_entity(llms=links, allowed_ips=("10.0.0.0/8", "::1"), **values))).apps[1]
    assert {name: getattr(app, name) for name in values} == values
    assert (sorted(app.llm_ids), dict(app.llm_budgets)) == ([3, 4], {3: 5})
    assert [str(network) for network in app.allowed_ips] == ["10.0.0.0/8", "::1/128"]


def test_llms_are_found_by_slug_and_by_id() -> None:
    """The same object both ways."""
    snapshot = build_snapshot(entities(llm_entity()))
    assert snapshot.llms_by_id[3] is snapshot.llms_by_slug["llm-3"]


def test_a_token_leads_to_its_app() -> None:
    """However many tokens it has; ``*`` is all scopes."""
    tokens = [
        token_entity(1),
        token_entity(2, 2, sha256=OTHER_HASH, scopes=("*",), expires_at=AT, name="n", prefix="p"),
    ]
    snapshot = build_snapshot(entities(app_entity(1), app_entity(2), *tokens))
    first, second = snapshot.tokens[HASH], snapshot.tokens[OTHER_HASH]
    assert (first.id, sorted(first.scopes), first.expires_at) == (1, ["api"], None)
    assert snapshot.apps[second.app_id].name == "app 2"
    assert (second.expires_at, second.name, second.prefix) == (AT, "n", "p")
    assert sorted(second.scopes) == ["*", "admin", "api"]


def test_what_is_not_active_is_not_there_but_an_app() -> None:
    """An LLM and a token are as unknown; an app is known, to be told so."""
    snapshot = build_snapshot(
        entities(llm_entity(is_active=False), app_entity(is_active=False), token_entity(is_active=False))
    )
    assert (len(snapshot.llms_by_id), len(snapshot.llms_by_slug), len(snapshot.tokens)) == (0, 0, 0)
    assert not snapshot.apps[1].is_active


@pytest.mark.parametrize(
    "bad",
    [
        app_entity(9, allowed_ips=("nonsense",)),
        price_entity(9, prompt_nanos=-1),
        price_entity(9, batch_percent=101),
        price_entity(9, tiers=({"prompt_nanos": 1},)),
        price_entity(9, tiers=({"above_prompt_tokens": 1, "prompt_nanos": -1},)),
        price_entity(9, tiers=(7,)),
    ],
)
def test_what_nobody_could_have_written_is_left_out(bad: AppEntity | PriceEntity) -> None:
    """An app without its networks would be open to all; the rest is served, and the log has the entity."""
    with capture_logs() as lines:
        snapshot = build_snapshot(entities(app_entity(1), price_entity(1), bad))
    assert (list(snapshot.apps), list(snapshot.price_rows)) == ([1], [1])
    assert [(line["event"], line["entity_id"]) for line in lines] == [("entity left out", 9)]


def test_prices_are_found_by_what_they_are_for() -> None:
    """With the id that events carry; cached tokens have their own price, and each holds from its moment on."""
    table = price_table([price_entity(1, key="old"), price_entity(2, key="new", valid_from=AT, prompt_nanos=9)])
    found = [table.find("openai", "gpt-4o", at) for at in (AT - 1, AT)]
    assert [price.id if price else "" for price in found] == ["old", "new"]
    assert found[0]
    assert (found[0].prompt_nanos, found[0].response_nanos) == (1, 2)
    assert (found[0].cache_read_nanos, found[0].cache_write_nanos, found[0].version) == (3, 4, "1")


def test_a_price_has_all_that_its_row_says() -> None:
    """Tiers, aliases, what is paid by request; a class that a tier does not name is the row's."""
    row = price_entity(
        1, key="rich", prompt_nanos=10, response_nanos=20, cache_read_nanos=1, cache_write_nanos=10,
        cache_write_1h_nanos=15, audio_response_nanos=99, request_nanos=5, tool_request_nanos=7, batch_percent=50,
        aliases=("mine",), tiers=({"above_prompt_tokens": 100, "prompt_nanos": 30},),
    )  # fmt: skip
    found = price_table([row]).find("openai", "mine", AT)
    assert found is not None
    assert (found.request_nanos, found.tool_request_nanos, found.batch_percent) == (5, 7, 50)
    assert (found.rates.cache_write_1h, found.rates.audio_prompt, found.rates.audio_response) == (15, 10, 99)
    above = found.rates_for(101)
    assert (above.prompt, above.response, above.cache_read, above.cache_write, above.cache_write_1h) == (
        30,
        20,
        1,
        30,
        15,
    )


def test_the_base_table_lies_below_every_price_list() -> None:
    """Also of a snapshot without prices of its own, and of every later one."""
    base = read_base_prices()
    builder = SnapshotBuilder(base=base)
    snapshot = builder.build(entities(llm_entity()))
    assert snapshot.prices.base is base
    later = builder.change(snapshot, Changes(generation=2, prices={1: price_entity(1)}))
    found = [later.prices.find("openai", name, AT) for name in ("gpt-4o", "o1")]
    assert [price.id if price else None for price in found] == ["price-1", "base:openai/o1"]
    same = builder.change(later, Changes(generation=3))
    assert same.prices is later.prices
    assert build_snapshot(entities(llm_entity())).prices.base is None


def test_a_change_leaves_what_did_not_change() -> None:
    """The very same objects; the snapshot before is as it was, and the new one says its generation."""
    builder = SnapshotBuilder()
    tokens = [token_entity(1), token_entity(2, sha256=OTHER_HASH)]
    before = builder.build(
        entities(llm_entity(3), llm_entity(4), app_entity(1), app_entity(2), *tokens, price_entity())
    )
    after = builder.change(before, Changes(generation=2, apps={1: app_entity(1, name="changed")}))
    assert (before.apps[1].name, after.apps[1].name, after.generation) == ("app 1", "changed", 2)
    assert after.apps[2] is before.apps[2]
    assert after.tokens is before.tokens
    assert after.prices is before.prices
    assert after.llms_by_slug is before.llms_by_slug


def test_a_slug_that_moves_finds_who_has_it_now() -> None:
    """Two LLMs may exchange theirs in one change; one that is renamed is not found by its old name."""
    builder = SnapshotBuilder()
    before = builder.build(entities(llm_entity(3, slug="a"), llm_entity(4, slug="b"), llm_entity(5, slug="c")))
    changes = {3: llm_entity(3, slug="b"), 4: llm_entity(4, slug="a"), 5: llm_entity(5, slug="d")}
    after = builder.change(before, Changes(generation=2, llms=dict(changes)))
    assert {slug: found.id for slug, found in after.llms_by_slug.items()} == {"b": 3, "a": 4, "d": 5}
    assert {slug: found.id for slug, found in before.llms_by_slug.items()} == {"a": 3, "b": 4, "c": 5}


def test_a_token_is_found_by_the_hash_that_it_has_now() -> None:
    """One that is revoked, deleted or given another hash is not found by its old one; hashes may change hands."""
    builder = SnapshotBuilder()
    before = builder.build(entities(app_entity(1), token_entity(1), token_entity(2, sha256=OTHER_HASH)))
    for gone in (None, token_entity(1, is_active=False)):
        after = builder.change(before, Changes(generation=2, tokens={1: gone}))
        assert (after.tokens.get(HASH), list(after.token_hashes)) == (None, [2])
    swapped = Changes(generation=2, tokens={1: token_entity(1, sha256=OTHER_HASH), 2: token_entity(2)})
    after = builder.change(before, swapped)
    assert {sha256: token.id for sha256, token in after.tokens.items()} == {OTHER_HASH: 1, HASH: 2}
    last = builder.change(after, Changes(generation=3, tokens={1: None}))
    assert {sha256: token.id for sha256, token in last.tokens.items()} == {HASH: 2}


IDS = st.integers(1, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("llms"), IDS, st.none() | st.builds(llm_entity, st.just(0), is_active=st.booleans())),
        st.tuples(st.just("apps"), IDS, st.none() | st.builds(app_entity, st.just(0), IDS)),
        st.tuples(st.just("tokens"), IDS, st.none() | st.builds(token_entity, IDS, IDS, is_active=st.booleans())),
        st.tuples(st.just("prices"), IDS, st.none() | st.builds(price_entity, st.just(0), prompt_nanos=IDS)),
    ),
    max_size=12,
)  # fmt: skip


@given(STEPS)
def test_changes_lead_where_a_build_leads(steps: list[tuple[str, int, Any]]) -> None:
    """Whatever changes in whatever order: the same as a snapshot of all that is there at the end."""
    builder, snapshot, now = SnapshotBuilder(), Snapshot(), Entities()
    for kind, entity_id, given_entity in steps:
        entity = given_entity
        if entity is not None:
            own: dict[str, Any] = {"id": entity_id}
            own |= {"slug": f"llm-{entity_id}"} if kind == "llms" else {}
            own |= {"sha256": f"{entity_id:064}"} if kind == "tokens" else {}
            own |= {"model_name": f"m{entity_id}"} if kind == "prices" else {}
            entity = replace(entity, **own)
        change: dict[str, Any] = {kind: {entity_id: entity}}
        snapshot = builder.change(snapshot, Changes(generation=1, **change))
        found = getattr(now, kind)
        found.pop(entity_id, None)
        if entity is not None:
            found[entity_id] = entity
    anew = build_snapshot(replace(now, generation=snapshot.generation))
    for name in ("llms_by_slug", "llms_by_id", "tokens", "apps", "token_hashes", "price_rows"):
        assert dict(getattr(snapshot, name)) == dict(getattr(anew, name)), name


def test_chains_are_asked_for_each_llm() -> None:
    """One whose plugins are not there yet stays as it was in that, and a new one is not there at all."""
    ready: dict[int, Chains] = {3: Chains()}
    builder = SnapshotBuilder(lambda entity: ready.get(entity.id))
    before = builder.build(entities(llm_entity(3), llm_entity(4)))
    assert list(before.llms_by_id) == [3]
    first = before.llms_by_id[3].chains
    ready.clear()
    after = builder.change(before, Changes(generation=2, llms={3: llm_entity(3, default_model="m")}))
    assert after.llms_by_id[3].default_model == "m"
    assert after.llms_by_id[3].chains == first


def test_an_app_with_plugins_of_its_own_sees_an_llm_of_its_own() -> None:
    """The same in all but its chains, also while they are loaded anew; others see the one that everybody does."""
    own = Chains()
    ready: list[Chains | None] = [Chains(by_app={7: own})]
    builder = SnapshotBuilder(lambda _: ready[0])
    snapshot = builder.build(entities(llm_entity()))
    for _ in range(2):
        found = snapshot.llms_by_id[3]
        assert (list(found.by_app), found.by_app[7].chains, found.by_app[7].id) == ([7], own, 3)
        assert not found.by_app[7].by_app
        ready[0] = None
        snapshot = builder.change(snapshot, Changes(generation=2, llms={3: llm_entity()}))


def test_what_many_have_in_common_is_kept_once() -> None:
    """100,000 apps must fit into memory."""
    snapshot = build_snapshot(
        entities(
            *(app_entity(at, 3, 4, allowed_ips=("10.0.0.0/8",)) for at in (1, 2)),
            *(token_entity(at, at, sha256=str(at), scopes=("api",)) for at in (1, 2)),
        )
    )
    for name in ("llm_ids", "allowed_ips", "llm_budgets", "time_zone"):
        assert getattr(snapshot.apps[1], name) is getattr(snapshot.apps[2], name), name
    assert snapshot.tokens["1"].scopes is snapshot.tokens["2"].scopes


def test_what_was_once_in_common_is_forgotten() -> None:
    """A worker that lives for long does not keep what apps and tokens were long ago."""
    builder, snapshot = SnapshotBuilder(), Snapshot()
    for at in range(10_000):
        snapshot = builder.change(snapshot, Changes(generation=at, apps={1: app_entity(1, at)}))
    assert len(builder._shared) < 5_000


def test_one_change_among_many_is_quick() -> None:
    """Of 20,000 apps and tokens: two milliseconds, on average, are generous (20 are allowed with 100,000)."""
    many = range(1, 20_001)
    builder = SnapshotBuilder()
    snapshot = builder.build(
        entities(*(app_entity(at) for at in many), *(token_entity(at, at, sha256=f"{at:064}") for at in many))
    )
    started = time.process_time()
    for at in range(1, 101):
        one = token_entity(at, at, sha256=f"{at:064}", is_active=bool(at % 2))
        snapshot = builder.change(snapshot, Changes(generation=at, apps={at: app_entity(at)}, tokens={at: one}))
    assert time.process_time() - started < 0.2


def test_an_app_is_equal_to_what_it_is_made_of() -> None:
    """Nothing is in it that its entity does not say."""
    assert build_snapshot(entities(app_entity(1, 3))).apps[1] == App(1, "app 1", None, frozenset({3}), "default")
