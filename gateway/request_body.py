"""A request's body, read within its bound: of calls of LLMs and of plugins' endpoints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.outcomes import ClientGone, RequestTooLarge

if TYPE_CHECKING:
    from gateway.asgi import Receive
    from gateway.exchange import Exchange


async def read_body(exchange: Exchange, receive: Receive, max_bytes: int, setting: str, timeout_seconds: float) -> None:
    """Into ``exchange.body``. Raises ``RequestTooLarge``, which names the setting that bounds it, before anything is
    read where the length says so, or ``ClientGone``; a client that sends nothing is given up by the sweep.

    Most bodies have come before their exchange begins: those are taken as they are.
    """
    whole = exchange.connection.rest_of_body()
    if whole is not None:
        if len(whole) > max_bytes:
            raise _too_large(max_bytes, setting)
        exchange.body = whole
        return
    declared = exchange.values().get(b"content-length")
    if declared is not None and int(declared) > max_bytes:
        raise _too_large(max_bytes, setting)
    exchange.deadline = time.monotonic() + timeout_seconds
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        more = message.get("more_body", False)
        if message["type"] == "http.disconnect" or (more and exchange.client_left):
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes, setting)
        if not more:
            break
        parts.append(part)
    exchange.deadline = 0.0
    exchange.body = b"".join((*parts, part)) if parts else part


def _too_large(max_bytes: int, setting: str) -> RequestTooLarge:
    return RequestTooLarge(f"the request body is larger than {max_bytes} bytes ({setting})")
