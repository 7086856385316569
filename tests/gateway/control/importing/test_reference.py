"""The reference's entities as a plan: joined by what rows say of one another, and what cannot be is left by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.credentials import hash_token
from gateway.control.importing.plan import Plan
from gateway.control.importing.reading import Export, read_export, snake_case
from gateway.control.importing.reference import plan_reference
from gateway.control.importing.report import Report
from gateway.control.importing.settings_document import settings_document
from tests.gateway.control.importing.conftest import ADMIN_TOKEN, TOKEN, app, llm, plugin, price, save, token


def planned(folder: Path) -> Plan:
    """The plan of an export."""
    plan = Plan()
    plan_reference(read_export([folder]), plan)
    return plan


def left(plan: Plan) -> str:
    """All reasons, vendor keys aside."""
    return "\n".join(f"{each.what}: {each.reason}" for each in plan.left if "vendor key" not in each.reason)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["openai", "api"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "llm_id", "name"]), inner),
    max_leaves=6,
)
FIELDS = sorted(
    {
        snake
        for made in (llm(1, "a"), app(1, "a"), token(1, 1, "t"), plugin(1, "p"), price(1, "m"))
        for snake in snake_case(made)
    }
    | {"script", "managed_by", "plugin_ids", "failover_llm_ids", "api_key_source", "filters", "tokens", "llms", "apps"}
)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of patterns that are odd and ours already
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=len(FIELDS)), max_size=4))
def test_no_row_is_a_traceback(rows: list[dict[str, Any]]) -> None:
    """Whatever stands in it: it is carried over, or left with a reason."""
    export = Export(rows=[(Path("x.json"), row) for row in rows])
    plan = Plan()
    plan_reference(export, plan)
    settings_document(plan, Report())


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of patterns that are odd and ours already
@pytest.mark.parametrize("kind", [llm(1, "a"), app(1, "a"), token(1, 1, "t" * 64), plugin(1, "p"), price(1, "m")])
@given(data=st.data())
def test_no_value_is_a_traceback(kind: dict[str, Any], data: st.DataObject) -> None:
    """In a row that is good but for one of them."""
    name = data.draw(st.sampled_from(sorted(kind)))
    export = Export(
        rows=[(Path("x.json"), snake_case(row)) for row in (app(1, "a"), {**kind, name: data.draw(VALUES)})]
    )
    plan = Plan()
    plan_reference(export, plan)
    settings_document(plan, Report())


def test_an_export_is_joined_as_it_was(export: Path) -> None:
    """Links, attachments and tokens; of rows that come twice the fuller says more."""
    plan = planned(export)
    assert left(plan) == ""
    assert [(each.slug, each.source_id, each.plugins) for each in plan.llms] == [
        ("mock-gpt", 7, ["enricher"]),
        ("other", 9, []),
    ]
    assert {each.name: each.llms for each in plan.apps} == {
        "Admin System": {},
        "bench": {"mock-gpt": "0", "other": "0"},
    }
    assert plan.apps[1].values["monthly_budget"] == "12.5"
    tokens = {each.app: (each.sha256, each.scopes, each.prefix) for each in plan.tokens}
    assert tokens["bench"] == (hash_token(TOKEN), ("api",), TOKEN[:8])
    assert tokens["Admin System"] == (hash_token(ADMIN_TOKEN), ("admin",), ADMIN_TOKEN[:8])
    assert [each.model_name for each in plan.prices] == ["gpt-4o-mini"]
    assert plan.llms[0].values["allowed_models"] == [".*(?:gpt-4o.*).*"]


def test_links_are_found_from_either_side(tmp_path: Path) -> None:
    """GET /llms has apps where GET /apps has no LLMs."""
    folder = save(tmp_path / "e", llms=[llm(1, "a", Apps=[app(2, "x")])], apps=[app(2, "x")])
    assert planned(folder).apps[0].llms == {"a": "0"}


def test_the_order_of_plugins_is_theirs_where_a_file_says_it(tmp_path: Path) -> None:
    """Else it is left, because nothing says it."""
    gpt = llm(1, "a")
    plugins = [plugin(1, "p", llms=[gpt]), plugin(2, "q", llms=[gpt])]
    folder = save(tmp_path / "e", llms=[gpt], plugins=plugins)
    plan = planned(folder)
    assert plan.llms[0].plugins == ["p", "q"]
    assert "order of its plugins" in left(plan)
    save(folder, llms_1_plugins=[plugin(2, "q"), plugin(1, "p")])
    ordered = planned(folder)
    assert ordered.llms[0].plugins == ["q", "p"]
    assert left(ordered) == ""


def reasons(tmp_path: Path, **answers: Any) -> str:
    """What is left of these."""
    return left(planned(save(tmp_path / "e", **answers)))


def test_what_this_version_cannot_do_is_left(tmp_path: Path) -> None:
    """By name, with the reason; and what hangs on it."""
    claude = llm(1, "Claude", vendor="claude.ai")
    said = reasons(
        tmp_path,
        llms=[claude, llm(2, "GPT", Filters=[{"ID": 1}], slug="Not A Slug")],
        apps=[app(2, "x", LLMs=[claude])],
        plugins=[plugin(1, "Binary", command="./plugins/enricher"), plugin(2, "Oci", command="oci://h/p:1")],
        filters=[{"id": 1, "name": "f1", "script": "x := 1", "is_active": True}],
        pricing=[price(1, "claude", Vendor="claude.ai"), price(2, "odd", CPT=-1)],
        strange=[{"id": 1, "colour": "red"}, {"owner_email": "a", "name": "b"}],
    )
    for expected in (
        "LLM Claude: its vendor 'claude.ai'",
        "app x: its link to LLM 1",
        "LLM GPT: its filters",
        "LLM GPT: its slug 'Not A Slug'",
        "plugin Binary: its command './plugins/enricher'",
        "plugin Oci",
        "filter f1",
        "price of claude.ai/claude",
        "price of openai/odd",
        "strange.json: a row that is nothing known",
        "strange.json: a row of kind app without an id",
    ):
        assert expected in said


def test_vendors_have_the_names_they_have_here(tmp_path: Path) -> None:
    """Its API takes ``google`` for what its gateway calls ``google_ai``."""
    folder = save(tmp_path / "e", llms=[llm(1, "G", vendor="google")], pricing=[price(1, "gemini", Vendor="google")])
    plan = planned(folder)
    assert [found.values["vendor"] for found in plan.llms] == ["google_ai"]
    assert [found.vendor for found in plan.prices] == ["google_ai"]


def test_tokens_that_cannot_be_kept(tmp_path: Path) -> None:
    """Without their text, app or a scope that is known; those that open nothing any more stay behind without harm."""
    tokens = [
        token(1, 2, ""),
        token(2, 9, "x" * 64),
        token(3, 2, "y" * 64, scopes=["read"]),
        token(4, 2, "z" * 64, scopes=["read", "api"]),
        token(5, 2, "a" * 64, expires_at="2020-01-01T00:00:00Z"),
        token(6, 2, "b" * 64, is_active=False),
        token(7, 2, "c" * 64, expires_at="soon"),
        token(8, 2, "d" * 64, expires_at="2099-01-01T00:00:00Z"),
    ]
    plan = planned(save(tmp_path / "e", apps=[app(2, "x")], tokens=tokens))
    assert [each.name for each in plan.tokens] == ["t4", "t8"]
    assert plan.tokens[0].scopes == ("api",)
    said = left(plan)
    for expected in (
        "token t1 of app 2: its text",
        "token t2 of app 9: its app",
        "t3 of app 2: its scopes read",
        "t4",
        "t7",
    ):
        assert expected in said
    assert "t5" not in said
    assert [note.split(":")[0] for note in plan.notes] == ["token t5 of app 2", "token t6 of app 2"]


def test_what_begins_to_be_enforced_is_noted(tmp_path: Path) -> None:
    """The reference kept these, and did nothing with them."""
    folder = save(
        tmp_path / "e",
        llms=[llm(1, "a", monthly_budget=5, rate_limit_rpm=6)],
        apps=[app(2, "x", rate_limit_rpm=7, allowed_ips=["10.0.0.0/8"])],
    )
    notes = planned(folder).notes
    assert len(notes) == 4
    assert all("enforced here" in note for note in notes)


def test_apps_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    """Where the reference takes a name twice."""
    plan = planned(save(tmp_path / "e", apps=[app(2, "x"), app(3, "x", Tokens=[token(1, 3, TOKEN)])]))
    assert [each.name for each in plan.apps] == ["x", "x-2"]
    assert plan.tokens[0].app == "x-2"
    assert any("several of this name" in note for note in plan.notes)


def test_an_export_of_ours_is_read_too(tmp_path: Path) -> None:
    """With what the reference has not: budgets of links, failover, order, keys that are in the environment."""
    ours = {
        "managed_by": "api",
        "version": 1,
        "allowed_models": ["gpt-4o"],
        "api_key_source": "env:KEY",
        "plugin_ids": [4],
    }
    first = {
        "id": 1,
        "slug": "a",
        "name": "a",
        "vendor": "openai",
        "endpoint": "http://h/v1",
        "failover_llm_ids": [2],
        **ours,
    }
    second = {**first, "id": 2, "slug": "b", "name": "b", "failover_llm_ids": [99], "plugin_ids": []}
    links = [{"llm_id": 1, "monthly_budget": "5", "monthly_budget_nanos": 5}]
    client = {"id": 2, "name": "x", "owner_email": "", "managed_by": "api", "llms": links, "time_zone": "Europe/Berlin"}
    plan = planned(save(tmp_path / "e", llms=[first, second], apps=[client], plugins=[plugin(4, "p", slug="p")]))
    assert [(each.failover, each.plugins) for each in plan.llms] == [(["b"], ["p"]), ([], [])]
    assert plan.llms[0].values["allowed_models"] == ["gpt-4o"]
    assert plan.llms[0].values["api_key"] == "env:KEY"
    assert plan.apps[0].llms == {"a": "5"}
    assert plan.apps[0].values["time_zone"] == "Europe/Berlin"
    assert left(plan) == "LLM b: its failover to LLM 99"
