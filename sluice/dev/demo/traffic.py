"""Two dozen exchanges through the gateway, of every kind that a first look should see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from sluice.dev.demo.state import FORBIDDEN

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One exchange as its client saw it."""

    kind: str
    exchange_id: str
    status: int


@dataclass(frozen=True, slots=True)
class Kind:
    """Exchanges of one kind."""

    name: str
    count: int
    script: str = ""
    """What the mock vendor is told in ``x-mock``."""
    llm: str = "demo"
    prompt: str = "Why is the sky blue?"
    streams: bool = False
    leaves: bool = False
    with_token: bool = True


KINDS = (
    Kind("plain", 8, "prompt_tokens=1200;response_tokens=350;cached=400;chunks=11"),
    Kind("streamed", 5, "prompt_tokens=900;response_tokens=700;chunks=11;pace_ms=5", streams=True),
    Kind("blocked", 3, prompt=f"Please {FORBIDDEN} and answer."),
    Kind("refused", 2, with_token=False),
    Kind("failing", 2, "status=500"),
    Kind("unreachable", 2, llm="broken"),
    Kind("disconnecting", 2, "chunks=50;pace_ms=10", streams=True, leaves=True),
)


async def send_traffic(address: str, token: str) -> list[Sent]:
    """Send all of it, one after another; raises httpx.HTTPError where the gateway does not answer."""
    async with httpx.AsyncClient(base_url=address, timeout=TIMEOUT_SECONDS) as client:
        return [await _send(client, kind, token) for kind in KINDS for _ in range(kind.count)]


async def _send(client: httpx.AsyncClient, kind: Kind, token: str) -> Sent:
    async with _open(client, kind, token) as answer:
        if kind.leaves:
            async for _ in answer.aiter_raw():
                break  # closing the response now closes the connection: this client has seen enough
        else:
            await answer.aread()
        return Sent(kind.name, answer.headers.get("x-sluice-exchange-id", ""), answer.status_code)


@asynccontextmanager
async def _open(client: httpx.AsyncClient, kind: Kind, token: str) -> AsyncIterator[httpx.Response]:
    body = {"model": "mock-small", "messages": [{"role": "user", "content": kind.prompt}], "stream": kind.streams}
    headers = {"authorization": f"Bearer {token if kind.with_token else 'not-a-token'}", "x-mock": kind.script}
    path = f"/llm/call/{kind.llm}/chat/completions"
    async with client.stream("POST", path, json=body, headers=headers) as answer:
        yield answer
