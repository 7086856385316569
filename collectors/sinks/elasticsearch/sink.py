"""Bulks of ready-made lines; an event is a document once, whatever is sent twice.

The id is the event's and the operation is ``create``: a second write is answered with 409 and changes nothing, for as
long as the day's index exists.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl
import structlog

from collectors.deliveries import Frame
from collectors.documents import bulk_lines
from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.elasticsearch.access import cause_of_silence, open_http
from collectors.sinks.elasticsearch.bulk_answer import (
    FAILURE_STORE,
    FILTER_PATH,
    IndexMissing,
    cause_of_request,
    judge_bulk,
)
from collectors.sinks.elasticsearch.bulk_cuts import cut_bodies, split_by_bytes
from collectors.sinks.elasticsearch.name_clash import refuse_clashes
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.template_install import install_templates
from collectors.sinks.halving import write_runs
from collectors.sinks.interface import Prepared, Verdict
from schemas.events import Kind
from sluice.clock import now_micros
from sluice.eventstore.elasticsearch_http import NDJSON_TYPE, Answer, ElasticsearchUnreachableError

if TYPE_CHECKING:
    from collectors.entries import ElasticsearchEntry
    from collectors.sinks.registry import SinkOpening

_DAY_MICROS = 86_400_000_000
_GZIP_WBITS = 31  # zlib's code for a gzip frame

_log = structlog.get_logger(__name__)


class ElasticsearchSink:
    """Bulks over the official client's transport."""

    def __init__(
        self,
        settings: ElasticsearchSettings,
        kinds: Sequence[Kind],
        *,
        connections: int = 10,
        clock: Callable[[], int] = now_micros,
        targets: Mapping[Kind, str] | None = None,
    ) -> None:
        """``targets`` are the stems of the indices that are written, where these are not the entry's own."""
        names, periods = settings.indices.names(), settings.indices.periods()
        self._settings = settings
        self._stems = {kind: names[kind] for kind in kinds}
        self._targets = self._stems if targets is None else targets
        self._periods = {kind: None if settings.data_streams else periods[kind] for kind in kinds}
        self._bulk_path = f"_bulk?filter_path={FILTER_PATH}"
        if settings.pipeline:
            self._bulk_path += f"&pipeline={settings.pipeline}"
        self._clock = clock
        self._missing: set[bytes] = set()
        """Indices that templates were installed again for, and that nothing was written to since."""
        self._http = open_http(settings, connections=connections)

    async def start(self) -> None:
        """Reach the server and install what its indices are made from."""
        await self.check()
        await refuse_clashes(self._http, self._settings, list(self._stems.values()))
        if self._settings.use_index_templates:
            await install_templates(self._http, self._settings, self._stems)

    async def check(self) -> None:
        """Ask for the cluster's health, whatever its colour: a yellow or red one may still take our documents."""
        try:
            answer = await self._http.request("GET", "_cluster/health?filter_path=status")
        except ElasticsearchUnreachableError as error:
            raise cause_of_silence(error, self._settings) from error
        if answer.status == 200:
            return
        cause = cause_of_request(answer)
        raise cause if isinstance(cause, Retryable | Halt) else Halt(str(cause), "check elasticsearch_url")

    def prepare(self, frame: Frame) -> Prepared[bytes]:
        """Lines for every row; those whose time cannot be right are poison."""
        lines = bulk_lines(frame.kind, frame.rows, self._targets[frame.kind], self._periods[frame.kind])
        return Prepared(lines, self._out_of_range(frame.rows["occurred_at"]))

    def _out_of_range(self, occurred_at: pl.Series) -> dict[int, Unprocessable]:
        now = self._clock()
        oldest = now - self._settings.oldest_days * _DAY_MICROS
        newest = now + self._settings.newest_days * _DAY_MICROS
        outside = ~occurred_at.is_between(oldest, newest)
        if not outside.any():
            return {}
        error = Unprocessable("time_out_of_range", "occurred_at is too far from now for an index of its own")
        return dict.fromkeys(outside.arg_true().to_list(), error)

    async def write(self, documents: Sequence[bytes]) -> Verdict:
        """As few bulks as ``max_bulk_bytes`` allows, one after the other: the pipeline keeps several writes going.

        A bulk that is refused for one of its documents, or is too large for the server, is halved.
        """
        runs: list[range] = []
        for part in split_by_bytes(documents, self._settings.max_bulk_bytes):
            begins = runs[-1].stop if runs else 0
            runs.append(range(begins, begins + len(part)))
        return await write_runs(documents, runs, self._write_bulk)

    async def _write_bulk(self, lines: Sequence[bytes]) -> Verdict | Unprocessable:
        try:
            answer = await self._post(lines)
        except ElasticsearchUnreachableError as error:
            return _postponed(len(lines), cause_of_silence(error, self._settings))
        if answer.status == 413:
            return await self._write_smaller(lines)
        if answer.status != 200:
            cause = cause_of_request(answer)
            return cause if isinstance(cause, Unprocessable) else _postponed(len(lines), cause)
        verdict = judge_bulk(answer, len(lines))
        self._judge_failure_store(verdict)
        if isinstance(verdict.cause, IndexMissing):
            left = {_index_of(lines[at]) for at in verdict.retry}
            verdict.cause = await self._install_again(verdict.cause, left)
        elif verdict.cause is None and self._missing:
            self._missing -= set(map(_index_of, lines))
        return verdict

    def _judge_failure_store(self, verdict: Verdict) -> None:
        """Documents that a data stream took and put elsewhere: dead letters, unless somebody wants them there."""
        stored = [at for at, error in verdict.poison.items() if error.reason == FAILURE_STORE]
        if stored and self._settings.failure_store == "accept":
            _log.warning("documents went to the failure store", documents=len(stored))
            for at in stored:
                del verdict.poison[at]

    async def _post(self, lines: Sequence[bytes]) -> Answer:
        body, headers = b"".join(lines), {"content-type": NDJSON_TYPE}
        if self._settings.compress:
            headers["content-encoding"] = "gzip"
            body = await asyncio.to_thread(_gzip, body)
        return await self._http.request("POST", self._bulk_path, body, headers)

    async def _write_smaller(self, lines: Sequence[bytes]) -> Verdict | Unprocessable:
        """Too large for the server: a single document loses its bodies, flagged; then it is poison."""
        shorter = cut_bodies(lines[0]) if len(lines) == 1 else lines[0]
        if len(shorter) < len(lines[0]):
            return await self._write_bulk([shorter])
        return Unprocessable("too_large", "larger than the server takes", status=413)

    async def _install_again(self, missing: IndexMissing, indices: set[bytes]) -> Retryable | Halt:
        """Templates that somebody removed are installed once; an index that is still missing then is a halt."""
        if indices <= self._missing or not self._settings.use_index_templates:
            return missing
        self._missing |= indices
        try:
            await install_templates(self._http, self._settings, self._stems, again=True)
        except (Retryable, Halt) as error:
            return error
        return Retryable(missing.reason)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _index_of(lines: bytes) -> bytes:
    """What stands in an action before the id."""
    return lines.partition(b'","_id":"')[0]


def _postponed(count: int, cause: Retryable | Halt) -> Verdict:
    verdict = Verdict()
    verdict.postpone(range(count), cause)
    return verdict


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(level=1, wbits=_GZIP_WBITS)
    return packer.compress(body) + packer.flush()


def open_sink(entry: ElasticsearchEntry, _: SinkOpening) -> ElasticsearchSink:
    """The sink of an entry; a connection for each write, one for checks, one in reserve."""
    return ElasticsearchSink(entry.config, entry.hook_types, connections=entry.flow.max_writes + 2)
