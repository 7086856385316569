"""LiteLLM's providers: each is a vendor here, at its address, with its key; or a reason why not."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from gateway.control.importing.plan import Plan
from gateway.control.importing.providers import PROVIDERS, Place, Unplaced, key_of, place_of
from gateway.entity_settings import LlmSettings
from gateway.upstreams.vendors.registry import Vendor, dialect_of

AWS = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "s/e+c"}
BEDROCK = "https://bedrock-runtime.eu-west-1.amazonaws.com"
HOUSE = {"api_base": "http://h:8000/v1"}
CASES: list[tuple[dict[str, Any], Place]] = [
    ({"model": "gpt-4o"}, Place("openai", "https://api.openai.com/v1", "gpt-4o", "env:OPENAI_API_KEY")),
    (
        {"model": "openai/ft:gpt-4o:me"},
        Place("openai", "https://api.openai.com/v1", "ft:gpt-4o:me", "env:OPENAI_API_KEY"),
    ),
    (
        {"model": "openai/x", "api_base": "https://api.openai.com/v1/"},
        Place("openai", "https://api.openai.com/v1", "x", "env:OPENAI_API_KEY"),
    ),
    ({"model": "openai/meta/llama", **HOUSE}, Place("compatible", "http://h:8000/v1", "meta/llama")),
    ({"model": "meta/llama", **HOUSE}, Place("compatible", "http://h:8000/v1", "meta/llama")),
    ({"model": "hosted_vllm/meta/llama", **HOUSE}, Place("compatible", "http://h:8000/v1", "meta/llama")),
    (
        {"model": "x", "custom_llm_provider": "openai", "base_url": "http://h/v1/chat/completions"},
        Place("compatible", "http://h/v1", "x"),
    ),
    (
        {"model": "azure/eu", "api_base": "https://h.openai.azure.com/"},
        Place("azure", "https://h.openai.azure.com", "eu", "env:AZURE_API_KEY"),
    ),
    (
        {"model": "claude-sonnet-4-5"},
        Place("anthropic", "https://api.anthropic.com", "claude-sonnet-4-5", "env:ANTHROPIC_API_KEY"),
    ),
    (
        {"model": "anthropic/c", "api_base": "https://proxy.example/v1/messages"},
        Place("anthropic", "https://proxy.example", "c", "env:ANTHROPIC_API_KEY"),
    ),
    (
        {"model": "gemini/gemini-2.5-flash"},
        Place("google_ai", "https://generativelanguage.googleapis.com", "gemini-2.5-flash", "env:GEMINI_API_KEY"),
    ),
    (
        {"model": "vertex_ai/gemini-2.5-pro", "vertex_location": "europe-west4", "vertex_credentials": "/k.json"},
        Place("vertex", "https://europe-west4-aiplatform.googleapis.com", "gemini-2.5-pro", "file:/k.json"),
    ),
    (
        {"model": "vertex_ai/claude", "vertex_location": "global", "vertex_credentials": '{"type":"service_account"}'},
        Place("vertex", "https://aiplatform.googleapis.com", "claude", '{"type":"service_account"}'),
    ),
    (
        {"model": "bedrock/converse/eu.anthropic.claude", "aws_region_name": "eu-west-1", **AWS},
        Place("bedrock", BEDROCK, "eu.anthropic.claude", "AKIA:s/e+c@eu-west-1"),
    ),
    ({"model": "bedrock/eu-west-1/meta.llama3"}, Place("bedrock", BEDROCK, "meta.llama3", "@eu-west-1")),
    (
        {"model": "bedrock/invoke/x", "aws_region_name": "os.environ/REGION", **AWS, "aws_session_token": "t"},
        Place("bedrock", BEDROCK, "x", "AKIA:s/e+c:t@eu-west-1"),
    ),
    (
        {
            "model": "bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/x",
            "aws_bedrock_runtime_endpoint": "https://vpce.bedrock-runtime.us-east-1.vpce.amazonaws.com/",
        },
        Place(
            "bedrock",
            "https://vpce.bedrock-runtime.us-east-1.vpce.amazonaws.com",
            "arn:aws:bedrock:us-east-1:1:inference-profile/x",
            "@us-east-1",
        ),
    ),
    ({"model": "ollama/llama3.2"}, Place("ollama", "http://localhost:11434", "llama3.2")),
    (
        {"model": "ollama_chat/llama3.2:1b", "api_base": "http://gpu:11434/"},
        Place("ollama", "http://gpu:11434", "llama3.2:1b"),
    ),
    (
        {"model": "huggingface/together/deepseek-ai/R1"},
        Place("huggingface", "https://router.huggingface.co", "deepseek-ai/R1:together", "env:HF_TOKEN"),
    ),
    (
        {"model": "huggingface/owner/name", "api_base": "https://mine.endpoints.huggingface.cloud"},
        Place("huggingface", "https://mine.endpoints.huggingface.cloud", "owner/name", "env:HF_TOKEN"),
    ),
    ({"model": "mistral/m"}, Place("mistral", "https://api.mistral.ai/v1", "m", "env:MISTRAL_API_KEY")),
    ({"model": "groq/m"}, Place("groq", "https://api.groq.com/openai/v1", "m", "env:GROQ_API_KEY")),
    ({"model": "deepseek/m"}, Place("deepseek", "https://api.deepseek.com/v1", "m", "env:DEEPSEEK_API_KEY")),
    (
        {"model": "openrouter/google/palm"},
        Place("openrouter", "https://openrouter.ai/api/v1", "google/palm", "env:OPENROUTER_API_KEY"),
    ),
    ({"model": "xai/grok-4"}, Place("xai", "https://api.x.ai/v1", "grok-4", "env:XAI_API_KEY")),
]


@pytest.mark.parametrize(("params", "place"), CASES, ids=[str(case[0]["model"]) for case in CASES])
def test_a_provider_is_a_vendor_at_its_address(params: dict[str, Any], place: Place) -> None:
    """The model by the vendor's own name; and the LLM that comes of it can be configured."""
    variables = {"REGION": "eu-west-1"} if "REGION" in str(params) else {}
    assert place_of(params, variables) == place
    llm = {"id": 1, "slug": "x", "vendor": place.vendor, "base_url": place.endpoint, "api_key": place.key or ""}
    assert LlmSettings.model_validate(llm).base_url == place.endpoint
    if place.vendor == "bedrock":
        assert dialect_of(place.vendor).signer(place.key or "", place.endpoint) is not None


def test_every_vendor_that_litellm_has_is_known() -> None:
    """But for our scripted one."""
    assert {provider.vendor for provider in PROVIDERS.values()} == set(get_args(Vendor)) - {"mock"}


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"model": "cohere/command-r"}, r"its vendor cohere is not in this version; known: anthropic, azure, bedrock"),
        ({"model": "command-r"}, r"its vendor is not named"),
        ({"model": "gemini-2.5-pro"}, r"is not named.*write it before the model's name"),
        ({"model": "azure/x"}, r"has no api_base"),
        ({"model": "hosted_vllm/x"}, r"has no api_base"),
        ({"model": "openai/x", "api_base": "os.environ/BASE"}, r"its api_base is in the environment variable BASE"),
        ({"model": "bedrock/x"}, r"has no aws_region_name"),
        ({"model": "bedrock/x", "aws_region_name": "us-east-1", "aws_access_key_id": "A"}, r"half an AWS key"),
        (
            {"model": "bedrock/x", "aws_region_name": "r", "aws_access_key_id": "os.environ/A"},
            r"aws_access_key_id .* A,",
        ),
        ({"model": "vertex_ai/x", "vertex_credentials": "/k"}, r"has no vertex_location"),
        ({"model": "vertex_ai/x", "vertex_location": "us-central1"}, r"has no vertex_credentials"),
    ],
)
def test_what_cannot_be_placed_says_why(params: dict[str, Any], reason: str) -> None:
    """And what to write."""
    with pytest.raises(Unplaced, match=reason):
        place_of(params, {})


@pytest.mark.parametrize(
    ("given", "key", "left"),
    [
        (None, "env:XAI_API_KEY", 0),
        ("os.environ/MINE", "env:MINE", 0),
        ("xai-1", "xai-1", 0),
        ("None", None, 0),
        ("file:/etc/passwd", None, 1),
        ("env:HOME", None, 1),
    ],
)
def test_a_deployment_s_own_key_comes_first(given: str | None, key: str | None, left: int) -> None:
    """By its name where it is in the environment; a text is never taken for a place of ours."""
    plan = Plan()
    place = place_of({"model": "xai/grok"}, {})
    assert key_of("it", {"api_key": given} if given else {}, place, plan).get("api_key") == key
    assert len(plan.left) == left
