"""The ClickHouse sink on the real engine, ``chdb``, behind an HTTP front of ours; a part of the long form.

``chdb`` and what it needs are some 830 MB, so it is no dependency of these tests: they run where this Python has it, or
where ``CHDB_PYTHON`` names one that has, and skip elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from collectors.deliveries import Frame
from collectors.errors import Halt
from collectors.sinks.clickhouse.settings import ClickHouseSettings
from collectors.sinks.clickhouse.sink import ClickHouseSink
from collectors.sinks.interface import Verdict
from schemas.events import KINDS, Kind
from tests.collectors.events import NOW_MICROS
from tests.contracts.sink_laws import LogPart

pytestmark = pytest.mark.long

FRONT = Path(__file__).with_name("chdb_front.py")
TABLES: dict[Kind, str] = {"proxy_log": "proxy_logs", "analytics": "analytics", "budget": "budget_usage"}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an engine for this file."""
    python = os.environ.get("CHDB_PYTHON", sys.executable)  # noqa: TID251 - settings are not read in tests
    if subprocess.run([python, "-c", "import chdb"], capture_output=True, check=False).returncode:
        pytest.skip("no chdb: install it (830 MB), or name a Python that has it in CHDB_PYTHON")
    command = [python, str(FRONT), str(tmp_path_factory.mktemp("chdb"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


@pytest.fixture
async def database(front: str, unique_name: str) -> str:
    """An empty one."""
    await run(front, f"CREATE DATABASE {unique_name}")
    return unique_name


@pytest.fixture
async def sink(front: str, database: str) -> AsyncIterator[ClickHouseSink]:
    """One that has started, on a database of its own."""
    made = sink_of(front, database)
    await made.start()
    yield made
    await made.close()


def sink_of(front: str, database: str, **settings: Any) -> ClickHouseSink:
    """A sink on the place, not started."""
    given = ClickHouseSettings.model_validate({"url": front, "database": database, **settings})
    return ClickHouseSink(given, KINDS, clock=lambda: NOW_MICROS)


async def run(front: str, statement: str) -> str:
    """What a statement gives."""
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(front, content=statement)
    assert answer.status_code == 200, answer.text
    return answer.text


async def rows(front: str, database: str, kind: Kind) -> list[dict[str, Any]]:
    """What lies in a table, in the order of ids."""
    statement = f"SELECT * FROM {database}.{TABLES[kind]} ORDER BY event_id FORMAT JSONEachRow"  # noqa: S608 - our own names
    text = await run(front, statement)
    return [orjson.loads(line) for line in text.splitlines()]


async def written(sink: ClickHouseSink, frame: Frame) -> Verdict:
    """What becomes of a whole frame."""
    return await sink.write(sink.prepare(frame).documents)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_field_arrives_as_it_was(front: str, database: str, sink: ClickHouseSink, kind: Kind) -> None:
    """Integers exact, times to the microsecond, nulls, lists and records."""
    frame = LogPart().frame(kind, 2)
    assert await written(sink, frame) == Verdict()
    found = await rows(front, database, kind)
    expected = sorted(frame.rows.to_dicts(), key=lambda row: str(row["event_id"]))
    assert [row["event_id"] for row in found] == [row["event_id"] for row in expected]
    for row, event in zip(found, expected, strict=True):
        assert row["occurred_at"] == "2025-11-24 16:00:00.000000"
        assert row["completed_at"] == "2025-11-24 16:00:00.001500"
        for name, value in event.items():
            if isinstance(value, bool | str | None):
                assert row[name] == value, name
            elif isinstance(value, int) and not name.endswith("_at"):
                assert int(row[name]) == value, name
    if kind == "analytics":
        assert found[0]["attempts"][0]["status"] in {200, "200"}
    if kind == "budget":
        assert found[0]["charges"][0]["period_start"] == "2025-11-01 00:00:00.000000"


async def test_a_token_that_is_known_inserts_nothing(front: str, database: str, sink: ClickHouseSink) -> None:
    """The engine itself tells a retry, also by a sink that was started anew."""
    frame, log = LogPart().frame(count=6), LogPart()
    for _ in range(2):
        assert await written(sink, frame) == Verdict()
    again = sink_of(front, database)
    await again.start()
    assert await written(again, log.deliver(frame.delivery.records, "analytics")) == Verdict()
    assert len(await rows(front, database, "analytics")) == 6
    await again.close()


async def test_other_blocks_of_the_same_events_are_one_row_after_a_merge(
    front: str, database: str, sink: ClickHouseSink
) -> None:
    """After a crash batches are cut elsewhere: twice until merged, once with FINAL at any time."""
    frame = LogPart().frame(count=6)
    assert await written(sink, frame) == Verdict()
    assert await written(sink, frame.slice(2, 6)) == Verdict()
    count = f"SELECT count() FROM {database}.analytics"  # noqa: S608 - our own names
    assert int(await run(front, count)) == 10
    assert int(await run(front, f"{count} FINAL")) == 6
    await run(front, f"OPTIMIZE TABLE {database}.analytics FINAL")
    assert int(await run(front, count)) == 6


async def test_a_row_that_the_engine_refuses_is_found(front: str, database: str, sink: ClickHouseSink) -> None:
    """By a constraint of the operator's: alone it is poison, the others are there once."""
    await run(front, f"ALTER TABLE {database}.analytics ADD CONSTRAINT c CHECK request_id != 'bad'")
    log = LogPart()
    records = [log.frame(count=1, request_id="bad" if at in {3, 7} else "good").delivery.records[0] for at in range(9)]
    log.assign()
    verdict = await written(sink, log.deliver(records, "analytics"))
    assert {at: error.reason for at, error in verdict.poison.items()} == {3: "clickhouse_469", 7: "clickhouse_469"}
    assert "bad" not in str(verdict.poison[3])
    assert len(await rows(front, database, "analytics")) == 7


async def test_the_engine_s_own_halts(front: str, database: str, sink: ClickHouseSink) -> None:
    """A table that is dropped, a column that is: nothing is poison, and a new start mends it."""
    await run(front, f"ALTER TABLE {database}.analytics DROP COLUMN choices")
    await run(front, f"DROP TABLE {database}.budget_usage")
    kinds: tuple[Kind, ...] = ("analytics", "budget")
    for kind in kinds:
        verdict = await written(sink, LogPart().frame(kind, 2))
        assert isinstance(verdict.cause, Halt)
        assert not verdict.poison
    await sink.start()
    for kind in kinds:
        assert await written(sink, LogPart().frame(kind, 2)) == Verdict()
    elsewhere = sink_of(front, "no_such_database")
    with pytest.raises(Halt, match="81"):
        await elsewhere.start()
    await elsewhere.close()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("proxy_log", {"request_body": bytes(range(256)), "response_body": b"\xed\xa0\x80", "labels": ["\0", "'\\\n"]}),
        ("analytics", {"request_id": "😀\u2028\ufeff", "model_name": 'a"\\b\t', "raw_usage": None, "cost_nanos": None}),
        ("budget", {"cost_nanos": 2**63 - 1, "tokens_used": 2**63 - 1, "charges": []}),
        ("budget", {"cost_nanos": -(2**63)}),
    ],
)
async def test_what_is_hard_to_write(
    front: str, database: str, sink: ClickHouseSink, kind: Kind, changes: dict[str, Any]
) -> None:
    """It arrives as it was; bytes that are no text are replaced, and the row says so."""
    frame = LogPart().frame(kind, 1, **changes)
    assert await written(sink, frame) == Verdict()
    [row] = await rows(front, database, kind)
    for name, value in changes.items():
        if isinstance(value, bytes):
            assert row[f"{name}_replaced"] is True
        elif isinstance(value, int):
            assert int(row[name]) == value
        else:
            assert row[name] == value


async def test_days_of_a_year_in_one_block(front: str, database: str, sink: ClickHouseSink) -> None:
    """A replay: more partitions than an INSERT may have by default."""
    log = LogPart()
    records = [
        log.frame(count=1, occurred_at=NOW_MICROS - day * 86_400_000_000).delivery.records[0] for day in range(150)
    ]
    log.assign()
    frame = log.deliver(records, "analytics")
    for _ in range(2):
        assert await written(sink, frame) == Verdict()
    assert len(await rows(front, database, "analytics")) == 150


async def test_writes_at_once(front: str, database: str, sink: ClickHouseSink) -> None:
    """Several blocks of a partition at the same time."""
    frame = LogPart().frame(count=200)
    async with asyncio.TaskGroup() as tasks:
        for at in range(0, 200, 20):
            tasks.create_task(written(sink, frame.slice(at, at + 20)))
    assert len(await rows(front, database, "analytics")) == 200
