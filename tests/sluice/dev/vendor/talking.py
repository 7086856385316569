"""How tests speak to the scripted vendor: through httpx, or byte by byte."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson

from sluice.dev.vendor import MockVendor

CHAT: dict[str, Any] = {"model": "mock-small", "messages": [{"role": "user", "content": "hello"}]}
MESSAGES: list[Any] = [{"role": "user", "content": "hello"}]
TIMEOUT_SECONDS = 60.0


def script(text: str) -> dict[str, str]:
    """The header that carries it."""
    return {"x-mock": text}


async def ask(vendor: MockVendor, script: str = "", **headers: str) -> httpx.Response:
    """One chat request."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        return await client.post(f"{vendor.url}/chat/completions", json=CHAT, headers={"x-mock": script, **headers})


async def on_the_wire(vendor: MockVendor, request: bytes) -> bytes:
    """Everything the vendor writes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", vendor.port)
    writer.write(request)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        answer = await reader.read()
    writer.close()
    return answer


def chat_request(script: str, body: bytes | None = None) -> bytes:
    """A request's bytes."""
    body = orjson.dumps(CHAT) if body is None else body
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-mock: {script}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body
