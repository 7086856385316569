"""Chat requests as ``converse`` takes them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.bedrock.paths import call_of
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.telling import asking, refused, sent, wanted_of

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def tool(name: str = "weather", **members: Any) -> dict[str, Any]:
    """One function."""
    return {"type": "function", "function": {"name": name, **members}}


def made(**members: Any) -> Any:
    """What a request becomes."""
    return sent("bedrock", MODEL, asking(**members))


def test_a_plain_question_is_messages_alone() -> None:
    """Nothing is said that the client did not say; what is for OpenAI's books stays here."""
    assert made(
        user="u", n=1, logprobs=False, top_logprobs=0, logit_bias={}, presence_penalty=0, frequency_penalty=0.0
    ) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


@pytest.mark.parametrize(
    ("model", "is_stream", "path"),
    [
        (MODEL, False, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x", True,
         "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x/converse-stream"),
        ("../x?y", False, "/model/..%2Fx%3Fy/converse"),
    ],
)  # fmt: skip
def test_paths_name_the_model_encoded_once(model: str, is_stream: bool, path: str) -> None:
    """As AWS signs them; the dialect reads the same model there."""
    found = translator_of(dialect_of("bedrock")).request(wanted_of(model, is_stream=is_stream), asking()).path
    call = call_of(found)
    assert found == path
    assert call is not None
    assert call.identifier == model


def test_sampling_and_limits_have_bedrock_s_names() -> None:
    """Numbers are the client's own."""
    assert made(temperature=0.5, top_p=1, max_tokens=100, stop="a")["inferenceConfig"] == {
        "temperature": 0.5,
        "topP": 1,
        "maxTokens": 100,
        "stopSequences": ["a"],
    }


def test_a_schema_goes_as_text() -> None:
    """With its name and description."""
    described = {"name": "place", "description": "d", "strict": True, "schema": SCHEMA}
    config = made(response_format={"type": "json_schema", "json_schema": described})["outputConfig"]["textFormat"]
    assert config["type"] == "json_schema"
    schema = config["structure"]["jsonSchema"]
    assert (schema["name"], schema["description"], orjson.loads(schema["schema"])) == ("place", "d", SCHEMA)


def test_tools_have_specifications() -> None:
    """Strictness too; one without parameters has an empty schema."""
    config = made(tools=[tool(description="d", parameters=SCHEMA, strict=True), tool("now")])["toolConfig"]
    assert config == {
        "tools": [
            {"toolSpec": {"name": "weather", "description": "d", "inputSchema": {"json": SCHEMA}, "strict": True}},
            {"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        ]
    }


@pytest.mark.parametrize(
    ("choice", "names", "expected"),
    [
        ("auto", ["weather", "now"], None),
        ("required", ["weather", "now"], {"any": {}}),
        ({"type": "function", "function": {"name": "now"}}, ["now"], {"tool": {"name": "now"}}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("now")]}}, ["now"], None),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("now"), tool("weather")]}},
            ["weather", "now"],
            {"any": {}},
        ),
    ],
)
def test_tools_that_may_not_be_called_are_not_sent(choice: Any, names: list[str], expected: Any) -> None:
    """Bedrock's choice is of any, or of one."""
    config = made(tools=[tool(), tool("now")], tool_choice=choice)["toolConfig"]
    assert [entry["toolSpec"]["name"] for entry in config["tools"]] == names
    assert config.get("toolChoice") == expected


def test_no_tool_at_all_is_no_tools() -> None:
    """But a conversation that calls some demands them: refused."""
    assert "toolConfig" not in made(tools=[tool()], tool_choice="none")
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    body = {"messages": messages, "tools": [tool()], "tool_choice": "none"}
    assert refused("bedrock", MODEL, body).param == "tool_choice"


def test_tiers_are_said() -> None:
    """Bedrock's own."""
    assert made(service_tier="flex")["serviceTier"] == {"type": "flex"}
    assert "serviceTier" not in made(service_tier="default")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"seed": 1}, "seed"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"tools": [tool()], "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"service_tier": "scale"}, "service_tier"),
        ({"service_tier": 5}, "service_tier"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": "x"}, "temperature"),
        ({"temperature": 1.5}, "temperature"),
    ],
)
def test_what_bedrock_lacks_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    """Never dropped."""
    assert refused("bedrock", MODEL, asking() | members).param == param
