"""The events database says what it holds, on SQLite and PostgreSQL alike: ranges, ids, documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from collectors.errors import Halt, Retryable
from collectors.services.reconcile.rows import RowStore
from collectors.services.reconcile.stores import Span
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.settings import DatabaseSettings
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Boot
from tests.collectors.events import NOW_MICROS, make_record
from tests.collectors.frames import frame_of_records
from tests.collectors.retention.stored import store
from tests.collectors.services.reconcile.holdings import BOOT

SPAN = Span(NOW_MICROS - 1_000_000, NOW_MICROS + 1_000_000)
ALL = Span(0, 1 << 62)


async def filled(url: str) -> RowStore:
    """Numbers 1-3, 5, 6 of one boot and 1 of another; 9 too early."""
    settings = DatabaseSettings(url=url)
    sink = DatabaseSink(settings)
    await sink.start()
    records = [make_record(offset=at, sequence=number) for at, number in enumerate((3, 1, 2, 6, 5))]
    records.append(make_record(offset=5, sequence=1, boot_id="other"))
    records.append(make_record(offset=6, sequence=9, occurred_at=SPAN.start - 1))
    await store(sink, frame_of_records(SchemaBook(), records))
    await sink.close()
    return RowStore(settings)


async def laws(rows: RowStore) -> None:
    """What holds on every database."""
    await rows.open("analytics")
    part = await rows.part("analytics", SPAN)
    ranges = {tuple(row) for row in part.ranges.iter_rows()}
    names = (BOOT.gateway_id, BOOT.worker)
    assert ranges == {(*names, BOOT.boot_id, 1, 3), (*names, BOOT.boot_id, 5, 6), (*names, "other", 1, 1)}
    assert (part.documents, part.unnumbered) == (6, 0)
    assert await rows.count("analytics", SPAN) == 6
    assert await rows.oldest("analytics") == SPAN.start - 1
    assert (await rows.part("budget", SPAN)).documents == 0
    assert await rows.oldest("budget") is None
    found = await rows.documents("analytics", SPAN, BOOT, (2, 5), 10)
    assert [(each.sequence, each.outcome) for each in found] == [(2, "ok"), (3, "ok"), (5, "ok")]
    assert len(await rows.documents("analytics", SPAN, BOOT, (2, 5), 2)) == 2
    ids = [each.event_id for each in found]
    assert await rows.present("analytics", [*ids, "nobody-a", *(f"x{at}" for at in range(1_200))]) == set(ids)


async def changed(rows: RowStore, *statements: str) -> None:
    """By hand."""
    async with rows._engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_of_sqlite(tmp_path: Path) -> None:
    """All of it."""
    rows = await filled(f"sqlite:///{tmp_path}/e.db")
    await laws(rows)
    await rows.close()


@pytest.mark.postgres
async def test_of_postgres(postgres_url: str) -> None:
    """The same; and what is shared and unnumbered, with its types."""
    rows = await filled(postgres_url)
    await laws(rows)
    await changed(
        rows,
        "UPDATE analytics SET sequence = 2 WHERE sequence = 3",
        "UPDATE analytics SET worker = '' WHERE sequence = 6",
    )
    part = await rows.part("analytics", SPAN)
    assert sorted(tuple(row)[3:] for row in part.ranges.iter_rows() if row[2] == BOOT.boot_id) == [
        (1, 2),
        (2, 2),
        (5, 5),
    ]
    assert (part.documents, part.unnumbered) == (6, 1)
    await rows.close()


async def test_numbers_that_several_rows_have(tmp_path: Path) -> None:
    """Each is in the ranges as often as there are rows, so that a lie is seen where count and bounds agree."""
    rows = await filled(f"sqlite:///{tmp_path}/e.db")
    await changed(
        rows,
        "UPDATE analytics SET sequence = 2 WHERE sequence IN (1, 3)",
        "UPDATE analytics SET sequence = 1 WHERE sequence = 6",
    )
    part = await rows.part("analytics", SPAN)
    found = sorted(tuple(row)[3:] for row in part.ranges.iter_rows() if row[2] == BOOT.boot_id)
    assert found == [(1, 2), (2, 2), (2, 2), (5, 5)]
    assert part.documents == 6
    await rows.close()


async def test_what_no_gateway_numbered_is_counted(tmp_path: Path) -> None:
    """Zero, less, or more than any gateway gives; and rows without a name."""
    rows = await filled(f"sqlite:///{tmp_path}/e.db")
    await changed(
        rows,
        "UPDATE analytics SET sequence = 0 WHERE sequence = 2",
        "UPDATE analytics SET sequence = -5 WHERE sequence = 3",
        "UPDATE analytics SET sequence = 9223372036854775807 WHERE sequence = 5",
        "UPDATE analytics SET gateway_id = '' WHERE sequence = 6",
    )
    part = await rows.part("analytics", SPAN)
    assert (part.documents, part.unnumbered, part.ranges.height) == (6, 4, 2)
    await rows.close()


async def test_a_database_of_nobody_holds_nothing_and_is_not_made(tmp_path: Path) -> None:
    """No file appears because somebody looked; nor is a file without tables an error."""
    path = tmp_path / "none.db"
    rows = RowStore(DatabaseSettings(url=f"sqlite:///{path}"))
    assert (await rows.part("budget", ALL)).documents == await rows.count("budget", ALL) == 0
    assert not path.exists()
    path.touch()
    assert (await rows.part("budget", ALL)).documents == len(await rows.present("budget", ["x"])) == 0
    assert await rows.documents("budget", ALL, Boot("a", "b", "c"), (1, 2), 5) == []
    await rows.close()


async def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    """A damaged file raises: nothing is missing because of it."""
    (tmp_path / "e.db").write_bytes(b"no database at all" * 100)
    rows = RowStore(DatabaseSettings(url=f"sqlite:///{tmp_path}/e.db"))
    with pytest.raises((Halt, Retryable), match="events database"):
        await rows.part("analytics", SPAN)
    await rows.close()
