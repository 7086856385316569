"""``sink://otlp``: log records and metrics over OTLP/HTTP; at least once, partial success honoured."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable, Unprocessable, without_values
from collectors.sinks.halving import ends_a_write, write_runs
from collectors.sinks.http.answers import is_taken
from collectors.sinks.http.client import HttpAnswer, HttpClient, reach
from collectors.sinks.http.grouping import request_numbers, runs_of
from collectors.sinks.interface import Prepared, Verdict
from collectors.sinks.otlp.encoding import Partial, UnreadableAnswerError, cause_of_refusal, encoded, partial_of
from collectors.sinks.otlp.logs import LogItem, log_records, logs_request, record_sizes
from collectors.sinks.otlp.metrics import Usage, metrics_request, points_in, usages_of
from collectors.sinks.otlp.settings import OtlpSettings
from sluice.clock import now_micros

if TYPE_CHECKING:
    from collectors.entries import OtlpEntry
    from collectors.sinks.registry import SinkOpening

Document = LogItem | Usage

_log = structlog.get_logger(__name__)


class OtlpSink:
    """Log records of proxy logs, metrics of analytics and budget events. ``clock`` is the wall's, in microseconds."""

    def __init__(self, settings: OtlpSettings, *, connections: int = 10, clock: Callable[[], int] = now_micros) -> None:
        self._settings = settings
        self._clock = clock
        self._next_request = 0
        self._instance_id = str(uuid.uuid4())
        self._told = clock() * 1_000
        self._last_warning = ""
        self._base = settings.endpoint.rstrip("/")
        self._http = HttpClient(settings, settings.endpoint, connections=connections)

    async def start(self) -> None:
        """Read the certificates and see whether somebody listens."""
        self._http.open()
        await self.check()

    async def check(self) -> None:
        """Open a connection: OTLP has nothing else that delivers nothing."""
        await reach(self._settings.endpoint, self._settings.timeout)

    def prepare(self, frame: Frame) -> Prepared[Document]:
        """A record, or a share of the metrics, for every row."""
        if frame.kind == "proxy_log":
            return Prepared(self._logs(frame))
        return Prepared(self._usages(frame))

    def _logs(self, frame: Frame) -> list[LogItem]:
        records = log_records(frame.rows, self._settings)
        numbers = self._numbers(record_sizes(frame.rows, self._settings))
        ids, gateways = frame.rows["event_id"].to_list(), frame.rows["gateway_id"].to_list()
        return [LogItem(*parts) for parts in zip(ids, gateways, records, numbers, strict=True)]

    def _usages(self, frame: Frame) -> list[Usage]:
        """With the time from the last batch until now, which no other batch has."""
        start = self._told
        self._told = max(self._clock() * 1_000, start + len(frame.delivery))
        numbers = self._numbers([0] * len(frame.delivery))
        return usages_of(frame, self._settings, (start, self._told), numbers)

    def _numbers(self, sizes: Sequence[int]) -> list[int]:
        numbers = request_numbers(sizes, self._next_request, self._settings.max_events, self._settings.max_bytes)
        self._next_request = numbers[-1] + 1 if numbers else self._next_request
        return numbers

    async def write(self, documents: Sequence[Document]) -> Verdict:
        """The requests one after the other, each cut as it was when the batch was made."""
        return await write_runs(documents, runs_of(documents), self._send)

    async def _send(self, items: Sequence[Document]) -> Verdict | Unprocessable:
        """One request, and where it was taken in part the search for the rest."""
        found = await self._export(items)
        if isinstance(found, Partial) and found.message:
            self._warn(found)
        if not isinstance(found, Partial):
            return found
        if not found.rejected:
            return Verdict()
        if isinstance(items[0], Usage):
            return _rejected_in_part(items, found)
        return await self._find_rejected(items, found)

    async def _export(self, items: Sequence[Document]) -> Partial | Verdict | Unprocessable:
        try:
            answer, points = await self._post(items)
        except (Retryable, Halt) as error:
            return _postponed(items, error)
        if not is_taken(answer):
            cause = cause_of_refusal(answer)
            return cause if isinstance(cause, Unprocessable) else _postponed(items, cause)
        try:
            partial = partial_of(answer, of_logs=isinstance(items[0], LogItem))
        except UnreadableAnswerError as error:
            return _postponed(items, Retryable(f"unreadable answer of OTLP: {error}"))
        if partial.rejected >= points:
            return Verdict(poison=dict.fromkeys(range(len(items)), _rejected(partial)))
        return partial

    async def _post(self, items: Sequence[Document]) -> tuple[HttpAnswer, int]:
        """The answer, and how many records or data points were sent."""
        body, headers, points = await asyncio.to_thread(self._packed, items)
        path = "/v1/logs" if isinstance(items[0], LogItem) else "/v1/metrics"
        return await self._http.post(self._base + path, body, headers), points

    def _packed(self, items: Sequence[Document]) -> tuple[bytes, dict[str, str], int]:
        logs = [item for item in items if isinstance(item, LogItem)]
        if logs:
            return *encoded(logs_request(logs, self._settings), self._settings), len(logs)
        usages = [item for item in items if isinstance(item, Usage)]
        request = metrics_request(usages, self._settings, self._instance_id)
        return *encoded(request, self._settings), points_in(request)

    async def _find_rejected(self, items: Sequence[Document], partial: Partial) -> Verdict:
        """The answer says how many, not which. Runs of √n are sent, and of those that are taken in part each alone.

        So what was taken comes at most twice again, with its event id.
        """
        verdict, size = Verdict(), math.isqrt(len(items) - 1) + 1
        for start in range(0, len(items), size):
            run = items[start : start + size]
            found = await self._export(run) if len(run) < len(items) else partial
            if isinstance(found, Partial):
                found = await self._one_by_one(run) if found.rejected else Verdict()
            elif isinstance(found, Unprocessable):
                found = Verdict(poison=dict.fromkeys(range(len(run)), found)) if len(run) == 1 else _again(run, found)
            verdict.absorb(found, start)
            if found.cause is not None and ends_a_write(found.cause):
                verdict.postpone(range(start + len(run), len(items)), found.cause)
                break
        return verdict

    async def _one_by_one(self, run: Sequence[Document]) -> Verdict:
        verdict = Verdict()
        for at, item in enumerate(run):
            found = await self._export([item])
            if isinstance(found, Unprocessable):
                verdict.poison[at] = found
            elif isinstance(found, Verdict):
                verdict.absorb(found, at)
                if found.cause is not None and ends_a_write(found.cause):
                    verdict.postpone(range(at + 1, len(run)), found.cause)
                    break
        return verdict

    def _warn(self, partial: Partial) -> None:
        """Say what the server says, once for as long as it says the same."""
        message = without_values(partial.message)
        if message != self._last_warning:
            self._last_warning = message
            _log.warning("receiver took a request in part or warns", rejected=partial.rejected, message=message)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _rejected(partial: Partial) -> Unprocessable:
    return Unprocessable("rejected_by_receiver", without_values(partial.message))


def _rejected_in_part(items: Sequence[Document], partial: Partial) -> Verdict:
    """Which points were taken is not said, and none may be sent twice to find out: it would be counted twice.

    So any of these events may be missing in part, and all are dead letters, which say so.
    """
    error = Unprocessable("rejected_in_part", without_values(partial.message))
    return Verdict(poison=dict.fromkeys(range(len(items)), error))


def _again(items: Sequence[Document], refusal: Unprocessable) -> Verdict:
    return _postponed(items, Retryable(f"a part of a request is refused that was taken in part: {refusal.reason}"))


def _postponed(items: Sequence[Document], cause: Retryable | Halt) -> Verdict:
    verdict = Verdict()
    verdict.postpone(range(len(items)), cause)
    return verdict


def open_sink(entry: OtlpEntry, _: SinkOpening) -> OtlpSink:
    """The sink of an entry; a connection for each write, and two in reserve."""
    return OtlpSink(entry.config, connections=entry.flow.max_writes + 2)
