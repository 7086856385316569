"""Chat requests as ``generateContent`` takes them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.telling import asking, refused, sent, wanted_of

MODEL = "gemini-2.5-flash"
HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def tool(name: str = "weather", **members: Any) -> dict[str, Any]:
    """One function."""
    return {"type": "function", "function": {"name": name, **members}}


def test_a_plain_question_is_contents_alone() -> None:
    """Nothing is said that the client did not say."""
    assert sent("google_ai", MODEL, asking(model=MODEL, stream=False)) == {"contents": HI}


def test_streams_are_asked_for_as_events() -> None:
    """By the method and ``alt=sse``; usage comes unasked."""
    translator = translator_of(dialect_of("google_ai"))
    made = translator.request(
        wanted_of(MODEL, is_stream=True), asking(stream=True, stream_options={"include_usage": True})
    )
    assert (made.path, made.query) == (f"/v1beta/models/{MODEL}:streamGenerateContent", b"alt=sse")


def test_sampling_and_limits_have_google_s_names() -> None:
    """Numbers are the client's own."""
    body = asking(
        temperature=0.5, top_p=1, presence_penalty=0.1, frequency_penalty=-0.2, seed=7, max_completion_tokens=100,
        stop=["a", "b"], n=3, logprobs=True, top_logprobs=2, response_format={"type": "json_object"},
    )  # fmt: skip
    assert sent("google_ai", MODEL, body)["generationConfig"] == {
        "temperature": 0.5, "topP": 1, "presencePenalty": 0.1, "frequencyPenalty": -0.2, "seed": 7,
        "maxOutputTokens": 100, "stopSequences": ["a", "b"], "candidateCount": 3, "responseLogprobs": True,
        "logprobs": 2, "responseMimeType": "application/json",
    }  # fmt: skip


def test_a_schema_goes_as_json_schema_with_its_name_in_it() -> None:
    """Nothing of it is lost, and its own title stays."""
    described = {"name": "place", "description": "a place", "strict": True, "schema": SCHEMA}
    made = sent("google_ai", MODEL, asking(response_format={"type": "json_schema", "json_schema": described}))
    schema = {"title": "place", "description": "a place", **SCHEMA}
    assert made["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": schema}


def test_tools_are_declared_with_their_json_schemas() -> None:
    """A tool without parameters has none."""
    made = sent("google_ai", MODEL, asking(tools=[tool(description="d", parameters=SCHEMA), tool("now")]))
    assert made["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "d", "parametersJsonSchema": SCHEMA},
                {"name": "now"},
            ]
        }
    ]
    assert "toolConfig" not in made


@pytest.mark.parametrize(
    ("members", "config"),
    [
        ({"tool_choice": "none"}, {"mode": "NONE"}),
        ({"tool_choice": "required"}, {"mode": "ANY"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "now"}}},
            {"mode": "ANY", "allowedFunctionNames": ["now"]},
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("now")]}}},
            {"mode": "VALIDATED", "allowedFunctionNames": ["now"]},
        ),
        ({"tools": [tool("now", strict=True)]}, {"mode": "VALIDATED"}),
        ({"tool_choice": "required", "tools": [tool("now", strict=True)]}, {"mode": "ANY"}),
    ],
)
def test_choices_of_tools_are_modes(members: dict[str, Any], config: dict[str, Any]) -> None:
    """What may, must or must not be called, and strictness."""
    made = sent("google_ai", MODEL, asking(tools=[tool("now"), tool("weather")]) | members)
    assert made["toolConfig"] == {"functionCallingConfig": config}


def test_tiers_are_the_gemini_api_s() -> None:
    """Vertex has them elsewhere: refused there."""
    assert sent("google_ai", MODEL, asking(service_tier="flex"))["serviceTier"] == "flex"
    assert "serviceTier" not in sent("google_ai", MODEL, asking(service_tier="auto"))
    assert refused("vertex", MODEL, asking(service_tier="flex")).param == "service_tier"
    assert refused("google_ai", MODEL, asking(service_tier="scale")).param == "service_tier"


def test_what_is_for_openai_s_books_changes_nothing() -> None:
    """It is taken, and stays here."""
    body = asking(user="u", metadata={"a": "b"}, store=True, safety_identifier="s", prompt_cache_key="k", n=None)
    assert sent("google_ai", MODEL, body) == {"contents": HI}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 9}, "n"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"stop": ["a"] * 6}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"seed": 1.5}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"audio": {"voice": "a"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"prediction": {"type": "content"}}, "prediction"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"verbosity": "low"}, "verbosity"),
        ({"functions": []}, "functions"),
        ({"tools": [tool()], "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools.0.type"),
        ({"tools": [{"type": "function", "function": {"parameters": {}}}]}, "tools.0.function.name"),
        ({"tools": [tool(parameters="x")]}, "tools.0.function.parameters"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [tool()], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
        ({"response_format": "json"}, "response_format"),
        ({"stream_options": {"novel": 1}}, "stream_options.novel"),
        ({"top_k": 40}, "top_k"),
    ],
)
def test_what_google_lacks_or_is_no_request_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    """Never dropped: the client learns which member and what to do."""
    error = refused("google_ai", MODEL, asking() | members)
    assert error.param == param
    assert error.message
