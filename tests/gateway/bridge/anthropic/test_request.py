"""Chat requests as Anthropic takes them; what it has not is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.bridge.anthropic.request import request_of
from gateway.bridge.interface import Invalid, Unsupported
from tests.gateway.bridge.test_frames import wanted

MODEL = "claude-sonnet-4-5"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def sent(**members: Any) -> Any:
    """The body that Anthropic gets."""
    is_stream = bool(members.get("stream"))
    asked = wanted(model=MODEL, is_stream=is_stream, vendor="anthropic", max_tokens=4096)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **members}
    before = json.dumps(body)
    translated = request_of(asked, body)
    assert json.dumps(body) == before, "the client's body stays as it is"
    assert (translated.path, translated.query) == ("/v1/messages", b"")
    assert (b"anthropic-version", b"2023-06-01") in translated.headers
    return json.loads(translated.body)


def function(name: str = "f", **members: Any) -> dict[str, Any]:
    """A tool."""
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **members}}


def test_the_least_that_can_be_asked() -> None:
    """A maximum is demanded: what is held for the exchange."""
    assert sent() == {
        "model": MODEL,
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_maximum_goes_with_it(name: str) -> None:
    """By either name."""
    assert sent(**{name: 7})["max_tokens"] == 7


def test_sampling_and_stops() -> None:
    """Numbers as they are."""
    made = sent(temperature=0.5, top_p=0.9, stop=["a", "b"], stream=True)
    assert (made["temperature"], made["top_p"], made["stop_sequences"], made["stream"]) == (0.5, 0.9, ["a", "b"], True)
    assert sent(stop="x")["stop_sequences"] == ["x"]


def test_a_user_is_named() -> None:
    """For Anthropic's watch over abuse; ``safety_identifier`` is the newer name."""
    assert sent(user="u-1")["metadata"] == {"user_id": "u-1"}
    assert sent(safety_identifier="u-2")["metadata"] == {"user_id": "u-2"}


def test_what_changes_nothing_passes() -> None:
    """Defaults that clients write out, and what is for OpenAI's own books."""
    usual = sent(
        n=1, frequency_penalty=0, presence_penalty=0.0, logit_bias={}, logprobs=False, top_logprobs=0,
        verbosity="medium",
        response_format={"type": "text"}, tool_choice=None, store=False, metadata={}, parallel_tool_calls=True,
        stream_options=None, modalities=["text"], prompt_cache_key="k",
    )  # fmt: skip
    assert usual == sent()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("n", 2), ("seed", 1), ("frequency_penalty", 0.5), ("presence_penalty", -1), ("logit_bias", {"1": 2}),
        ("logprobs", True), ("top_logprobs", 3), ("verbosity", "low"), ("audio", {"voice": "x"}),
        ("modalities", ["text", "audio"]), ("prediction", {"type": "content"}), ("web_search_options", {}),
        ("functions", []), ("function_call", "auto"), ("temperature", 1.5), ("service_tier", "flex"),
    ],
)  # fmt: skip
def test_what_anthropic_has_not_is_refused(member: str, value: Any) -> None:
    """By its name, with the vendor's and what to do."""
    with pytest.raises(Unsupported, match="anthropic") as caught:
        sent(**{member: value})
    assert (caught.value.param, caught.value.code) == (member, "unsupported_parameter")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("max_tokens", 0), ("max_completion_tokens", "x"), ("temperature", "hot"), ("stop", [1]), ("stop", ""),
        ("tools", {}), ("tool_choice", "always"), ("parallel_tool_calls", 1), ("reasoning_effort", "huge"),
        ("response_format", "json"),
    ],
)  # fmt: skip
def test_what_is_no_request_of_openais_is_invalid(member: str, value: Any) -> None:
    """As OpenAI itself would say."""
    with pytest.raises(Invalid) as caught:
        sent(**{member: value})
    assert caught.value.param == member


def test_tools() -> None:
    """Name, description, schema; strict where asked."""
    made = sent(tools=[function("f", description="does it", strict=True), function("g", parameters=None)])
    assert made["tools"] == [
        {"name": "f", "input_schema": SCHEMA, "description": "does it", "strict": True},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert "tool_choice" not in made


@pytest.mark.parametrize(
    ("choice", "parallel", "made"),
    [
        ("auto", None, None),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
        (
            {"type": "function", "function": {"name": "f"}},
            False,
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_which_tool_is_called(choice: Any, parallel: bool | None, made: Any) -> None:
    """And whether several may be at once."""
    members = {"tools": [function("f"), function("g")], "tool_choice": choice, "parallel_tool_calls": parallel}
    assert sent(**members).get("tool_choice") == made


def test_some_tools_may_be_allowed() -> None:
    """The others are then not told of."""
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]}
    made = sent(tools=[function("f"), function("g")], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool["name"] for tool in made["tools"]] == ["g"]


def test_tools_that_are_none_are_refused() -> None:
    """With the path of what is wrong."""
    for tool, param in (
        ({"type": "custom", "custom": {"name": "x"}}, "tools.1.type"),
        (function(parameters={"type": "array"}), "tools.1.function.parameters.type"),
        (function(parameters=[]), "tools.1.function.parameters"),
        ({"type": "function", "function": {}}, "tools.1.function.name"),
        ({"type": "function", "function": {"name": "f", "x": 1}}, "tools.1.function.x"),
    ):
        with pytest.raises(Unsupported) as caught:
            sent(tools=[function("g"), tool])
        assert caught.value.param == param


def test_structured_output() -> None:
    """Anthropic's own format; a schema is needed for it."""
    named = {"name": "city", "schema": SCHEMA, "strict": True, "description": "A city"}
    made = sent(response_format={"type": "json_schema", "json_schema": named}, reasoning_effort="none")
    assert made["output_config"] == {"format": {"type": "json_schema", "schema": {**SCHEMA, "description": "A city"}}}
    with pytest.raises(Unsupported, match="json_schema") as caught:
        sent(response_format={"type": "json_object"})
    assert caught.value.param == "response_format.type"
    with pytest.raises(Invalid):
        sent(response_format={"type": "json_schema", "json_schema": {"name": "x"}})


def test_effort_and_format_stand_together() -> None:
    """In one ``output_config``."""
    asked = wanted(model="claude-opus-4-6", is_stream=False, vendor="anthropic", max_tokens=4096)
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "reasoning_effort": "high",
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    }
    made = json.loads(request_of(asked, body).body)
    assert sorted(made["output_config"]) == ["effort", "format"]
    assert made["thinking"]["type"] == "adaptive"


def test_tiers() -> None:
    """Anthropic's two; others have prices that nobody here knows."""
    assert sent(service_tier="auto")["service_tier"] == "auto"
    assert sent(service_tier="default")["service_tier"] == "standard_only"
