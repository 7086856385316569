"""The floor of our figures: a bare ASGI pass-through on uvicorn and the aiohttp client, a key looked up in a dict.

It does nothing that a gateway is for: no plugin, no usage, no price, no event. Run as a script on a port.
"""

from __future__ import annotations

import sys
from typing import Any

import aiohttp
import uvicorn

KEYS = {b"Bearer bench-token": "app"}
SKIPPED = {b"host", b"content-length", b"authorization", b"connection", b"accept-encoding"}
UNSENT = {"connection", "transfer-encoding", "keep-alive"}


class Floor:
    """The application."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = scope["headers"]
        if not any(name == b"authorization" and value in KEYS for name, value in headers):
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, skip_auto_headers=("user-agent",)
            )
        forwarded = [(name.decode(), value.decode()) for name, value in headers if name not in SKIPPED]
        path = scope["path"].removeprefix("/llm/call/bench")
        async with self._session.post(self._upstream + path, data=body, headers=forwarded) as response:
            out = [
                (name.lower().encode(), value.encode())
                for name, value in response.headers.items()
                if name.lower() not in UNSENT
            ]
            await send({"type": "http.response.start", "status": response.status, "headers": out})
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        Floor(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
