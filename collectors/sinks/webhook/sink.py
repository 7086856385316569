"""``sink://webhook``: one POST for each run of documents; at least once, under the same key when it comes again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from collectors.deliveries import Frame
from collectors.documents import document_lines
from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.halving import write_runs
from collectors.sinks.http.answers import cause_of, is_taken
from collectors.sinks.http.client import HttpClient, reach
from collectors.sinks.http.grouping import request_numbers, runs_of
from collectors.sinks.interface import Prepared, Verdict
from collectors.sinks.webhook.item_answers import judge_items
from collectors.sinks.webhook.requests import Item, request_of
from collectors.sinks.webhook.settings import WebhookSettings
from sluice.clock import now_micros

if TYPE_CHECKING:
    from collectors.entries import WebhookEntry
    from collectors.sinks.registry import SinkOpening

_CREDENTIALS = "bearer_token, headers and signing_secret"


class WebhookSink:
    """Documents in requests of bounded size. ``clock`` is the wall's, in microseconds."""

    def __init__(
        self, settings: WebhookSettings, *, connections: int = 10, clock: Callable[[], int] = now_micros
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._next_request = 0
        self._http = HttpClient(settings, settings.url, connections=connections)

    async def start(self) -> None:
        """Read the certificates and see whether somebody listens."""
        self._http.open()
        await self.check()

    async def check(self) -> None:
        """Open a connection: a request would be a delivery."""
        await reach(self._settings.url, self._settings.timeout)

    def prepare(self, frame: Frame) -> Prepared[Item]:
        """A document for every row, each with the number of its request."""
        bodies = document_lines(frame.kind, frame.rows)
        sizes = [len(body) + 1 for body in bodies]  # and a comma, or the end of the line
        numbers = request_numbers(sizes, self._next_request, self._settings.max_events, self._settings.max_bytes)
        self._next_request = numbers[-1] + 1 if numbers else self._next_request
        ids = frame.rows["event_id"].to_list()
        return Prepared(
            [Item(event_id, body, at, frame.kind) for event_id, body, at in zip(ids, bodies, numbers, strict=True)]
        )

    async def write(self, documents: Sequence[Item]) -> Verdict:
        """The requests one after the other, each cut as it was when the batch was made."""
        return await write_runs(documents, runs_of(documents), self._send)

    async def _send(self, items: Sequence[Item]) -> Verdict | Unprocessable:
        at_seconds = self._clock() // 1_000_000
        verdict = Verdict()
        try:
            body, headers = await asyncio.to_thread(request_of, items, self._settings, at_seconds)
            answer = await self._http.post(self._settings.url, body, headers)
        except (Retryable, Halt) as error:
            verdict.postpone(range(len(items)), error)
            return verdict
        if is_taken(answer):
            return judge_items(answer, items) if self._settings.answer == "items" else verdict
        cause = cause_of(answer, "url", _CREDENTIALS, self._clock)
        if isinstance(cause, Unprocessable):
            return cause
        verdict.postpone(range(len(items)), cause)
        return verdict

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def open_sink(entry: WebhookEntry, _: SinkOpening) -> WebhookSink:
    """The sink of an entry; a connection for each write, and two in reserve."""
    return WebhookSink(entry.config, connections=entry.flow.max_writes + 2)
