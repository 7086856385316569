"""Tests of ``gateway.upstreams.vendors.bedrock.wire``: whole answers of every family."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.bedrock.wire import answer_of_converse, answer_of_invoke
from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.bedrock.streams import CLAUDE_USAGE, METRICS, USAGE, converse, dumps

HEADERS: Headers = [
    (b"x-amzn-bedrock-input-token-count", b"10"),
    (b"x-amzn-bedrock-output-token-count", b"20"),
]
CALL = {"toolUse": {"toolUseId": "t", "name": "weather", "input": {}}}
SEARCH = {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use", "input": {}}}


def figures(answer: Answer) -> tuple[Usage | None, int, int, str]:
    """What an answer says but its model and text."""
    return answer.usage, answer.choices, answer.tool_calls, answer.problem


def test_an_answer_of_converse_is_counted() -> None:
    """Its calls too; those of the vendor's own search are billed one by one."""
    usage = Usage(1412, 30, 1000, 400, cache_write_1h_prompt_tokens=150)
    assert figures(answer_of_converse(converse([{"text": "x"}, CALL]))) == (usage, 1, 1, "")
    usage.tool_requests = 2
    answer = answer_of_converse(converse([SEARCH, CALL, SEARCH]))
    assert figures(answer) == (usage, 1, 3, "")
    assert json.loads(answer.raw_usage or "") == USAGE
    assert answer.model is None


def test_a_router_s_choice_is_the_model() -> None:
    """That is what is billed."""
    trace = {"promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"}}
    assert answer_of_converse(converse(trace=trace)).model == "amazon.nova-lite-v1:0"
    odd: tuple[Any, ...] = ({"promptRouter": 5}, [], {"promptRouter": {"invokedModelId": 7}})
    assert [answer_of_converse(converse(trace=trace)).model for trace in odd] == [None] * 3


def test_another_tier_makes_an_estimate() -> None:
    """The counts hold, the price does not."""
    answer = answer_of_converse(converse(serviceTier={"type": "flex"}))
    assert answer.problem == "service_tier"
    assert answer.usage is not None


@pytest.mark.parametrize("content", [5, [5], [{"toolUse": 5}], {"a": 1}])
def test_content_of_another_shape_costs_no_usage(content: Any) -> None:
    """It is only not counted."""
    assert figures(answer_of_converse(converse(content)))[1:] == (0, 0, "")
    assert answer_of_converse(converse(content)).usage is not None


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b"\xff", b"[" * 100_000])
def test_garbage_raises_what_is_told(body: bytes) -> None:
    """And nothing else."""
    for read in (answer_of_converse, lambda body: answer_of_invoke(body, [])):
        with pytest.raises((msgspec.DecodeError, RecursionError)):
            read(body)


BODIES: list[tuple[str, dict[str, Any], tuple[Usage | None, int, int, str]]] = [
    ("anthropic", {"type": "message", "content": [{"type": "text", "text": "x"}, {"type": "tool_use", "id": "t"}],
                   "usage": CLAUDE_USAGE}, (Usage(16731, 1, 14486, 2238, None, 2000), 1, 1, "")),
    ("nova", {"output": {"message": {"content": [{"text": "x"}, CALL]}}, "stopReason": "end_turn",
              "usage": {"inputTokens": 4, "outputTokens": 9, "totalTokens": 13, "cacheReadInputTokenCount": 6,
                        "cacheWriteInputTokenCount": 0}}, (Usage(10, 9, 6, 0), 1, 1, "")),
    ("titan text", {"inputTextTokenCount": 5, "results": [{"tokenCount": 30, "outputText": "x"},
                                                          {"tokenCount": 12, "outputText": "y"}]},
     (Usage(5, 42), 2, 0, "")),
    ("titan embeddings", {"embedding": [0.1, 0.2], "inputTextTokenCount": 8}, (Usage(8, 0), 0, 0, "")),
    ("titan of zero", {"inputTextTokenCount": 0, "results": [{"tokenCount": 0}]}, (Usage(0, 0), 1, 0, "")),
    ("llama", {"generation": "x", "prompt_token_count": 15, "generation_token_count": 52, "stop_reason": "stop"},
     (Usage(15, 52), 1, 0, "")),
    ("mistral chat", {"choices": [{"message": {"content": "", "tool_calls": [{"id": "a"}, {"id": "b"}]}}],
                      "usage": {"prompt_tokens": 6, "completion_tokens": 7, "total_tokens": 13}},
     (Usage(6, 7), 1, 2, "")),
    ("gpt-oss", {"model": "m", "choices": [{"message": {"content": "x"}}],
                 "usage": {"prompt_tokens": 6, "completion_tokens": 7, "total_tokens": 13}}, (Usage(6, 7), 1, 0, "")),
    ("jamba", {"choices": [{}, {}], "usage": {"prompt_tokens": 6, "completion_tokens": 7}}, (Usage(6, 7), 2, 0, "")),
    ("metrics", {"x": 1, "amazon-bedrock-invocationMetrics": METRICS}, (Usage(16731, 126, 14486, 2238), 0, 0, "")),
    ("cohere v2", {"usage": {"billed_units": {"input_tokens": 3, "output_tokens": 4}}}, (Usage(3, 4), 0, 0, "")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "expected"), BODIES, ids=[body[0] for body in BODIES])
def test_a_model_s_own_body_is_counted(name: str, body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """In its family's way; headers that count less change nothing."""
    assert figures(answer_of_invoke(dumps(body), [])) == expected, name
    if name != "cohere v2":
        assert answer_of_invoke(dumps(body), HEADERS).usage == expected[0], name
    assert answer_of_invoke(dumps(body), []).raw_usage


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        ({"outputs": [{"text": "x", "stop_reason": "stop"}]}, 1),
        ({"generations": [{"text": "x"}, {"text": "y"}], "prompt": "z"}, 2),
        ({"embeddings": [[0.1]], "texts": ["x"]}, 0),
        ({"usage": {"inputTokens": "4", "outputTokens": 1}}, 0),
        ({"usage": {"inputTokens": -4, "outputTokens": 1}}, 0),
    ],
)
def test_headers_count_for_bodies_that_do_not(body: dict[str, Any], choices: int) -> None:
    """Mistral's and Cohere's texts say nothing of tokens, and others' may be wrong."""
    answer = answer_of_invoke(dumps(body), HEADERS)
    assert figures(answer) == (Usage(10, 20), choices, 0, "")
    assert json.loads(answer.raw_usage or "") == {"inputTokens": 10, "outputTokens": 20}
    assert answer_of_invoke(dumps(body), []).usage is None


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"inputTextTokenCount": "5", "results": [{"tokenCount": 1}]}, "wrong_type"),
        ({"inputTextTokenCount": 5, "results": [{"tokenCount": "1"}]}, "wrong_type"),
        ({"inputTextTokenCount": 5, "results": [{"tokenCount": -1}]}, "negative_tokens"),
        ({"prompt_token_count": 10**30, "generation_token_count": 1}, "absurd_tokens"),
        ({"prompt_token_count": 4}, "missing"),
        ({"prompt_token_count": None, "generation_token_count": None}, "wrong_type"),
        ({"usage": 7}, "wrong_type"),
    ],
)
def test_counts_beside_an_answer_are_held_to_the_same(body: dict[str, Any], problem: str) -> None:
    """Half of a usage is none."""
    assert figures(answer_of_invoke(json.dumps(body).encode(), [])) == (None, figures_of_shape(body), 0, problem)


def figures_of_shape(body: dict[str, Any]) -> int:
    """How many answers there are in it."""
    return len(body.get("results", ()))


def test_a_tier_in_headers_makes_an_estimate() -> None:
    """As in the body of converse."""
    headers = [*HEADERS, (b"x-amzn-bedrock-service-tier", b"priority")]
    assert answer_of_invoke(b'{"outputs":[]}', headers).problem == "service_tier"
