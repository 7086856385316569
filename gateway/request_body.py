"""A request's body, read within its bound: of calls of LLMs and of plugins' endpoints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.headers import header
from gateway.outcomes import ClientGone, RequestTooLarge

if TYPE_CHECKING:
    from gateway.asgi import Receive
    from gateway.exchange import Exchange


async def read_body(exchange: Exchange, receive: Receive, max_bytes: int, setting: str, timeout_seconds: float) -> None:
    """Into ``exchange.body``. Raises ``RequestTooLarge``, which names the setting that bounds it, before anything is
    read where the length says so, or ``ClientGone``; a client that sends nothing is given up by the sweep."""
    declared = header(exchange.headers, b"content-length")
    if declared is not None and int(declared) > max_bytes:
        raise _too_large(max_bytes, setting)
    exchange.deadline = time.monotonic() + timeout_seconds
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if message["type"] == "http.disconnect" or (more and exchange.client_left):
            raise ClientGone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes, setting)
    exchange.deadline = 0.0
    exchange.body = parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(max_bytes: int, setting: str) -> RequestTooLarge:
    return RequestTooLarge(f"the request body is larger than {max_bytes} bytes ({setting})")
