"""Totals to the budget-state topic: absolute, with what they cover, and only those that have changed.

What is due is a matter of the database (``revision`` above ``published``), so that a crash between the transaction and
its publication, or between that and its note, is repaired by whoever comes next: the same is published once more. A
record says its ``epoch`` and ``revision``; of two with one key that with the larger pair is right, should an owner that
was stopped publish late: it asks for what it published to be published again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.services.budget_truth.state import Covers, covers_of
from collectors.services.budget_truth.store import FencedError, TruthStore, parts
from collectors.services.budget_truth.tables import TOTALS
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import Publisher, Record

AGAIN_MICROS = 6 * 3_600 * 1_000_000
"""What has not changed is published again after it while its period lasts: a journal does not compact, it forgets."""
_AT_ONCE = 500


@dataclass(slots=True)
class _Due:
    rows: list[Row[Any]]
    records: list[Record]


class StatePublishing:
    """Publishes for one owner."""

    def __init__(self, store: TruthStore, publisher: Publisher, topic: str) -> None:
        self._store = store
        self._publisher = publisher
        self._topic = topic

    async def publish(self) -> int:
        """Everything that is due; how many records that were. Raises EventLogError, FencedError, Retryable, Halt."""
        count = 0
        while (due := await self._due()).records:
            await self._publisher.publish(due.records)
            await self._note(due.rows)
            count += len(due.records)
            if len(due.records) < _AT_ONCE:
                break
        return count

    async def _due(self) -> _Due:
        now = now_micros()
        is_old = and_(TOTALS.c.published_at < now - AGAIN_MICROS, TOTALS.c.period_end > now)
        names = (TOTALS.c.scope, TOTALS.c.scope_id, TOTALS.c.period_id)
        async with self._store.write() as connection:  # by who may write alone, and all of one moment
            wanted = select(*names).where(or_(TOTALS.c.revision > TOTALS.c.published, is_old)).distinct()
            keys = [tuple(row) for row in await connection.execute(wanted.limit(_AT_ONCE))]
            rows: list[Row[Any]] = []
            for some in parts(keys):
                rows += await connection.execute(select(TOTALS).where(tuple_(*names).in_(some)))
            covers = await covers_of(connection) if rows else None
        return _Due(rows, [] if covers is None else self._records(rows, covers))

    def _records(self, rows: Sequence[Row[Any]], covers: Covers) -> list[Record]:
        groups: dict[tuple[str, str, str], list[Row[Any]]] = defaultdict(list)
        for row in rows:
            groups[row.scope, row.scope_id, row.period_id].append(row)
        said = covers.as_dict()
        return [
            Record(self._topic, ":".join(key).encode(), json.dumps(_body(group, covers, said)).encode())
            for key, group in groups.items()
        ]

    async def _note(self, rows: Sequence[Row[Any]]) -> None:
        now = now_micros()
        try:
            async with self._store.write() as connection:
                await _set_published(connection, {row.key: row.revision for row in rows}, now)
        except FencedError:
            # The new owner may have published newer totals before ours arrived: it publishes these keys again.
            async with self._store.unfenced() as connection:
                await _set_published(connection, {row.key: -1 for row in rows}, 0)
            raise


async def _set_published(connection: AsyncConnection, revisions: Mapping[str, int], now: int) -> None:
    by_revision: dict[int, list[str]] = defaultdict(list)
    for key, revision in revisions.items():
        by_revision[revision].append(key)
    for revision, keys in by_revision.items():
        for some in parts(keys):
            values = {"published": revision, "published_at": now}
            await connection.execute(update(TOTALS).where(TOTALS.c.key.in_(some)).values(**values))


def _body(rows: Sequence[Row[Any]], covers: Covers, said: Mapping[str, Any]) -> dict[str, Any]:
    first = max(rows, key=lambda row: row.period_start)
    return {
        "scope": first.scope, "scope_id": first.scope_id, "period_id": first.period_id,
        "period_start": iso_micros(first.period_start), "period_end": iso_micros(first.period_end),
        "totals": _by_currency(rows),
        "epoch": covers.epoch, "revision": max(row.revision for row in rows), "covers": said,
    }  # fmt: skip


def _by_currency(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """One for each; of a period that was given two starts (a time zone was changed) together."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        total = found.setdefault(row.currency, dict.fromkeys(_SUMMED, 0) | {"currency": row.currency})
        for name in _SUMMED:
            total[name] += int(getattr(row, name))
    return [found[currency] for currency in sorted(found)]


_SUMMED = ("spent_nanos", "corrected_nanos", "tokens", "requests")
