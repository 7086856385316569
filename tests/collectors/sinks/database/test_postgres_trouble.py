"""The database sink on a real PostgreSQL in trouble: each event is there once, or said to be written again."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from collectors.errors import Halt, Retryable
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.interface import Verdict
from sluice.eventstore.database_queries import DatabaseStore
from tests.collectors.sinks.database.test_engines import run, sink_of, write
from tests.collectors.sinks.elasticsearch.refusing import frame


async def ids_there(url: str) -> Counter[str]:
    """The ids in the analytics table."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        return Counter(row[0] for row in await connection.execute(text("SELECT event_id FROM analytics")))


async def until_settled(sink: DatabaseSink, documents: Any) -> set[int]:
    """As the pipeline does; every cause must be one that waits. Returns what is poison."""
    pending, poison = list(range(len(documents))), set[int]()
    async with asyncio.timeout(20):
        while pending:
            verdict = await sink.write([documents[at] for at in pending])
            assert not isinstance(verdict.cause, Halt), verdict.cause
            poison.update(pending[at] for at in verdict.poison)
            pending = [pending[at] for at in verdict.retry]
    return poison


async def test_a_nul_costs_no_event(postgres_url: str) -> None:
    """PostgreSQL has no NUL in its texts: U+FFFD stands there, so that no client keeps its events out of the table."""
    sink = sink_of(postgres_url)
    await sink.start()
    made = frame(2, "proxy_log", request_id="a\0b\0", labels=["k:\0"], request_body=b"\0x")
    assert await write(sink, made) == Verdict()
    store = DatabaseStore(postgres_url)
    [row, _] = await store.documents("proxy_log", made.rows["exchange_id"].to_list())
    assert (row["request_id"], row["labels"], row["request_body"]) == ("a\ufffdb\ufffd", ["k:\0"], b"\0x")
    await store.close()
    await sink.close()


async def test_a_row_that_no_index_takes_is_poison_alone(postgres_url: str) -> None:
    """An index row has a bound (54000): the row at fault is a dead letter, and holds no partition up for ever."""
    sink = sink_of(postgres_url)
    await sink.start()
    documents = list(sink.prepare(frame(5)).documents)
    documents[2] = documents[2]._replace(values={**documents[2].values, "exchange_id": os.urandom(20_000).hex()})
    assert await until_settled(sink, documents) == {2}
    assert len(await ids_there(postgres_url)) == 4
    await sink.close()


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
async def test_the_same_events_from_everywhere_at_once(postgres_url: str, isolation: str) -> None:
    """Redelivered to several members in different orders, in batches that overlap: no deadlock loses or doubles one,
    also where the database was told to serialise."""
    name = make_url(postgres_url).database
    await run(postgres_url, f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")
    sinks = [sink_of(postgres_url) for _ in range(3)]
    await sinks[0].start()
    documents = list(sinks[0].prepare(frame(900)).documents)
    orders = [documents, documents[::-1], documents[450:] + documents[:450]]
    parts = [
        (sink, order[at : at + 300]) for sink, order in zip(sinks, orders, strict=True) for at in (0, 200, 400, 600)
    ]
    assert await asyncio.gather(*(until_settled(*part) for part in parts)) == [set()] * len(parts)
    assert await ids_there(postgres_url) == Counter(document.values["event_id"] for document in documents)
    for sink in sinks:
        await sink.close()


async def test_connections_that_are_ended_in_the_middle(postgres_url: str) -> None:
    """An operator ends every backend again and again, also between rows and commit: each event is there once."""
    sink = sink_of(postgres_url)
    await sink.start()
    documents = list(sink.prepare(frame(2_000)).documents)
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'sluice' AND datname = current_database()"
    )

    async def end_them() -> None:
        for _ in range(8):
            await run(postgres_url, kill)

    parts = [documents[at : at + 100] for at in range(0, 2_000, 100)]
    found, _ = await asyncio.gather(asyncio.gather(*(until_settled(sink, part) for part in parts)), end_them())
    assert found == [set()] * len(parts)
    assert await ids_there(postgres_url) == Counter(document.values["event_id"] for document in documents)
    await sink.close()


async def test_a_server_that_only_reads_halts(postgres_url: str) -> None:
    """As a standby does: nothing is a dead letter, the remedy names the primary, and it ends by itself."""
    name = make_url(postgres_url).database
    owner = sink_of(postgres_url)
    await owner.start()
    await run(postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    sink, made = sink_of(postgres_url), frame(3)
    verdict = await write(sink, made)
    assert (verdict.retry, verdict.poison) == ([0, 1, 2], {})
    assert isinstance(verdict.cause, Halt)
    assert "primary" in verdict.cause.remedy
    with pytest.raises(Halt, match="primary"):
        await sink.check()
    await run(
        postgres_url,
        "SET default_transaction_read_only = off",
        f"ALTER DATABASE {name} RESET default_transaction_read_only",
    )
    fresh = sink_of(postgres_url)
    assert await write(fresh, made) == Verdict()
    for each in (owner, sink, fresh):
        await each.close()


async def test_a_statement_that_takes_too_long_is_written_again(postgres_url: str) -> None:
    """Behind somebody's lock: the server's bound (57014), and ours, mean later and nothing else."""
    name = make_url(postgres_url).database
    owner = sink_of(postgres_url)
    await owner.start()
    await run(postgres_url, f"ALTER DATABASE {name} SET statement_timeout = '200ms'")
    bounded_there, bounded_here, made = sink_of(postgres_url), sink_of(postgres_url, timeout=0.3), frame(3)
    engine = create_async_engine(postgres_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE analytics IN EXCLUSIVE MODE"))
        for sink in (bounded_there, bounded_here):
            verdict = await write(sink, made)
            assert (verdict.retry, verdict.poison) == ([0, 1, 2], {})
            assert isinstance(verdict.cause, Retryable)
    assert await write(bounded_there, made) == Verdict()
    assert await write(bounded_here, made) == Verdict(duplicates=3)
    for each in (owner, bounded_there, bounded_here):
        await each.close()
