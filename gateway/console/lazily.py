"""What is made when it is first asked for: in a thread, so that no exchange waits for it, and then kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.console.assets import Assets
from sluice.eventstore.dashboards.definitions import Dashboard, load_dashboards

T = TypeVar("T")


class Lazily(Generic[T]):
    """One thing, made once: who asks while it is being made gets the same. It may be a client, whose second would be
    dropped with its connections open."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._making = threading.Lock()

    @property
    def is_made(self) -> bool:
        """Whether somebody has asked for it."""
        return bool(self._made)

    async def get(self) -> T:
        """It, made now or before."""
        if not self._made:
            await asyncio.to_thread(self._make_once)
        return self._made[0]

    def _make_once(self) -> None:
        with self._making:
            if not self._made:
                self._made.append(self._make())


PACKAGED: Lazily[Assets] = Lazily(Assets)
"""The files of the package, packed."""
DEFINED: Lazily[tuple[Dashboard, ...]] = Lazily(load_dashboards)
"""The dashboards that we ship."""
