"""Ollama behind the gateway: every figure of every event, and the bytes both ways."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.gateway.upstreams.vendors.anthropic.scripted import Reply
from tests.gateway.upstreams.vendors.native_bench import SLUG, Bench, bench_of, lines_reply
from tests.gateway.upstreams.vendors.ollama.test_stream import CHAT, ERROR, TIMES, line, said

NDJSON = "application/x-ndjson"
HELLO: dict[str, Any] = {"model": "llama3.2", "messages": [{"role": "user", "content": "why is the sky blue?"}]}
COUNTS = {**TIMES, "prompt_eval_count": 26, "eval_count": 282}
SENT = -(-len(httpx.Request("POST", "http://x", json=HELLO).content) // 4)
"""Tokens that a request has by its bytes."""


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A gateway that calls Ollama."""
    async with bench_of(tmp_path, "ollama", "Basic b2xs", "llama3*", allowed_models=["llama3.*"]) as made:
        yield made


async def test_a_chat_streams_where_it_is_not_told_not_to(bench: Bench) -> None:
    """All bytes pass both ways, the last line is held until the record; the bill to the nano."""
    answer, seen, found = await bench.ask("/api/chat", HELLO, lines_reply(CHAT, NDJSON))
    assert (answer.content, answer.headers["content-type"]) == (CHAT, NDJSON)
    assert (seen.target, json.loads(seen.body), seen.headers["authorization"]) == ("/api/chat", HELLO, "basic b2xs")
    assert found == bench.event(
        model_name="llama3.2", is_stream=True, prompt_tokens=26, response_tokens=282, total_tokens=308,
        raw_usage=COUNTS, tool_calls=2, cost_nanos=26 * 1000 + 282 * 2000,
    )  # fmt: skip


async def test_a_whole_answer_counts_the_same(bench: Bench) -> None:
    """With ``"stream": false``."""
    body = line(message={"content": "x", "thinking": "y"}, done=True, done_reason="stop", **COUNTS)
    answer, _, found = await bench.ask("/api/chat", {**HELLO, "stream": False}, Reply(body))
    assert answer.content == body
    assert found == bench.event(
        model_name="llama3.2", prompt_tokens=26, response_tokens=282, total_tokens=308, raw_usage=COUNTS,
        cost_nanos=26 * 1000 + 282 * 2000,
    )  # fmt: skip


async def test_a_prompt_that_was_in_the_cache_is_estimated(bench: Bench) -> None:
    """The output is what was counted; the event says why the rest is a guess."""
    counts = {"eval_count": 7, **TIMES}
    stream = said("a") + line(message={"content": ""}, done=True, **counts)
    _, _, found = await bench.ask("/api/chat", HELLO, lines_reply(stream, NDJSON))
    assert found == bench.event(
        model_name="llama3.2", is_stream=True, prompt_tokens=SENT, response_tokens=7, total_tokens=SENT + 7,
        raw_usage=counts, labels=["usage:prompt_missing"], cost_status="estimated", cost_nanos=SENT * 1000 + 7 * 2000,
    )  # fmt: skip


async def test_a_stream_that_breaks_off_is_estimated(bench: Bench) -> None:
    """A token for each line; so is one that ends in an error, and a lie."""
    lying = said("a") + line(done=True, prompt_eval_count=-1, eval_count=5)
    raw = {"prompt_eval_count": -1, "eval_count": 5}
    for stream, label, frames, kept in (
        (said("a") + said("b"), "truncated", 2, None),
        (said("a") + said("b") + ERROR, "vendor_error", 3, None),
        (lying, "negative_tokens", 2, raw),
    ):
        answer, _, found = await bench.ask("/api/chat", HELLO, lines_reply(stream, NDJSON))
        assert answer.content == stream
        assert found == bench.event(
            model_name="llama3.2", is_stream=True, prompt_tokens=SENT, response_tokens=frames, raw_usage=kept,
            total_tokens=SENT + frames, labels=[f"usage:{label}"], cost_status="estimated",
            cost_nanos=SENT * 1000 + frames * 2000,
        )  # fmt: skip


async def test_explicit_zeros_and_refusals_cost_nothing(bench: Bench) -> None:
    """Exactly; a vendor that refuses counts nothing."""
    body = line(response="", done=True, prompt_eval_count=0, eval_count=0)
    _, _, found = await bench.ask("/api/generate", {"model": "llama3.2", "stream": False}, Reply(body))
    zeros = {"prompt_eval_count": 0, "eval_count": 0}
    nothing = {"prompt_tokens": 0, "response_tokens": 0, "total_tokens": 0, "cost_nanos": 0}
    assert found == bench.event(model_name="llama3.2", raw_usage=zeros, **nothing)
    error = b'{"error":"model \'llama3.9\' not found"}'
    answer, _, found = await bench.ask("/api/chat", {**HELLO, "model": "llama3.9"}, Reply(error, status=404))
    assert (answer.status_code, answer.content) == (404, error)
    assert (found["cost_nanos"], found["cost_status"], found["prompt_tokens"]) == (0, "exact", None)
    assert (found["labels"], found["choices"], found["total_tokens"]) == ([], 0, None)
    assert (found["outcome"], found["response_code"]) == ("upstream_error", 404)


async def test_embeddings_have_a_prompt_alone(bench: Bench) -> None:
    """There is no response to pay for."""
    body = b'{"model":"llama3.2","embeddings":[[0.1]],"prompt_eval_count":8}'
    _, _, found = await bench.ask("/api/embed", {"model": "llama3.2", "input": "x"}, Reply(body))
    assert found == bench.event(
        model_name="llama3.2", prompt_tokens=8, response_tokens=None, total_tokens=8, choices=0,
        raw_usage={"prompt_eval_count": 8}, cost_nanos=8000,
    )  # fmt: skip


@pytest.mark.parametrize("scopes", [["api", "admin"], ["*"]])
async def test_who_manages_may_change_models(tmp_path: Path, scopes: list[str]) -> None:
    """It is free, and streams its progress."""
    progress = b'{"status":"pulling manifest"}\n{"status":"success"}\n'
    async with bench_of(tmp_path, "ollama", "", "llama3*", scopes) as bench:
        answer, _, found = await bench.ask("/api/pull", {"model": "llama3.2"}, lines_reply(progress, NDJSON))
    assert answer.content == progress
    assert (found["prompt_tokens"], found["response_tokens"], found["cost_nanos"]) == (0, 0, 0)
    assert (found["cost_status"], found["labels"], found["is_stream"]) == ("exact", [], True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/pull"), ("POST", "/api/push"), ("POST", "/api/create"), ("POST", "/api/copy"),
        ("DELETE", "/api/delete"), ("POST", "/api/blobs/sha256:00"), ("POST", "/api/pull/"), ("POST", "/api/%70ull"),
        ("POST", "/api//pull"), ("POST", "/api/./pull/."), ("POST", "/API/PULL"), ("POST", "/pull"),
    ],
)  # fmt: skip
async def test_no_client_changes_what_an_llm_serves_to_all(bench: Bench, method: str, path: str) -> None:
    """However the path is written; the server sees nothing of it, and the client is told why."""
    answer = await bench.flow.client.request(method, f"/llm/call/{SLUG}{path}", json={"model": "llama3.2"})
    assert answer.status_code == 403, answer.content
    assert "'admin'" in answer.text
    assert bench.vendor.seen == []
    log = (await bench.flow.recorded(1))["proxy_log"]
    assert (log["outcome"], log["error_kind"]) == ("access_denied", "management_denied")


async def test_looking_at_models_is_for_all_and_free(bench: Bench) -> None:
    """Lists, and what a model is."""
    answer, _, found = await bench.ask("/api/show", {"model": "llama3.2"}, Reply(b'{"details":{}}'))
    assert (answer.status_code, found["cost_nanos"], found["cost_status"]) == (200, 0, "exact")


async def test_the_compatible_path_is_openai_s(bench: Bench) -> None:
    """Usage is asked for, read and hidden again."""
    hello = b'data: {"model":"llama3.2","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
    usage = b'data: {"model":"llama3.2","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}\n\n'
    reply = lines_reply(hello + usage + b"data: [DONE]\n\n", "text/event-stream")
    answer, seen, found = await bench.ask("/v1/chat/completions", {**HELLO, "stream": True}, reply)
    assert answer.content == hello + b"data: [DONE]\n\n"
    assert b'"include_usage":true' in seen.body
    assert found == bench.event(
        model_name="llama3.2", is_stream=True, prompt_tokens=5, response_tokens=6, total_tokens=11,
        raw_usage={"prompt_tokens": 5, "completion_tokens": 6}, cost_nanos=5 * 1000 + 6 * 2000,
    )  # fmt: skip


async def test_what_is_refused_is_an_error_of_ollama_s(bench: Bench) -> None:
    """A model that is not allowed, by whatever name; the vendor sees neither."""
    for body, status in (({**HELLO, "model": "qwen3"}, 403), ({**HELLO, "Model": "qwen3"}, 400)):
        answer = await bench.flow.client.post(f"/llm/call/{SLUG}/api/chat", json=body)
        assert answer.status_code == status
        assert isinstance(answer.json()["error"], str)
        assert "status" not in answer.json()
    assert bench.vendor.seen == []
