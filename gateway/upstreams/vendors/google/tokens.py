"""Access tokens that run out: had once for all who wait, kept until shortly before their end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from gateway.errors import UpstreamUnreachable
from gateway.upstreams.client import UpstreamRequest

_MAX_MARGIN_SECONDS: Final = 300.0
_MARGIN: Final = 0.2
"""Of a token's time: so long before its end it is replaced, but never longer than the above."""
_PAUSE_SECONDS: Final = 10.0
"""After a failure, while the old token still serves."""


class AccessToken(NamedTuple):
    """What a token endpoint gave."""

    value: str
    lives_seconds: float


class TokenRefusedError(Exception):
    """No token was given; the message says why, and nothing of any key."""


class TokenSigner:
    """Signs with an access token. ``fetch`` may block: it runs in a thread of its own."""

    def __init__(self, fetch: Callable[[], AccessToken], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._header = b""
        self._fresh_until = self._ends_at = self._paused_until = float("-inf")
        self._attempts = 0
        self._fault = ""

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The request with the token; raises ``UpstreamUnreachable``: nothing was sent to the vendor."""
        if self._clock() >= self._fresh_until:
            await self._refresh()
        return msgspec.structs.replace(request, headers=[*request.headers, (b"authorization", self._header)])

    async def _refresh(self) -> None:
        now, attempts = self._clock(), self._attempts
        if now < self._ends_at and (self._lock.locked() or now < self._paused_until):
            return  # the old one serves while another request has the new one
        async with self._lock:
            now = self._clock()
            if now < self._fresh_until:
                return
            if self._attempts == attempts:
                await self._try()
            if self._fault and self._clock() >= self._ends_at:
                message = f"no access token for the vendor: {self._fault}"
                raise UpstreamUnreachable(message)

    async def _try(self) -> None:
        """Once, for all who wait meanwhile."""
        try:
            token = await asyncio.to_thread(self._fetch)
        except TokenRefusedError as error:
            self._fault, self._paused_until = str(error), self._clock() + _PAUSE_SECONDS
        else:
            now = self._clock()
            self._fault, self._header = "", b"Bearer " + token.value.encode("ascii")
            self._ends_at = now + token.lives_seconds
            self._fresh_until = self._ends_at - min(_MAX_MARGIN_SECONDS, token.lives_seconds * _MARGIN)
        self._attempts += 1
