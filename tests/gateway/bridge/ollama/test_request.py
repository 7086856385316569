"""Chat requests as ``/api/chat`` takes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.bridge.telling import asking, refused, sent

MODEL = "qwen3"
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
USER = {"role": "user", "content": "Hi"}


def tool(name: str = "weather", **members: Any) -> dict[str, Any]:
    """One function."""
    return {"type": "function", "function": {"name": name, **members}}


def made(**members: Any) -> Any:
    """What a request becomes."""
    return sent("ollama", MODEL, asking(**members))


def test_a_plain_question_says_that_it_is_no_stream() -> None:
    """Ollama streams where nobody says so."""
    assert made() == {"model": MODEL, "stream": False, "messages": [USER]}
    assert sent("ollama", MODEL, asking(stream=True), is_stream=True)["stream"] is True


def test_sampling_and_limits_are_options() -> None:
    """By Ollama's names."""
    options = made(
        temperature=0.5, top_p=1, presence_penalty=0.1, frequency_penalty=0.2, seed=7, max_tokens=100, stop=["a"]
    )["options"]
    assert options == {
        "temperature": 0.5, "top_p": 1, "presence_penalty": 0.1, "frequency_penalty": 0.2, "seed": 7,
        "num_predict": 100, "stop": ["a"],
    }  # fmt: skip


def test_formats_are_json_or_a_schema() -> None:
    """A schema with its name in it."""
    assert made(response_format={"type": "json_object"})["format"] == "json"
    described = {"name": "place", "schema": SCHEMA}
    made_format = made(response_format={"type": "json_schema", "json_schema": described})["format"]
    assert made_format == {"title": "place", **SCHEMA}
    assert "format" not in made(response_format={"type": "text"})


@pytest.mark.parametrize(("effort", "think"), [("none", False), ("low", "low"), ("medium", "medium"), ("high", "high")])
def test_efforts_are_thinking(effort: str, think: Any) -> None:
    """A level, or none."""
    assert made(reasoning_effort=effort)["think"] == think


def test_logprobs_are_asked_for() -> None:
    """As OpenAI's."""
    body = made(logprobs=True, top_logprobs=3)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)


def test_a_conversation_with_images_calls_and_results() -> None:
    """Images beside the text; calls with objects; results by name and id; thoughts come back."""
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    messages = [
        {"role": "developer", "content": "Be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "What"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            {"type": "text", "text": "is it?"},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "Hm"},
        {"role": "tool", "tool_call_id": "call_1", "content": "20"},
    ]  # fmt: skip
    assert sent("ollama", MODEL, {"messages": messages})["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "What\nis it?", "images": [PNG]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "Hm",
            "tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Paris"}}}],
        },
        {"role": "tool", "content": "20", "tool_name": "weather", "tool_call_id": "call_1"},
    ]


def test_tools_that_may_not_be_called_are_not_sent() -> None:
    """Ollama's models choose themselves among those they know."""
    both = [tool(description="d", parameters=SCHEMA), tool("now")]
    functions = [entry["function"] for entry in made(tools=both)["tools"]]
    assert functions == [
        {"name": "weather", "description": "d", "parameters": SCHEMA},
        {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}},
    ]
    assert "tools" not in made(tools=both, tool_choice="none")
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("now")]}}
    assert [entry["function"]["name"] for entry in made(tools=both, tool_choice=choice)["tools"]] == ["now"]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"tools": [tool()], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [tool()], "tool_choice": {"type": "function", "function": {"name": "weather"}}}, "tool_choice"),
        ({"tools": [tool()], "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tools": [tool(strict=True)]}, "tools.0.function.strict"),
        ({"reasoning_effort": "minimal"}, "reasoning_effort"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"Model": "other"}, "Model"),
        ({"options": {"num_ctx": 5}}, "options"),
        ({"messages": [{**USER, "name": "Ann"}]}, "messages.0.name"),
        ({"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": "1"}]}, "messages.1.tool_call_id"),
    ],
)
def test_what_ollama_lacks_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    """Never dropped."""
    assert refused("ollama", MODEL, asking() | members).param == param


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, "messages.0.content.0.image_url.url"),
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
         "messages.0.content.0.image_url.detail"),
        ({"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}, "messages.0.content.0"),
    ],
)  # fmt: skip
def test_parts_that_ollama_lacks_are_refused(part: dict[str, Any], param: str) -> None:
    """By their path."""
    assert refused("ollama", MODEL, {"messages": [{"role": "user", "content": [part]}]}).param == param
