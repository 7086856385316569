"""Traces on their way out: a bounded queue, and one task that sends batches from it.

Nobody waits for it. A queue that is full drops what comes; a receiver that is away, slow, or wrong costs traces, which
are counted, and a line in the log when that begins and when it ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.tracing.encoding import Message
from gateway.tracing.spans import SpanMaker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.telemetry import GatewayMetrics
    from gateway.tracing.finished import Finished
    from gateway.tracing.receiver import Answer
    from gateway.tracing.settings import TracingSettings
    from gateway.tracing.spans import Value

MAX_ATTEMPTS = 5
MAX_PAUSE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 1.0
_SLICE = 8
"""Exchanges that are encoded in one go: about half a millisecond, then others have their turn."""

logger = structlog.get_logger(__name__)


class Sends(Protocol):
    """A receiver."""

    address: str

    async def send(self, body: bytes) -> Answer:
        """One request."""
        ...

    async def close(self) -> None:
        """No more of them."""
        ...


class Exporter:
    """Sends the traces of one worker. ``sleep`` is how pauses before repetitions are made."""

    def __init__(
        self,
        settings: TracingSettings,
        receiver: Sends,
        metrics: GatewayMetrics,
        resource: Mapping[str, Value],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._receiver = receiver
        self._metrics = metrics
        self._resource = resource
        self._sleep = sleep
        self._maker = SpanMaker()
        self._queue: deque[Finished] = deque()
        self._batch: list[Finished] = []
        self._is_due = asyncio.Event()
        self._fails = False

    @property
    def waiting(self) -> int:
        """How many exchanges were not sent yet."""
        return len(self._queue) + len(self._batch)

    def offer(self, done: Finished) -> None:
        """Queue it, or drop it; never waits."""
        if len(self._queue) >= self._settings.max_queued_exchanges:
            self._metrics.traced.add(1, "dropped")
            return
        self._queue.append(done)
        if len(self._queue) >= self._settings.max_batch_exchanges:
            self._is_due.set()

    async def run(self) -> None:
        """Send what is due, for as long as the worker lives."""
        while True:
            try:
                async with asyncio.timeout(self._settings.interval_seconds):
                    await self._is_due.wait()
            except TimeoutError:
                pass
            self._is_due.clear()
            while self._queue:
                self._take()
                await self._deliver(MAX_ATTEMPTS)

    async def close(self) -> None:
        """Send what waits, once, within ``tracing.shutdown_seconds``; what is left is counted. Behind ``run``."""
        try:
            async with asyncio.timeout(self._settings.shutdown_seconds):
                while self._batch or self._queue:
                    if not self._batch:
                        self._take()
                    await self._deliver(1)
        except TimeoutError:
            pass
        if self.waiting:
            self._metrics.traced.add(self.waiting, "unsent")
        await self._receiver.close()

    def _take(self) -> None:
        for _ in range(min(len(self._queue), self._settings.max_batch_exchanges)):
            self._batch.append(self._queue.popleft())

    async def _deliver(self, attempts: int) -> None:
        """The batch in hand, until it is sent or given up. A fault of ours costs the batch, not the worker."""
        try:
            outcome = await self._settled(await self._encoded(), attempts)
        except Exception:  # noqa: BLE001 - told by its name, once
            outcome = "failed"
            self._told("a fault of the gateway", is_ours=True)
        self._metrics.traced.add(len(self._batch), outcome)
        self._batch = []

    async def _settled(self, body: bytes, attempts: int) -> str:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            answer = await self._receiver.send(body)
            self._told("" if answer.result == "exported" else answer.detail)
            if answer.rejected:
                self._metrics.rejected_spans.add(answer.rejected)
            if answer.result != "later":
                return answer.result
            attempts -= 1
            if attempts <= 0:
                return "failed"
            await self._sleep(min(max(pause, answer.retry_after_seconds), MAX_PAUSE_SECONDS))
            pause *= 2

    async def _encoded(self) -> bytes:
        message = Message(self._resource)
        for count, done in enumerate(self._batch):
            message.add(done, self._maker.spans(done))
            if count % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        return message.taken()

    def _told(self, problem: str, *, is_ours: bool = False) -> None:
        """Say once that traces stop going out, and once that they go out again."""
        if problem and not self._fails:
            logger.warning(
                "traces cannot be exported", endpoint=self._receiver.address, problem=problem, exc_info=is_ours
            )
        elif self._fails and not problem:
            logger.info("traces are exported again", endpoint=self._receiver.address)
        self._fails = bool(problem)
