"""A sink that its first write starts: of several in one service, one that is away holds up none of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic

import structlog

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.sinks.interface import DocumentT, Prepared, Sink, Verdict

_log = structlog.get_logger(__name__)


class StartingSink(Generic[DocumentT]):
    """As the sink within, whose ``start`` is tried again before each write until it has succeeded."""

    def __init__(self, sink: Sink[DocumentT]) -> None:
        self.within = sink
        self.is_started = False
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Once; raises ``Retryable`` and ``Halt`` as the sink does, and a fault of its own as ``Retryable``."""
        async with self._turn:
            if self.is_started:
                return
            try:
                await self.within.start()
            except (Retryable, Halt):
                raise
            except Exception as error:  # one sink's fault must not end the others
                _log.exception("sink broke its contract: it raised as it started")
                raise Retryable(f"the sink raised {type(error).__name__} as it started") from error
            self.is_started = True

    def prepare(self, frame: Frame) -> Prepared[DocumentT]:
        """The sink's own."""
        return self.within.prepare(frame)

    async def write(self, documents: Sequence[DocumentT]) -> Verdict:
        """The sink's own; while it cannot be started all are postponed for that reason."""
        try:
            await self.start()
        except (Retryable, Halt) as cause:
            verdict = Verdict()
            verdict.postpone(range(len(documents)), cause)
            return verdict
        return await self.within.write(documents)

    async def check(self) -> None:
        """Whether it is started, or can be, and answers."""
        await self.start()
        await self.within.check()

    async def close(self) -> None:
        """The sink's own."""
        await self.within.close()
