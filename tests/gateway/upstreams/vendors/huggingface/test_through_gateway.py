"""Hugging Face behind the gateway: every figure of every event, and the bytes both ways."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from tests.gateway.upstreams.vendors.anthropic.scripted import Reply
from tests.gateway.upstreams.vendors.huggingface.test_stream import DETAILS, ERROR, STREAM, TEXT, event
from tests.gateway.upstreams.vendors.native_bench import SLUG, Bench, bench_of, lines_reply

EVENTS = "text/event-stream"
HELLO: dict[str, Any] = {"inputs": "My name is Olivier and I", "parameters": {"max_new_tokens": 20, "details": True}}
SENT = -(-len(httpx.Request("POST", "http://x", json=HELLO).content) // 4)
"""Tokens that a request has by its bytes."""


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A gateway that calls a text generation server, whose model it is told."""
    async with bench_of(tmp_path, "huggingface", "hf_vendor", "owner/*", default_model="owner/tgi") as made:
        yield made


async def test_a_stream(bench: Bench) -> None:
    """All bytes pass both ways, the last event is held until the record; the bill to the nano."""
    answer, seen, found = await bench.ask("/generate_stream", HELLO, lines_reply(STREAM, EVENTS))
    assert answer.content == STREAM
    assert (seen.target, json.loads(seen.body)) == ("/generate_stream", HELLO)
    assert seen.headers["authorization"] == "bearer hf_vendor"
    assert found == bench.event(
        model_name="owner/tgi", is_stream=True, prompt_tokens=14, response_tokens=3, total_tokens=17,
        raw_usage=DETAILS, cost_nanos=14 * 1000 + 3 * 2000,
    )  # fmt: skip


async def test_a_stream_that_is_not_counted_is_estimated(bench: Bench) -> None:
    """A token for each event; the event says why."""
    for end, label, frames in ((event(generated_text="x"), "no_details", 3), (b"", "truncated", 2),
                               (ERROR, "vendor_error", 3)):  # fmt: skip
        answer, _, found = await bench.ask("/generate_stream", HELLO, lines_reply(TEXT + end, EVENTS))
        assert answer.content == TEXT + end
        assert found == bench.event(
            model_name="owner/tgi", is_stream=True, prompt_tokens=SENT, response_tokens=frames,
            total_tokens=SENT + frames, labels=[f"usage:{label}"], cost_status="estimated",
            cost_nanos=SENT * 1000 + frames * 2000,
        )  # fmt: skip


async def test_a_whole_answer_counts_what_it_counts(bench: Bench) -> None:
    """All of it, or the output alone, or nothing; an explicit zero is one."""
    counted = {"generated_text": "x", "details": {"finish_reason": "length", "generated_tokens": 20, "input_length": 6}}
    _, _, found = await bench.ask("/generate", HELLO, Reply(json.dumps(counted).encode()))
    assert found == bench.event(
        model_name="owner/tgi", prompt_tokens=6, response_tokens=20, total_tokens=26, raw_usage=counted["details"],
        cost_nanos=6 * 1000 + 20 * 2000,
    )  # fmt: skip
    half = b'{"generated_text":"x","details":{"generated_tokens":20,"prefill":[]}}'
    _, _, found = await bench.ask("/generate", HELLO, Reply(half))
    assert found == bench.event(
        model_name="owner/tgi", prompt_tokens=SENT, response_tokens=20, total_tokens=SENT + 20,
        raw_usage={"generated_tokens": 20}, labels=["usage:prompt_missing"], cost_status="estimated",
        cost_nanos=SENT * 1000 + 20 * 2000,
    )  # fmt: skip
    bare = b'{"generated_text":"a name for a dog"}'
    received = -(-len(bare) // 4)
    _, _, found = await bench.ask("/generate", HELLO, Reply(bare))
    assert found == bench.event(
        model_name="owner/tgi", prompt_tokens=SENT, response_tokens=received, total_tokens=SENT + received,
        labels=["usage:no_details"], cost_status="estimated", cost_nanos=SENT * 1000 + received * 2000,
    )  # fmt: skip
    zeros = b'{"generated_text":"","details":{"generated_tokens":0,"input_length":0}}'
    _, _, found = await bench.ask("/generate", HELLO, Reply(zeros))
    assert (found["cost_nanos"], found["cost_status"], found["total_tokens"]) == (0, "exact", 0)


async def test_inference_of_a_model_in_the_path(bench: Bench) -> None:
    """In a list, as it answers; the path's model is the event's."""
    body = b'[{"generated_text":"x","details":{"generated_tokens":4,"prefill":[{"id":0},{"id":1}]}}]'
    _, seen, found = await bench.ask("/models/owner/name", HELLO, Reply(body))
    assert (seen.target, json.loads(seen.body)) == ("/models/owner/name", HELLO)
    assert found == bench.event(
        model_name="owner/name", prompt_tokens=2, response_tokens=4, total_tokens=6,
        raw_usage={"generated_tokens": 4, "input_length": 2}, cost_nanos=2 * 1000 + 4 * 2000,
    )  # fmt: skip


async def test_the_router_is_openai_s(bench: Bench) -> None:
    """With whom it routes to in the model's name."""
    body = b'{"model":"owner/name","choices":[{}],"usage":{"prompt_tokens":5,"completion_tokens":6}}'
    asked = {"model": "owner/name:groq", "messages": []}
    _, seen, found = await bench.ask("/v1/chat/completions", asked, Reply(body))
    assert json.loads(seen.body) == asked
    assert found == bench.event(
        model_name="owner/name", prompt_tokens=5, response_tokens=6, total_tokens=11,
        raw_usage={"prompt_tokens": 5, "completion_tokens": 6}, cost_nanos=5 * 1000 + 6 * 2000,
        labels=["priced:model=owner/name:groq"],
    )  # fmt: skip


async def test_errors_pass_and_ours_look_like_them(bench: Bench) -> None:
    """A refusal costs nothing; both name their type."""
    error = b'{"error":"Model is overloaded","error_type":"overloaded"}'
    answer, _, found = await bench.ask("/generate", HELLO, Reply(error, status=429))
    assert (answer.status_code, answer.content) == (429, error)
    assert (found["cost_nanos"], found["cost_status"], found["prompt_tokens"]) == (0, "exact", None)
    assert (found["labels"], found["choices"], found["total_tokens"]) == ([], 0, None)
    refused = await bench.flow.client.post(f"/llm/call/{SLUG}/generate", content=b"{")
    assert refused.status_code == 400
    assert refused.json()["error_type"] == "validation"
