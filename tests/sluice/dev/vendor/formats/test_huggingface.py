"""Hugging Face's format: text generation, and inference of the model that a path names."""

from __future__ import annotations

import json
from typing import Any

import httpx

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import script

DETAILS = {"parameters": {"details": True}}


async def ask(vendor: MockVendor, path: str, text: str = "", **body: Any) -> httpx.Response:
    """One request."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.post(vendor.origin + path, json={"inputs": "hello", **body}, headers=script(text))


async def test_details_come_where_they_are_asked_for(mock_vendor: MockVendor) -> None:
    """The log tells usage only then; headers count anyway."""
    plain = await ask(mock_vendor, "/generate", "chunks=3")
    assert (plain.json(), plain.headers["x-prompt-tokens"]) == ({"generated_text": "The mock vendor"}, "11")
    asked = (await ask(mock_vendor, "/generate", "chunks=3", **DETAILS)).json()
    assert (asked["details"]["generated_tokens"], asked["details"]["input_length"]) == (7, 11)
    assert [served.prompt_tokens for served in mock_vendor.served] == [None, 11]


async def test_the_last_token_of_a_stream_has_all_of_the_text(mock_vendor: MockVendor) -> None:
    """And the details, where they are asked for."""
    answer = await ask(mock_vendor, "/generate_stream", "chunks=3", **DETAILS)
    events = [json.loads(line[5:]) for line in answer.text.splitlines() if line]
    assert "".join(event["token"]["text"] for event in events[:-1]) == events[-1]["generated_text"]
    assert [event["details"] is None for event in events] == [True] * 3 + [False]


async def test_a_model_in_the_path(mock_vendor: MockVendor) -> None:
    """Its answer is a list; vectors where its task is to make them."""
    assert len((await ask(mock_vendor, "/models/owner/name")).json()) == 1
    assert mock_vendor.served[-1].model == "owner/name"
    vectors = await ask(mock_vendor, "/pipeline/feature-extraction/owner/name", inputs=["a", "b", "c"])
    assert [len(vector) for vector in vectors.json()] == [8, 8, 8]
    failed = await ask(mock_vendor, "/generate", "status=422")
    assert failed.json() == {"error": "the script asked for status 422", "error_type": "validation"}
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(mock_vendor.origin + "/info")).json()["model_id"] == "mock-text"
