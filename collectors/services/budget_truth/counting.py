"""The way of one batch: everything that it changes is changed in one transaction, or nothing is.

1 tally   2 fence   3 load what the numbers lie on   4 claim each number   5 add what is new   6 move offsets   7 commit
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.columns import Decoder
from collectors.services.budget_truth.boots import Boot, BootBook, BootId, Claim, Page
from collectors.services.budget_truth.store import TruthStore, parts
from collectors.services.budget_truth.tables import BOOTS, OFFSETS, PAGES, PROBLEMS, STATE, TOTALS
from collectors.services.budget_truth.tally import Problems, Sum, Tally, TotalKey, tally
from schemas.codec import SchemaBook, UndecodableError
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError, Partition, PolledRecord
from sluice.intervals import Intervals

SCHEMA_WAIT_SECONDS = 60.0
_NO_WAIT_SECONDS = 600.0
_SEPARATOR = "\x1f"
_MAX_EXAMPLE = 500


class SchemaUnknownError(EventLogError):
    """Events wait for a schema that its writer has not published yet: try again."""


@dataclass(slots=True)
class Position:
    """How far a partition is applied, where that began, and what of it could not be read."""

    next_offset: int
    first_offset: int
    lost: Intervals = field(default_factory=Intervals)
    log_id: str = ""
    """The log that this is of, as far as it was known; empty where it never was."""


@dataclass(slots=True)
class Batch:
    """Records, and where their partitions stand behind them."""

    events: list[PolledRecord] = field(default_factory=list)
    reports: list[PolledRecord] = field(default_factory=list)
    positions: dict[Partition, Position] = field(default_factory=dict)
    covers_since: int = 0
    """Nothing before this moment is covered, where more than 0."""

    def __len__(self) -> int:
        return len(self.events) + len(self.reports)


@dataclass(slots=True)
class Counted:
    """What came of a batch."""

    applied: int = 0
    duplicates: int = 0
    problems: Problems = field(default_factory=dict)


class Counting:
    """Applies batches for one owner. ``read_schemas`` looks up what writers have published."""

    def __init__(
        self, store: TruthStore, book: SchemaBook, read_schemas: Callable[[], Awaitable[Sequence[bytes]]]
    ) -> None:
        self._store = store
        self._decoder = Decoder(book)
        self._read_schemas = read_schemas
        self._boots = BootBook()
        self._waits_since: float | None = None
        self._waits_again_at = 0.0

    def forget(self) -> None:
        """What was remembered is not ours any more."""
        self._boots.forget()

    async def apply(self, batch: Batch) -> Counted:
        """Raises FencedError, Retryable, Halt, SchemaUnknownError; then nothing has changed."""
        tallied = await self._tallied(batch)  # 1
        try:
            async with self._store.write() as connection:  # 2
                stored = await self._load(connection, tallied)  # 3
                counted, applied = self._claim(tallied)  # 4
                await self._advance(connection, stored)
                sums = await asyncio.to_thread(tallied.sums_of, applied)
                revision = await self._note_state(connection, batch, counted, has_changed=bool(sums))
                await add(self._store, connection, sums, revision)  # 5
                await self._save_boots(connection)
                await self._note_problems(connection, counted.problems)
                await self._move(connection, batch.positions)  # 6, then 7
        except BaseException:
            self._boots.forget()
            raise
        self._boots.settled()
        return counted

    async def _tallied(self, batch: Batch) -> Tally:
        found = await asyncio.to_thread(tally, self._decoder, batch.events, batch.reports)
        if found.unknown and await self._learn():
            found = await asyncio.to_thread(tally, self._decoder, batch.events, batch.reports)
        if not found.unknown:
            self._waits_since = None
        elif self._waits():
            _, example = next(iter(found.unknown.values()))
            raise SchemaUnknownError(f"{example} is not known yet")
        for count, example in found.unknown.values():
            found.complain("unknown_schema", count, example)
        return found

    def _waits(self) -> bool:
        """Whether a schema may still come. All that wait together wait once, and after they were given up nobody waits
        for a while: a flood of schemas that do not exist must not hold the truth up."""
        now = monotonic()
        if now < self._waits_again_at:
            return False
        if self._waits_since is None:
            self._waits_since = now
        if now - self._waits_since < SCHEMA_WAIT_SECONDS:
            return True
        self._waits_since, self._waits_again_at = None, now + _NO_WAIT_SECONDS
        return False

    async def _learn(self) -> bool:
        """Whether anything could be asked; what is no schema of ours is passed over."""
        for text in await self._read_schemas():
            try:
                self._decoder.book.learn(text)
            except UndecodableError:
                continue
        return True

    async def _load(self, connection: AsyncConnection, tallied: Tally) -> dict[str, set[int]]:
        """The boots and pages that the batch is about; the numbers of all pages there are of these boots."""
        boots = self._boots
        ids = {boot.key: boot for boot in tallied.boots}
        for keys in parts([key for key in ids if key not in boots.boots]):
            for row in await connection.execute(select(BOOTS).where(BOOTS.c.key.in_(keys))):
                boots.boots[row.key] = boot_of(row)
        for key, boot_id in ids.items():
            boots.boots.setdefault(key, Boot(boot_id))
        stored: dict[str, set[int]] = {}
        for keys in parts(list(ids)):
            for key, page in await connection.execute(select(PAGES.c.key, PAGES.c.page).where(PAGES.c.key.in_(keys))):
                stored.setdefault(key, set()).add(page)
        wanted = [each for each in tallied.pages if each[1] in stored.get(each[0], ())]
        await self._load_pages(connection, wanted)
        return stored

    async def _load_pages(self, connection: AsyncConnection, wanted: Sequence[tuple[str, int]]) -> None:
        pages = self._boots.pages
        for some in parts([each for each in wanted if each not in pages]):
            query = select(PAGES).where(tuple_(PAGES.c.key, PAGES.c.page).in_(some))
            for row in await connection.execute(query):
                pages[row.key, row.page] = Page.unpack(row.digests)

    def _claim(self, tallied: Tally) -> tuple[Counted, list[int]]:
        """What came of each number; the rows that are new."""
        counted, applied = Counted(problems=tallied.problems), list[int]()
        claims: Counter[Claim] = Counter()
        keys = {boot: boot.key for boot in tallied.boots}
        claim = self._boots.claim
        for each in tallied.claimables:
            found = claim(keys[each.boot], each.sequence, each.digest)
            claims[found] += 1
            if found is Claim.APPLIED:
                applied.append(each.row)
            elif found is Claim.CONFLICT:
                tallied.complain(
                    "conflict", 1, f"{each.event_id}: sequence {each.sequence} of {each.boot} is another event's"
                )
        for report in tallied.reports:
            self._boots.report(report.boot, report.last, closing=report.closing)
        counted.applied, counted.duplicates = claims[Claim.APPLIED], claims[Claim.DUPLICATE]
        return counted, applied

    async def _advance(self, connection: AsyncConnection, stored: Mapping[str, set[int]]) -> None:
        for key in self._boots.dirty_boots:
            while (needed := self._boots.advance(key, stored.get(key, ()))) is not None:
                await self._load_pages(connection, [needed])
        self._boots.drop_pages(stored)

    async def _save_boots(self, connection: AsyncConnection) -> None:
        boots = self._boots
        await self._store.put(connection, BOOTS, [row_of(boots.boots[key]) for key in boots.dirty_boots])
        pages = [
            {"key": key, "page": page, "digests": boots.pages[key, page].pack()} for key, page in boots.dirty_pages
        ]
        await self._store.put(connection, PAGES, pages)
        for some in parts(list(boots.dropped_pages)):
            await connection.execute(delete(PAGES).where(tuple_(PAGES.c.key, PAGES.c.page).in_(some)))

    async def _note_state(
        self, connection: AsyncConnection, batch: Batch, counted: Counted, *, has_changed: bool
    ) -> int:
        """The revision of what is changed now."""
        row = (await connection.execute(select(STATE))).one()
        values: dict[str, Any] = {"applied": row.applied + counted.applied, "revision": row.revision + has_changed}
        if batch.covers_since > row.covers_since:
            values["covers_since"] = batch.covers_since
        await connection.execute(update(STATE).values(**values))
        return int(values["revision"])

    async def _note_problems(self, connection: AsyncConnection, problems: Problems) -> None:
        known = {row.kind: row.events for row in await connection.execute(select(PROBLEMS))} if problems else {}
        rows = [
            {"kind": kind, "events": known.get(kind, 0) + count, "example": storable(example), "last_at": now_micros()}
            for kind, (count, example) in problems.items()
        ]
        await self._store.put(connection, PROBLEMS, rows)

    async def _move(self, connection: AsyncConnection, positions: Mapping[Partition, Position]) -> None:
        rows = [
            {
                "partition": partition.topic, "number": partition.partition, "next_offset": at.next_offset,
                "first_offset": at.first_offset, "lost": str(at.lost), "log_id": at.log_id,
            }
            for partition, at in positions.items()
        ]  # fmt: skip
        await self._store.put(connection, OFFSETS, rows)


async def add(store: TruthStore, connection: AsyncConnection, sums: Mapping[TotalKey, Sum], revision: int) -> None:
    """Add to the totals, which are whole numbers of any size."""
    by_key = {total_key(key): key for key in sums}
    known: dict[str, Any] = {}
    for keys in parts(list(by_key)):
        for row in await connection.execute(select(TOTALS).where(TOTALS.c.key.in_(keys))):
            known[row.key] = row
    await store.put(connection, TOTALS, [_total(text, by_key[text], sums, known, revision) for text in by_key])


def _total(
    text: str, key: TotalKey, sums: Mapping[TotalKey, Sum], known: Mapping[str, Any], revision: int
) -> dict[str, Any]:
    row = known.get(text)
    total = sums[key] if row is None else sum_of(row).plus(sums[key])
    return {
        "key": text, **key._asdict(), **{name: str(value) for name, value in total._asdict().items()},
        "revision": revision,
        "published": 0 if row is None else row.published,
        "published_at": 0 if row is None else row.published_at,
    }  # fmt: skip


def total_key(key: TotalKey) -> str:
    """As the database knows it; the parts have no control characters."""
    return _SEPARATOR.join(
        (key.scope, key.scope_id, key.period_id, key.currency, str(key.period_start), str(key.period_end))
    )


def sum_of(row: Any) -> Sum:
    """Of a row of totals."""
    return Sum(int(row.spent_nanos), int(row.corrected_nanos), int(row.tokens), int(row.requests))


def boot_of(row: Any) -> Boot:
    """Of a row of boots."""
    return Boot(
        BootId(row.gateway_id, row.worker, row.boot_id), row.through, row.last, row.reported, row.seen, row.is_closed,
        row.excused, row.uncovered, row.gap_at, row.gap_since, row.gap_told,
    )  # fmt: skip


def row_of(boot: Boot) -> dict[str, Any]:
    """For the database."""
    return {
        "key": boot.id.key, **boot.id._asdict(), "through": boot.through, "last": boot.last,
        "reported": boot.reported, "seen": boot.seen, "is_closed": boot.is_closed, "excused": boot.excused,
        "uncovered": boot.uncovered, "gap_at": boot.gap_at, "gap_since": boot.gap_since, "gap_told": boot.gap_told,
    }  # fmt: skip


def storable(text: str) -> str:
    """What came from outside, as every database takes it."""
    return "".join(each if each.isprintable() else "?" for each in text[:_MAX_EXAMPLE])
