"""Waiting for what another task or process does, with a deadline."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

DEADLINE_SECONDS = 20


async def until(condition: Callable[[], Any]) -> None:
    """Until it is true, or what it returns awaits to something true."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            found = condition()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.001)
