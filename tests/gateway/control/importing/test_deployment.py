"""One entry of LiteLLM's list: which vendor, where, with which key, limits and price; and what of it is left."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.importing.deployment import Deployment, read_deployment
from gateway.control.importing.plan import Plan


def read(plan: Plan | None = None, info: Any = None, variables: Any = None, **params: Any) -> Deployment | None:
    """The deployment of these parameters."""
    entry = {"model_name": "chat", "litellm_params": {"model": "openai/gpt-4o", **params}, "model_info": info}
    credentials = {"shared": {"api_key": "os.environ/SHARED", "api_base": "https://h/v1"}}
    return read_deployment("model_list[0]", entry, credentials, variables or {}, Plan() if plan is None else plan)


def values(**params: Any) -> dict[str, Any]:
    """What becomes of them."""
    found = read(**params)
    assert found is not None
    return found.values


def left(**params: Any) -> str:
    """What is left of them."""
    plan = Plan()
    read(plan, **params)
    return "\n".join(each.reason for each in plan.left)


def test_the_vendor_s_own_address_and_key_are_the_defaults() -> None:
    """As LiteLLM looks for them; only the model of the file may be asked for."""
    assert read() == Deployment(
        "chat",
        "gpt-4o",
        {
            "vendor": "openai",
            "endpoint": "https://api.openai.com/v1",
            "api_key": "env:OPENAI_API_KEY",
            "allowed_models": ["gpt-4o"],
            "default_model": "gpt-4o",
        },
        None,
    )


@pytest.mark.parametrize(
    ("params", "model"),
    [
        ({"model": "gpt-4o"}, "gpt-4o"),
        ({"model": "o3-mini"}, "o3-mini"),
        ({"model": "openai/facebook/opt-125m", "api_base": "http://h/v1"}, "facebook/opt-125m"),
        ({"model": "hosted_vllm/meta/llama", "api_base": "http://h/v1"}, "meta/llama"),
        ({"model": "my-model", "api_base": "http://h/v1"}, "my-model"),
        ({"model": "my-model", "custom_llm_provider": "openai", "base_url": "http://h/v1"}, "my-model"),
        ({"model": "openai/*"}, ""),
    ],
)
def test_what_speaks_openai_s_dialect_is_carried_over(params: dict[str, Any], model: str) -> None:
    """By its prefix, its name, or where it is."""
    found = read(**params)
    assert found is not None
    assert found.model == model


@pytest.mark.parametrize(
    "params",
    [
        {"model": "azure/gpt-4o-eu"},
        {"model": "cohere/command-r"},
        {"model": "command-r"},
        {"model": "*"},
        {"model": "hosted_vllm/llama"},
        {"model": "openai/x", "api_base": "os.environ/NOT_SET"},
    ],
)
def test_other_vendors_are_left(params: dict[str, Any]) -> None:
    """With the reason."""
    plan = Plan()
    assert read(plan, **params) is None
    (found,) = plan.left
    assert params["model"] in found.what
    assert "vendor" in found.reason or "api_base" in found.reason


@pytest.mark.parametrize(
    "entry", [None, [], {}, {"model_name": "a"}, {"model_name": 1, "litellm_params": {"model": "x"}}]
)
def test_what_is_no_deployment_is_named_by_its_place(entry: Any) -> None:
    """Not a traceback."""
    plan = Plan()
    assert read_deployment("model_list[3]", entry, {}, {}, plan) is None
    assert [each.what for each in plan.left] == ["model_list[3]"]


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"api_key": "os.environ/MY_KEY"}, "env:MY_KEY"),
        ({"api_key": "sk-1"}, "sk-1"),
        ({"api_key": "none", "api_base": "http://h/v1"}, None),
        ({"api_base": "http://h/v1"}, None),
        ({"litellm_credential_name": "shared"}, "env:SHARED"),
        ({"litellm_credential_name": "shared", "api_key": "sk-own"}, "sk-own"),
        ({"api_key": "file:/etc/passwd"}, None),
    ],
)
def test_keys(params: dict[str, Any], key: str | None) -> None:
    """Of the environment by name; one is never taken for a place of ours."""
    assert values(**params).get("api_key") == key


def test_addresses_of_the_environment_are_looked_up() -> None:
    """They are written down, as endpoints are."""
    found = read(variables={"BASE": "http://h/v1"}, api_base="os.environ/BASE")
    assert found is not None
    assert found.values["endpoint"] == "http://h/v1"


def test_a_deployment_of_another_vendor_is_an_llm_of_its() -> None:
    """With its address, its key, and its model alone; what clients must send themselves is left."""
    found = read(model="azure/gpt-4o-eu", api_base="https://h.openai.azure.com/", api_version="2024-10-21")
    assert found is not None
    assert found.values == {
        "vendor": "azure",
        "endpoint": "https://h.openai.azure.com",
        "api_key": "env:AZURE_API_KEY",
        "allowed_models": ["gpt-4o-eu"],
        "default_model": "gpt-4o-eu",
    }
    assert left(model="azure/x", api_base="https://h", api_version="1") == (
        "its api_version: clients send it themselves (?api-version=…)"
    )
    assert values(model="anthropic/c", api_key="os.environ/MINE")["api_key"] == "env:MINE"


def test_limits() -> None:
    """Of requests, tokens, time and attempts; a budget of a month."""
    found = values(rpm=6, tpm=1000, timeout=300, max_retries=2, max_budget=0.1, budget_duration="30d")
    limits = {
        "rate_limit_rpm": 6,
        "rate_limit_tpm": 1000,
        "timeout_seconds": 300,
        "retry_count": 2,
        "monthly_budget": "0.1",
    }
    assert limits.items() <= found.items()
    assert values(num_retries=9)["retry_count"] == 5
    assert "9 retries" in left(num_retries=9)
    assert "max_budget of 5 for 1d" in left(max_budget=5, budget_duration="1d")
    assert "for ever" in left(max_budget=5)


def test_prices() -> None:
    """From either place, exactly; half a price is none."""
    costs: dict[str, Any] = {
        "input_cost_per_token": 1.5e-7,
        "output_cost_per_token": 6e-7,
        "cache_read_input_token_cost": 7.5e-8,
    }
    price = {"cpit": "0.00000015", "cpt": "0.0000006", "cache_read_pt": "0.000000075"}
    for found in (read(**costs), read(info=costs)):
        assert found is not None
        assert found.price == price
    assert "its price" in left(input_cost_per_token=1.5e-7)
    assert "its price" in left(input_cost_per_token="cheap", output_cost_per_token=1)
    free = read(input_cost_per_token=0, output_cost_per_token=0)
    assert free is not None
    assert free.price == {"cpit": "0", "cpt": "0"}


def test_prices_of_other_classes() -> None:
    """An hour's cache, sound, images; large prompts are a tier; batches a percentage where they are one."""
    base: dict[str, Any] = {"input_cost_per_token": 3e-6, "output_cost_per_token": 1.5e-5}
    found = read(
        **base,
        cache_creation_input_token_cost_above_1hr=6e-6,
        input_cost_per_audio_token=4e-5,
        input_cost_per_token_above_200k_tokens=6e-6,
        output_cost_per_token_above_200k_tokens=2.25e-5,
        input_cost_per_token_batches=1.5e-6,
        output_cost_per_token_batches=7.5e-6,
    )
    assert found is not None
    assert found.price == {
        "cpit": "0.000003", "cpt": "0.000015", "cache_write_1h_pt": "0.000006", "audio_prompt_pt": "0.00004",
        "tiers": [{"above_prompt_tokens": 200_000, "cpt": "0.0000225", "cpit": "0.000006"}], "batch_percent": 50,
    }  # fmt: skip
    assert "batches" in left(**base, input_cost_per_token_batches=1.5e-6)
    assert "batches" in left(**base, input_cost_per_token_batches=1.5e-6, output_cost_per_token_batches=1e-6)
    assert "batches" in left(**base, input_cost_per_token_batches=1.1e-6, output_cost_per_token_batches=5.5e-6)
    assert "above_128k" in left(**base, input_cost_per_token_above_128k_tokens="dear")


@pytest.mark.parametrize(
    "name", ["temperature", "organization", "extra_headers", "api_version", "max_tokens", "stream_timeout"]
)
def test_what_would_change_requests_is_left(name: str) -> None:
    """They go out as clients write them."""
    assert name in left(**{name: 1})


def test_what_only_describes_is_no_loss() -> None:
    """What acts is."""
    assert left(info={"mode": "chat", "id": "x", "base_model": "gpt-4o"}) == ""
    assert "access_groups" in left(info={"access_groups": ["a"]})
