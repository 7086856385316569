"""``sink://clickhouse``: one INSERT for each block; a retry repeats the block and its token, so it changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import polars as pl
import structlog

from collectors.deliveries import Frame
from collectors.documents import row_lines
from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.clickhouse.answers import judge
from collectors.sinks.clickhouse.blocks import Row, blocks_of, rows_of, token_of
from collectors.sinks.clickhouse.settings import ClickHouseSettings
from collectors.sinks.clickhouse.tables import COLUMNS_QUERY, add_columns, create_table, insert_rows, missing_columns
from collectors.sinks.halving import write_runs
from collectors.sinks.http.client import HttpClient, gzipped
from collectors.sinks.interface import Prepared, Verdict
from schemas.events import Kind
from sluice.clock import now_micros

if TYPE_CHECKING:
    from collectors.entries import ClickHouseEntry
    from collectors.sinks.registry import SinkOpening

_DAY_MICROS = 86_400_000_000
_INSERT_SETTINGS = {
    "async_insert": "0",  # its acknowledgement would come before the rows are durable
    "wait_end_of_query": "1",  # else a 200 may be followed by an exception
    "insert_deduplicate": "1",
    "date_time_input_format": "best_effort",
    "input_format_parallel_parsing": "0",  # one block for one INSERT
    "input_format_skip_unknown_fields": "0",
    "max_partitions_per_insert_block": "0",  # a replay may touch every day there is
}

_log = structlog.get_logger(__name__)


class ClickHouseSink:
    """Rows as JSON lines. ``clock`` is the wall's, in microseconds."""

    def __init__(
        self,
        settings: ClickHouseSettings,
        kinds: Sequence[Kind],
        *,
        connections: int = 10,
        clock: Callable[[], int] = now_micros,
    ) -> None:
        names = settings.tables.names()
        self._settings = settings
        self._tables = {kind: names[kind] for kind in kinds}
        self._clock = clock
        self._next_block = 0
        self._http = HttpClient(settings, settings.url, connections=connections)
        self._base = settings.url.rstrip("/") + "/"

    async def start(self) -> None:
        """Make what is missing, or see that nothing is."""
        self._http.open()
        await self.check()
        for kind, table in self._tables.items():
            if self._settings.create_tables:
                await self._execute(create_table(self._settings.database, table, kind))
            await self._complete(kind, table)

    async def _complete(self, kind: Kind, table: str) -> None:
        """Give a table of an older version its new columns; without ``create_tables`` their absence is a halt."""
        named = {"param_database": self._settings.database, "param_table": table}
        present = (await self._execute(COLUMNS_QUERY, named)).decode("utf-8", "replace").split()
        missing = missing_columns(kind, present)
        if not missing:
            return
        if not self._settings.create_tables:
            what = f"columns {', '.join(missing)}" if present else "the table itself"
            reason = f"table {self._settings.database}.{table} lacks {what}"
            raise Halt(reason, "add what is missing, or set create_tables: true")
        await self._execute(add_columns(self._settings.database, table, missing))
        _log.info("columns added", table=table, columns=list(missing))

    async def check(self) -> None:
        """Ask for nothing, as the user who will insert."""
        await self._execute("SELECT 1")

    async def _execute(self, statement: str, parameters: Mapping[str, str] | None = None) -> bytes:
        """The answer of a statement without rows. Raises ``Retryable`` and ``Halt``."""
        url = f"{self._base}?{urlencode({'wait_end_of_query': '1', **(parameters or {})})}"
        answer = await self._http.post(url, statement.encode(), {"content-type": "text/plain"})
        cause = judge(answer)
        if isinstance(cause, Unprocessable):
            raise Halt(f"ClickHouse refuses {statement[:40]!r}: {cause}", "see the server's log")
        if cause is not None:
            raise cause
        return answer.body

    def prepare(self, frame: Frame) -> Prepared[Row]:
        """A row for each event, in its block; those whose time cannot be right are poison."""
        lines = row_lines(frame.kind, frame.rows)
        settings = self._settings
        rows = rows_of(frame, lines, self._next_block, settings.max_block_rows, settings.max_block_bytes)
        self._next_block = max((row.block for row in rows), default=self._next_block) + 1
        return Prepared(rows, self._out_of_range(frame.rows["occurred_at"]))

    def _out_of_range(self, occurred_at: pl.Series) -> dict[int, Unprocessable]:
        now = self._clock()
        oldest = now - self._settings.oldest_days * _DAY_MICROS
        newest = now + self._settings.newest_days * _DAY_MICROS
        outside = ~occurred_at.is_between(oldest, newest)
        error = Unprocessable("time_out_of_range", "occurred_at is too far from now for a partition of its own")
        return dict.fromkeys(outside.arg_true().to_list(), error)

    async def write(self, documents: Sequence[Row]) -> Verdict:
        """The blocks one after the other, each cut as it was when the batch was made."""
        return await write_runs(documents, list(blocks_of(documents)), self._insert)

    async def _insert(self, rows: Sequence[Row]) -> Verdict | Unprocessable:
        kind = rows[0].kind
        statement = insert_rows(self._settings.database, self._tables[kind], kind)
        asked = {"query": statement, "insert_deduplication_token": token_of(rows), **_INSERT_SETTINGS}
        headers = {"content-type": "application/x-ndjson"}
        body = b"\n".join([row.line for row in rows]) + b"\n"
        if self._settings.compress:
            body, headers["content-encoding"] = await asyncio.to_thread(gzipped, body), "gzip"
        verdict = Verdict()
        try:
            answer = await self._http.post(f"{self._base}?{urlencode(asked, quote_via=quote)}", body, headers)
            cause = judge(answer)
        except (Retryable, Halt) as error:
            cause = error
        if isinstance(cause, Unprocessable):
            return cause
        if cause is not None:
            verdict.postpone(range(len(rows)), cause)
        return verdict

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def open_sink(entry: ClickHouseEntry, _: SinkOpening) -> ClickHouseSink:
    """The sink of an entry; a connection for each write, one for checks, one in reserve."""
    return ClickHouseSink(entry.config, entry.hook_types, connections=entry.flow.max_writes + 2)
