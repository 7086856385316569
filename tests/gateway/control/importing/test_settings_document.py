"""A plan as a settings file: one that the gateway takes as it is, and what it has no place for is told."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.control.admin.errors import UsageError
from gateway.control.file_entities import entities_of
from gateway.control.importing.plan import Plan, PlannedApp, PlannedLlm, PlannedPlugin, PlannedPrice, PlannedToken
from gateway.control.importing.report import Report
from gateway.control.importing.settings_document import settings_document, write_document
from gateway.settings import Settings
from sluice.settings import load_settings

PLACE = {"vendor": "openai", "endpoint": "http://h/v1"}


def a_plan() -> Plan:
    """One of each, joined."""
    return Plan(
        plugins=[PlannedPlugin(slug="p", values={"name": "P", "command": "python://a:B", "hook_types": ["post_auth"]})],
        llms=[
            PlannedLlm(
                slug="a", values={"name": "A", **PLACE, "api_key": "sk-1"}, failover=["b"], plugins=["p"], source_id=7
            ),
            PlannedLlm(slug="b", values={"name": "B", **PLACE, "allowed_models": ["gpt.*"]}, source_id=7),
        ],
        apps=[
            PlannedApp(name="x", values={"name": "x", "monthly_budget": "12.5"}, llms={"a": "5", "b": "0"}, source_id=3)
        ],
        tokens=[PlannedToken(app="x", name="t", sha256="ab" * 32, prefix="12345678", expires_at=1_900_000_000_000_001)],
        prices=[
            PlannedPrice(vendor="openai", model_name="m", values={"cpt": "0.0000006", "cpit": "0.000000000000001"})
        ],
    )


def test_the_gateway_takes_the_file(tmp_path: Path) -> None:
    """With everything as it was; ids stay where they are free; only its owner reads it."""
    report, path = Report(), tmp_path / "new.yaml"
    write_document(path, settings_document(a_plan(), report))
    assert report.left == []
    assert len(report.made) == 6
    entities = entities_of(load_settings(path, Settings))
    a, b = entities.llms[7], entities.llms[8]
    assert (a.slug, a.api_key, a.failover_llm_ids, a.attachments[0].plugin_id) == ("a", "sk-1", (8,), 1)
    assert b.allowed_models == ("gpt.*",)
    app = entities.apps[3]
    assert app.monthly_budget_nanos == 12_500_000_000
    assert {link.llm_id: link.monthly_budget_nanos for link in app.llms} == {7: 5_000_000_000, 8: 0}
    (token,) = entities.tokens.values()
    assert (token.app_id, token.sha256, token.expires_at) == (3, "ab" * 32, 1_900_000_000_000_001)
    (price,) = entities.prices.values()
    assert (price.response_nanos, price.prompt_nanos) == (600_000_000, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_stays() -> None:
    """It may be the one that the gateway runs by."""
    with pytest.raises(UsageError, match="--output"):
        write_document(Path(__file__), {})


def reasons(plan: Plan) -> dict[str, str]:
    """What the file cannot say."""
    report = Report()
    settings_document(plan, report)
    return {each.what: each.reason for each in report.left}


def test_what_a_file_has_no_place_for_is_told() -> None:
    """The rest is there."""
    plan = a_plan()
    plan.llms[0].values["metadata"] = {"a": 1}
    plan.apps[0].values["owner_email"] = "dev@example.com"
    plan.plugins[0].values["is_active"] = False
    found = reasons(plan)
    assert "metadata" in found["LLM A"] or "plugin p" in found["LLM A"]
    assert "owner_email" in found["app x"]
    assert "not active" in found["plugin P"]


def test_what_a_file_may_not_say_is_told_with_what_hangs_on_it() -> None:
    """By the key; the file stays valid."""
    plan = a_plan()
    plan.llms[1].values["endpoint"] = "ftp://h"
    plan.apps[0].values["budget_reset_day"] = 31
    found = reasons(plan)
    assert found["LLM B"].startswith("base_url: ")
    assert found["LLM A"] == "LLM b is not there"
    assert "budget_reset_day" in found["app x"] or "LLM b" in found["app x"]
    assert found["token t of app x"] == "its app is not there"


def test_a_text_that_would_be_a_variable_is_told() -> None:
    """``${`` in a key would be looked for in the environment."""
    plan = a_plan()
    plan.llms[0].values["api_key"] = "sk-${HOME}"
    assert "variable" in reasons(plan)["LLM A"]


def test_two_prices_of_one_name_get_ids_of_their_own() -> None:
    """Events tell them apart."""
    plan = Plan(
        prices=[
            PlannedPrice(vendor="openai", model_name="m", values={"cpt": "1", "cpit": "1", **when})
            for when in ({}, {"valid_from": "2030-01-01T00:00:00Z"})
        ]
    )
    document = settings_document(plan, Report())
    assert [price["id"] for price in document["prices"]] == ["openai-m", "openai-m-2"]


def test_a_plan_that_is_no_file_is_refused() -> None:
    """What no row shows alone."""
    price = PlannedPrice(vendor="openai", model_name="m", values={"cpt": "1", "cpit": "1"})
    with pytest.raises(UsageError, match="--output"):
        settings_document(Plan(prices=[price, price]), Report())


def test_a_price_keeps_all_its_parts(tmp_path: Path) -> None:
    """Classes and tiers for a million tokens, requests for one, and what is no price as it is."""
    tier = {"above_prompt_tokens": 200_000, "cpit": "0.000006", "cpt": None}
    values = {
        "cpt": "1", "cpit": "0.000003", "audio_prompt_pt": "0.00004", "request_price": "0.012",
        "tool_request_price": "0.01", "tiers": [tier], "batch_percent": 0, "aliases": ["a"],
    }  # fmt: skip
    report, path = Report(), tmp_path / "new.yaml"
    plan = Plan(prices=[PlannedPrice(vendor="openai", model_name="m", values=values)])
    write_document(path, settings_document(plan, report))
    assert report.left == []
    (price,) = entities_of(load_settings(path, Settings)).prices.values()
    assert (price.prompt_nanos, price.audio_prompt_nanos) == (3 * 10**9, 4 * 10**10)
    assert (price.request_nanos, price.tool_request_nanos) == (12_000_000, 10_000_000)
    assert price.tiers == ({"above_prompt_tokens": 200_000, "prompt_nanos": 6 * 10**9},)
    assert (price.batch_percent, price.aliases) == (0, ("a",))
