"""Ollama's own format, line by line."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import script


async def ask(vendor: MockVendor, path: str, text: str = "", **body: Any) -> httpx.Response:
    """One request."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.post(vendor.origin + path, json={"model": "mock-llama", **body}, headers=script(text))


@pytest.mark.parametrize(("path", "member"), [("/api/chat", "message"), ("/api/generate", "response")])
async def test_streams_are_what_it_does_unless_it_is_told_otherwise(
    mock_vendor: MockVendor, path: str, member: str
) -> None:
    """Joined, the lines are the plain answer's text; the last one is done and counts."""
    answer = await ask(mock_vendor, path, "chunks=3;reasoning=1")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    plain = (await ask(mock_vendor, path, "chunks=3;reasoning=1", stream=False)).json()

    def text(line: Any) -> str:
        return str(line[member]["content"] if member == "message" else line[member])

    assert "".join(map(text, lines)) == text(plain) == "The mock vendor"
    assert [line["done"] for line in lines] == [False] * 5 + [True]
    counts = ("prompt_eval_count", "eval_count", "done_reason")
    assert [lines[-1][name] for name in counts] == [plain[name] for name in counts] == [11, 7, "stop"]


async def test_embeddings_calls_models_and_errors(mock_vendor: MockVendor) -> None:
    """The other answers; an error is text."""
    made = (await ask(mock_vendor, "/api/embed", "prompt_tokens=5", input=["a", "b"])).json()
    assert (len(made["embeddings"]), made["prompt_eval_count"]) == (2, 5)
    assert len((await ask(mock_vendor, "/api/embeddings", prompt="a")).json()["embedding"]) == 8
    called = (await ask(mock_vendor, "/api/chat", "tool_calls=2", stream=False)).json()
    assert [call["function"]["arguments"] for call in called["message"]["tool_calls"]] == [{"n": 1}, {"n": 1}]
    assert (await ask(mock_vendor, "/api/chat", "status=404")).json() == {"error": "the script asked for status 404"}
    async with httpx.AsyncClient(trust_env=False) as http:
        models = (await http.get(mock_vendor.origin + "/api/tags")).json()["models"]
    assert [model["name"] for model in models] == ["mock-llama:latest", "mock-embed:latest"]
