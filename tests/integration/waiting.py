"""Waiting for a condition, with a deadline that says what was waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

POLL_SECONDS = 0.05


async def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return when ``condition`` holds; TimeoutError names ``what`` never came."""

    async def ask() -> object:
        return condition()

    await until_found(ask, seconds, what)


async def until_found(
    look: Callable[[], Awaitable[Found]], seconds: float, what: str, poll_seconds: float = POLL_SECONDS
) -> Found:
    """The first answer that is true; TimeoutError names ``what`` never came, and the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s (last seen: {found!r})")
        await asyncio.sleep(poll_seconds)
