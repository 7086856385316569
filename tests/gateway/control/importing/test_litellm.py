"""LiteLLM's file as a plan: groups fail over, settings are every deployment's, what is not here is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.importing.deployment import _COSTS, _KNOWN
from gateway.control.importing.litellm import plan_litellm
from gateway.control.importing.plan import Plan
from gateway.control.importing.report import Report
from gateway.control.importing.settings_document import settings_document
from gateway.entity_settings import MAX_FAILOVER

CONFIG = """
model_list:
  - model_name: gpt-4o ### RECEIVED MODEL NAME ###
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_KEY_EU
      rpm: 6
    model_info: {input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_KEY_CA, rpm: 9}
    model_info: {input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}
  - model_name: bedrock-claude-v1
    litellm_params: {model: bedrock/anthropic.claude-instant-v1}
  - model_name: vllm-models
    litellm_params:
      model: openai/facebook/opt-125m
      api_base: http://10.0.0.1:4000/v1
      api_key: none
      timeout: 300
litellm_settings:
  drop_params: True
  num_retries: 3
  request_timeout: 10
  fallbacks: [{"vllm-models": ["gpt-4o", "bedrock-claude-v1"]}]
  success_callback: ["langfuse"]
router_settings:
  routing_strategy: simple-shuffle
  model_group_alias: {"gpt-4": "gpt-4o"}
general_settings:
  master_key: sk-1234
  alerting: ["slack"]
environment_variables: {A: b}
"""


def planned(text: str) -> Plan:
    """The plan of a file."""
    plan = Plan()
    plan_litellm(Path("config.yaml"), yaml.safe_load(text), {}, plan)
    return plan


def left(plan: Plan) -> dict[str, str]:
    """What is left, and why."""
    return {each.what: each.reason for each in plan.left}


def test_the_example_of_its_documentation() -> None:
    """Deployments of one name stand by for one another; a name that is not the vendor's is left."""
    plan = planned(CONFIG)
    assert [(llm.slug, llm.values["name"], llm.failover) for llm in plan.llms] == [
        ("gpt-4o", "gpt-4o", ["gpt-4o-2"]),
        ("gpt-4o-2", "gpt-4o-2", []),
        ("vllm-models", "vllm-models", ["gpt-4o", "gpt-4o-2"]),
    ]
    assert [llm.values.get("api_key") for llm in plan.llms] == ["env:OPENAI_KEY_EU", "env:OPENAI_KEY_CA", None]
    assert [llm.values.get("rate_limit_rpm") for llm in plan.llms] == [6, 9, None]
    assert [llm.values["timeout_seconds"] for llm in plan.llms] == [10, 10, 300]
    assert {llm.values["retry_count"] for llm in plan.llms} == {3}
    assert [(each.model_name, each.values) for each in plan.prices] == [
        ("gpt-4o", {"cpit": "0.0000025", "cpt": "0.00001"})
    ]
    assert plan.apps == []
    assert plan.tokens == []


def test_what_is_not_carried_over_is_named() -> None:
    """Every section that did something."""
    found = left(planned(CONFIG))
    assert set(found) == {
        "deployment bedrock/anthropic.claude-instant-v1 of bedrock-claude-v1",
        "model name 'vllm-models'",
        "load balancing of 'gpt-4o'",
        "fallback of 'vllm-models'",
        "litellm_settings.drop_params",
        "litellm_settings.success_callback",
        "router_settings.routing_strategy",
        "router_settings.model_group_alias",
        "general_settings.alerting",
        "environment_variables",
    }


def test_the_master_key_is_noted_and_shown_nowhere() -> None:
    """This gateway has an admin token of its own."""
    plan = planned(CONFIG)
    assert any("master_key" in note for note in plan.notes)
    assert "sk-1234" not in repr(plan)


def test_a_wildcard_is_an_llm_for_any_model() -> None:
    """Of its vendor."""
    (llm,) = planned("model_list: [{model_name: 'openai/*', litellm_params: {model: 'openai/*'}}]").llms
    assert (llm.slug, llm.values["name"]) == ("openai", "openai/*")
    assert llm.values.keys().isdisjoint({"allowed_models", "default_model"})
    (some,) = planned("model_list: [{model_name: 'gpt', litellm_params: {model: 'openai/gpt-4*'}}]").llms
    assert some.values["allowed_models"] == ["gpt-4.*"]


def test_two_prices_of_one_model_are_one() -> None:
    """The first; that the other differs is said."""
    deployment = "{model_name: a, litellm_params: {model: gpt-4o, input_cost_per_token: %s, output_cost_per_token: 1}}"
    plan = planned(f"model_list: [{deployment % 1}, {deployment % 2}]")
    assert [price.values["cpit"] for price in plan.prices] == ["1"]
    assert "different prices" in left(plan)["price of gpt-4o"]


def test_fallbacks_for_all() -> None:
    """And for what is not there."""
    models = "".join(f"  - {{model_name: {name}, litellm_params: {{model: {name}}}}}\n" for name in ("gpt-a", "gpt-b"))
    plan = planned(
        f"model_list:\n{models}router_settings: {{default_fallbacks: [gpt-b], fallbacks: [{{gone: [gpt-a]}}]}}"
    )
    assert [llm.failover for llm in plan.llms] == [["gpt-b"], []]
    assert left(plan) == {"fallback of 'gone'": "it is not carried over itself"}


def test_a_group_fails_over_to_as_many_as_may_be() -> None:
    """Those beyond are LLMs all the same, and named; else the settings file would be refused."""
    deployment = "{model_name: gpt-4o, litellm_params: {model: gpt-4o}}"
    plan = planned(f"model_list: [{', '.join([deployment] * 20)}]")
    assert len(plan.llms) == 20
    assert len(plan.llms[0].failover) == MAX_FAILOVER
    assert f"failover of gpt-4o to {', '.join(llm.slug for llm in plan.llms[-3:])}" in left(plan)


def test_a_list_that_is_none_is_not_passed_over() -> None:
    """Nothing would be carried over, and nothing said."""
    assert left(planned("model_list: {model_name: gpt-4o}")) == {"model_list": "it is no list of deployments"}
    assert left(planned("model_list:")) == {}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["os.environ/X", "*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
PARAMS = sorted({*_KNOWN, *_COSTS, "temperature"})


@given(
    st.dictionaries(st.sampled_from(PARAMS), VALUES),
    st.sampled_from(["gpt-4o", "openai/x", "vllm/x", "x", "*", "/", ""]),
    st.dictionaries(st.sampled_from(["fallbacks", "default_fallbacks", "num_retries", "request_timeout"]), VALUES),
)
def test_no_value_is_a_traceback(params: dict[str, Any], model: str, settings: dict[str, Any]) -> None:
    """It is carried over, or left with a reason; what comes out is a settings file or a refusal."""
    entry = {"model_name": model, "litellm_params": {"model": model, **params}, "model_info": params}
    plan = Plan()
    document = {"model_list": [entry, entry], "router_settings": settings, "litellm_settings": settings}
    plan_litellm(Path("x"), document, {"X": "y"}, plan)
    settings_document(plan, Report())


def test_nonsense_is_no_traceback() -> None:
    """Sections of any type."""
    for value in ("7", "[]", "x", "null", "{a: [b]}", "[1]", "[{a: 1}]"):
        document: dict[str, Any] = {"model_list": yaml.safe_load(value)}
        for section in ("litellm_settings", "router_settings", "general_settings", "credential_list", "other"):
            document[section] = yaml.safe_load(value)
        document["router_settings"] = {"fallbacks": yaml.safe_load(value), "num_retries": yaml.safe_load(value)}
        plan_litellm(Path("x"), document, {}, Plan())
