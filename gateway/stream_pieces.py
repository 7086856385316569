"""A stream's pieces on their way through a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.sdk.headers import Headers
from sluice.sdk.messages import ResponseWriteRequest

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from schemas.events import PluginTiming
    from sluice.plugin_host.chain import Chain
    from sluice.sdk.context import ExchangeFacts

_WEIGHTS = {"allow": 0, "skipped": 1, "modify": 2, "failed": 3, "block": 4}
"""Of what a plugin decided on the pieces of a stream, the heaviest is said of all."""


class StreamPieces:
    """One stream's way through a chain, piece by piece. Its plugins leave one timing each, however many pieces."""

    def __init__(self, exchange: Exchange, chain: Chain, facts: ExchangeFacts) -> None:
        self._exchange = exchange
        self._chain = chain
        self._facts = facts
        self._headers = Headers.of_raw(exchange.response_headers)
        self._sums: dict[tuple[int, str], PluginTiming] = {}

    async def take(self, piece: bytes, *, is_last: bool) -> bytes:
        """What the plugins make of a piece of whole SSE frames; headers are out, so of these nothing is taken."""
        exchange = self._exchange
        response = ResponseWriteRequest(
            exchange.response_code or 0, self._headers, piece, True, is_last, exchange.request_id
        )
        timings: list[PluginTiming] = []
        try:
            changed = await self._chain.run(self._facts, response, timings)
        finally:
            self._add(timings)
        return changed.body

    def _add(self, timings: list[PluginTiming]) -> None:
        for place, timing in enumerate(timings):
            key = (place, timing["plugin"])
            known = self._sums.get(key)
            if known is None:
                self._sums[key] = timing
                self._exchange.timings.append(timing)
                continue
            known["micros"] += timing["micros"]
            if _WEIGHTS.get(timing["decision"], 0) > _WEIGHTS.get(known["decision"], 0):
                known["decision"] = timing["decision"]
