"""Sessions: calls that a host leaves open for as long as it offers its services."""

from __future__ import annotations

import asyncio

from sluice.plugin_wire.plugin_pb2 import OpenSessionResponse

Reason = OpenSessionResponse.CloseReason


class Sessions:
    """Those that are open end together."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()
        self._reason: OpenSessionResponse.CloseReason = Reason.UNKNOWN
        self._is_over = False

    async def hold(self, seconds: float) -> OpenSessionResponse.CloseReason:
        """Until they are closed, or so long; why it ended."""
        if self._closing.is_set() and not self._is_over:
            self._closing = asyncio.Event()
        closing = self._closing
        try:
            async with asyncio.timeout(seconds):
                await closing.wait()
        except TimeoutError:
            return Reason.TIMEOUT
        return self._reason

    def close(self, reason: OpenSessionResponse.CloseReason) -> None:
        """End every session that is open; a later one is another."""
        self._reason = reason
        self._closing.set()

    def end(self) -> None:
        """As ``close``, and a later one ends at once: so does this process."""
        self._is_over = True
        self.close(Reason.EXPLICIT_CLOSE)
