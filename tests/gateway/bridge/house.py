"""A gateway whose LLMs speak different dialects, and clients that speak OpenAI's alone."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai

from sluice.dev.vendor import MockVendor
from tests.gateway.flow import TOKEN, Flow, running

CLAUDE = "claude-sonnet-4-5"
QUESTION: list[Any] = [{"role": "user", "content": "How are you?"}]
PRICES = [
    {"id": "claude", "vendor": "anthropic", "model": "claude-*", "prompt": "3", "response": "15", "cache_read": "0.3"},
    {"id": "gpt", "model": "gpt-*", "prompt": "0.15", "response": "0.60", "cache_read": "0.075"},
]
SLUGS = ("claude", "gpt", "nowhere", "lost")


def llms_of(origin: str) -> list[dict[str, Any]]:
    """One of each dialect at the scripted vendor; ``nowhere`` and ``lost`` are not there and fail over to the other
    dialect's."""
    return [
        {"id": 1, "slug": "claude", "vendor": "anthropic", "base_url": origin, "api_key": "claude-key"},
        {"id": 2, "slug": "gpt", "vendor": "openai", "base_url": origin + "/v1", "api_key": "gpt-key"},
        {"id": 3, "slug": "nowhere", "vendor": "openai", "base_url": "http://127.0.0.1:1/v1", "failover": ["claude"]},
        {
            "id": 4,
            "slug": "lost",
            "vendor": "anthropic",
            "base_url": "http://127.0.0.1:1",
            "api_key": "k",
            "failover": ["gpt"],
        },
    ]


@contextlib.asynccontextmanager
async def bridge(folder: Path, vendor: MockVendor, **sections: Any) -> AsyncIterator[Flow]:
    """The gateway; ``claude`` is that LLM with these members too, and so are ``gpt`` and the others."""
    llms = llms_of(vendor.origin)
    for llm in llms:
        llm.update(sections.pop(llm["slug"], {}))
    app = {"id": 1, "name": "tests", "user_id": 7, "llms": list(SLUGS), **sections.pop("app", {})}
    given = {"llms": llms, "apps": [app, {"id": 2, "name": "stranger"}], "prices": PRICES, "plugins": [], **sections}
    async with running(folder, vendor.origin, **given) as flow:
        yield flow


def sdk(flow: Flow, slug: str = "claude", **options: Any) -> openai.AsyncOpenAI:
    """OpenAI's own client."""
    given: dict[str, Any] = {"api_key": TOKEN, "max_retries": 0, "timeout": 15, **options}
    return openai.AsyncOpenAI(base_url=f"{flow.url}/ai/{slug}/v1", **given)


async def chat(flow: Flow, slug: str = "claude", script: str = "", **body: Any) -> httpx.Response:
    """A plain request."""
    sent = {"model": CLAUDE, "messages": QUESTION, **body}
    return await flow.client.post(f"/ai/{slug}/v1/chat/completions", json=sent, headers={"x-mock": script})


def frames_of(body: bytes) -> list[Any]:
    """The data of a stream's frames, decoded; ``[DONE]`` as text."""
    parts = [part for part in body.decode().split("\n\n") if part and part != ": ping"]
    assert body.endswith(b"\n\n")
    assert all(part.startswith("data: ") for part in parts)
    return [part[6:] if part == "data: [DONE]" else json.loads(part[6:]) for part in parts]


def text_of(frames: list[Any]) -> str:
    """What a stream's frames say."""
    choices = [choice for frame in frames if isinstance(frame, dict) for choice in frame.get("choices", [])]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def asked_of(vendor: MockVendor) -> dict[str, Any]:
    """The last body that the vendor got."""
    found: dict[str, Any] = json.loads(vendor.requests[-1].body)
    return found
