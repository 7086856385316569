"""Asks the workers of a supervisor for their pages, all at once and within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp

ASK_SECONDS = 2.0
_MAX_ANSWER_BYTES = 16 << 20


class Page(NamedTuple):
    """What one worker answered."""

    status: int
    body: bytes


async def ask_all(sockets: Sequence[Path], path: str, method: str = "GET") -> list[Page | None]:
    """Of each worker, in order; ``None`` of one that does not answer."""
    return list(await asyncio.gather(*(_ask(socket, path, method) for socket in sockets)))


async def _ask(socket: Path, path: str, method: str) -> Page | None:
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(socket)), timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)
            ) as session,
            session.request(method, f"http://worker{path}", headers={"content-type": "application/json"}) as response,
        ):
            body = await response.content.read(_MAX_ANSWER_BYTES)
            while more := await response.content.read(_MAX_ANSWER_BYTES):
                body += more
                if len(body) > _MAX_ANSWER_BYTES:
                    return None
            return Page(response.status, body)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
