"""Who is told of streams that are over, behind their last byte.

In the task of the exchange itself, which has nothing more to do: its client has its answer, and its connection serves
the next request meanwhile. A worker that stops waits for it as for any exchange. Copies that wait are bounded in
bytes; what does not fit is not told, but counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.hooks import Hooks
    from gateway.stream_copy import StreamCopy
    from gateway.sweep import Sweep
    from gateway.telemetry import GatewayMetrics

_COPIES = 16
"""So many of the largest copies may wait for plugins at once."""
_OVERHEAD_BYTES = 8 << 10
"""Of an exchange without its bodies: streams without bytes are not free."""
_QUIET_SECONDS = 10.0

logger = structlog.get_logger(__name__)


class EndedStreams:
    """Tells ``stream_complete`` plugins; nothing that they do is anybody's business any more."""

    def __init__(self, hooks: Hooks, sweep: Sweep, metrics: GatewayMetrics, max_copy_bytes: int) -> None:
        self._hooks = hooks
        self._sweep = sweep
        self._metrics = metrics
        self._left = _COPIES * (max_copy_bytes + _OVERHEAD_BYTES)
        self._quiet_until = 0.0

    async def tell(self, exchange: Exchange, copy: StreamCopy) -> None:
        """Run the chain for a stream that had begun. Raises nothing but a cancellation."""
        llm = exchange.llm
        if llm is None or not copy.has_begun:
            return
        size = copy.size + len(exchange.body) + len(exchange.plugins_body or b"") + _OVERHEAD_BYTES
        if size > self._left:
            self._refuse()
            return
        self._left -= size
        try:
            with self._sweep.lingering(exchange):
                is_whole = not (copy.is_cut or exchange.client_left)
                await self._hooks.stream_complete(exchange, llm, copy.take(), is_whole=is_whole)
        except Exception:
            logger.exception("ended stream not told", exchange_id=exchange.exchange_id)
        finally:
            self._left += size

    def _refuse(self) -> None:
        self._metrics.untold_streams.add(1)
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            logger.warning("ended streams not told", remedy="too many wait for their stream_complete plugins: speed up")
