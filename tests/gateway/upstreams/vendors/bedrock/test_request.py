"""Tests of ``gateway.upstreams.vendors.bedrock.request``."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.vendors.bedrock.paths import Call, call_of
from gateway.upstreams.vendors.bedrock.request import ask, with_maximum


def call(operation: str, model: str = "anthropic.claude-3-haiku-20240307-v1:0") -> Call:
    """A call of a model."""
    found = call_of(f"/model/{model}/{operation}")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("operation", "is_stream"),
    [("converse", False), ("converse-stream", True), ("invoke", False), ("invoke-with-response-stream", True)],
)
def test_the_operation_tells_whether_it_streams(operation: str, is_stream: bool) -> None:
    """And usage comes unasked."""
    asked = ask(b"{}", call(operation))
    assert (asked.is_stream, asked.wants_usage, asked.model) == (is_stream, True, call(operation).model)


@pytest.mark.parametrize(
    ("model", "body", "maximum"),
    [
        ("anthropic.claude-3", {"max_tokens": 7, "max_gen_len": 99}, 7),
        ("anthropic.claude-v2", {"max_tokens_to_sample": 8}, 8),
        ("amazon.titan-text-lite-v1", {"textGenerationConfig": {"maxTokenCount": 9}}, 9),
        ("amazon.nova-lite-v1:0", {"inferenceConfig": {"max_new_tokens": 10, "maxTokens": 4}}, 10),
        ("meta.llama3", {"max_gen_len": 11, "max_tokens": 999}, 11),
        ("unknown-model", {"max_gen_len": 3, "max_tokens": 12}, 12),
        ("mistral.x", {"max_tokens": -1}, None),
        ("mistral.x", {"max_tokens": "12"}, None),
        ("mistral.x", {"max_tokens": True}, None),
        ("mistral.x", {"max_tokens": None}, None),
        ("mistral.x", {"max_tokens": 10**30}, (1 << 31) - 1),
        ("amazon.nova-lite-v1:0", {"inferenceConfig": [1]}, None),
        ("amazon.titan-embed-text-v2:0", {"inputText": "x"}, None),
    ],
)
def test_invoke_s_maximum_is_where_the_family_has_it(model: str, body: object, maximum: int | None) -> None:
    """Other families' words say nothing; what is no number is none."""
    assert ask(json.dumps(body).encode(), call("invoke", model)).max_response_tokens == maximum


def test_converse_s_maximum_is_in_its_configuration() -> None:
    """Whatever the family."""
    body = b'{"inferenceConfig":{"maxTokens":40,"temperature":1},"max_tokens":3}'
    assert ask(body, call("converse")).max_response_tokens == 40
    assert ask(b'{"messages":[]}', call("converse")).max_response_tokens is None


def test_choices_are_the_family_s() -> None:
    """Within what an event holds."""
    assert ask(b'{"num_generations":3}', call("invoke", "cohere.command-text-v14")).choices == 3
    assert ask(b'{"num_generations":3}', call("invoke")).choices == 1
    assert ask(b'{"n":1e9}', call("invoke", "mistral.x")).choices == 1
    assert ask(b'{"n":1000000000}', call("invoke", "mistral.x")).choices == 1 << 15


def test_a_count_of_tokens_gives_none() -> None:
    """It is a call of its model all the same."""
    asked = ask(b'{"input":{"converse":{"inferenceConfig":{"maxTokens":9}}}}', call("count-tokens", "a.b"))
    assert asked.is_free
    assert (asked.model, asked.max_response_tokens, asked.is_stream) == ("a.b", 0, False)


@pytest.mark.parametrize("body", [b"{", b"[]", b"nope", b"[" * 100_000, b'{"a":\xff}', b"1"])
def test_what_is_no_json_object_is_an_error(body: bytes) -> None:
    """All of Bedrock's bodies are."""
    with pytest.raises(ValueError, match=r".+"):
        ask(body, call("invoke"))


def test_nothing_is_asked_without_a_body() -> None:
    """The vendor will say so."""
    assert ask(b"", call("converse")).model == call("converse").model


@pytest.mark.parametrize(
    ("operation", "model", "body", "changed"),
    [
        ("converse", "x.y", b"{}", b'{"inferenceConfig":{"maxTokens":5}}'),
        ("converse", "x.y", b'{"a":1, "inferenceConfig": {"topP":1} }',
         b'{"a":1, "inferenceConfig": {"topP":1,"maxTokens":5} }'),
        ("converse-stream", "x.y", b'{"inferenceConfig":null}',
         b'{"inferenceConfig":{"maxTokens":5}}'),
        ("invoke", "anthropic.claude-3", b'{"a":1}', b'{"a":1,"max_tokens":5}'),
        ("invoke", "amazon.titan-text-lite-v1", b'{"textGenerationConfig":{}}',
         b'{"textGenerationConfig":{"maxTokenCount":5}}'),
        ("invoke", "meta.llama3", b"{}", b'{"max_gen_len":5}'),
        ("invoke", "amazon.titan-embed-text-v2:0", b"{}", None),
        ("invoke", "unknown", b"{}", None),
        ("count-tokens", "anthropic.claude-3", b"{}", None),
        ("converse", "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1", b"{}", None),
        ("converse", "x.y", b"", None),
    ],
)  # fmt: skip
def test_a_maximum_is_filled_in_where_there_is_a_place(
    operation: str, model: str, body: bytes, changed: bytes | None
) -> None:
    """No other byte changes; where the name does not tell the family, nothing does."""
    made = with_maximum(body, call(operation, model), 5)
    assert made == changed
    if made is not None:
        assert ask(made, call(operation, model)).max_response_tokens == 5
