"""The database sink on a real PostgreSQL: rows at once, exactly as recorded, and what it says when it says no."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from collectors.errors import Halt, Retryable
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.interface import Verdict
from collectors.sinks.settings import DatabaseSettings
from schemas.events import KINDS, Kind
from sluice.eventstore.database_queries import DatabaseStore
from tests.collectors.sinks.elasticsearch.refusing import frame


def sink_of(url: str, **settings: Any) -> DatabaseSink:
    """On this database."""
    return DatabaseSink(DatabaseSettings.model_validate({"url": url, **settings}))


async def run(url: str, *statements: str) -> None:
    """By whoever may do everything."""
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def write(sink: DatabaseSink, made: Any) -> Verdict:
    """What becomes of a frame."""
    return await sink.write(sink.prepare(made).documents)


@pytest.mark.parametrize("kind", KINDS)
async def test_thousands_of_rows_at_once_and_once(postgres_url: str, kind: Kind) -> None:
    """More values than one statement may have parameters; a second write counts every one as there."""
    sink = sink_of(postgres_url)
    await sink.start()
    made = frame(3_000, kind)
    assert await write(sink, made) == Verdict()
    assert await write(sink, made) == Verdict(duplicates=3_000)
    store = DatabaseStore(postgres_url)
    assert await store.count_events(kind) == 3_000
    await store.close()
    await sink.close()


async def test_what_was_recorded_is_what_is_stored(postgres_url: str) -> None:
    """Nanos beyond what a float holds, bytes that are no text, nulls and lists."""
    sink = sink_of(postgres_url)
    await sink.start()
    made = frame(2, "proxy_log", request_body=b"\xff\x00", response_body=None, labels=["a:ü"])
    assert await write(sink, made) == Verdict()
    store = DatabaseStore(postgres_url)
    [row, _] = await store.documents("proxy_log", made.rows["exchange_id"].to_list())
    assert (row["request_body"], row["response_body"], row["labels"]) == (b"\xff\x00", None, ["a:ü"])
    await store.close()
    await sink.close()


async def test_a_row_that_it_does_not_take_is_poison_alone(postgres_url: str) -> None:
    """What PostgreSQL refuses of one row (a NUL that nobody took out, say) is a dead letter; all around it stand."""
    sink = sink_of(postgres_url)
    await sink.start()
    documents = list(sink.prepare(frame(9)).documents)
    documents[4] = documents[4]._replace(values={**documents[4].values, "request_id": "a\0b"})
    verdict = await sink.write(documents)
    assert {at: error.reason for at, error in verdict.poison.items()} == {4: "row_refused"}
    assert await sink.write(documents[:4] + documents[5:]) == Verdict(duplicates=8)
    await sink.close()


async def test_many_processes_start_at_once(postgres_url: str) -> None:
    """Each makes the tables where they are missing; none of them fails."""
    sinks = [sink_of(postgres_url) for _ in range(6)]
    await asyncio.gather(*(sink.start() for sink in sinks))
    for sink in sinks:
        await sink.close()


async def test_tables_that_were_dropped_are_made_again(postgres_url: str) -> None:
    """Once, and the batch is written again."""
    sink, made = sink_of(postgres_url), frame(2)
    await sink.start()
    await run(postgres_url, "DROP TABLE analytics")
    verdict = await write(sink, made)
    assert (verdict.retry, verdict.poison) == ([0, 1], {})
    assert isinstance(verdict.cause, Retryable)
    assert await write(sink, made) == Verdict()
    await sink.close()


async def test_wrong_credentials_and_databases_halt(postgres_url: str) -> None:
    """With what to check; a password may stand beside the url."""
    url = make_url(postgres_url)
    password, bare = str(url.password), url.set(password=None).render_as_string(hide_password=False)
    for wrong in (sink_of(bare, password="wrong"), sink_of(postgres_url + "_none")):
        for ask in (wrong.start, wrong.check):
            with pytest.raises(Halt):
                await ask()
        await wrong.close()
    right = sink_of(bare, password=password)
    await right.start()
    await right.close()


async def test_a_user_with_no_more_than_the_right_to_write(postgres_url: str, unique_name: str) -> None:
    """The README's grants are enough once the tables are there; without INSERT it is a halt that ends by itself."""
    url = make_url(postgres_url)
    owner, role = sink_of(postgres_url), f"r{unique_name}"
    await owner.start()
    await run(postgres_url, f"CREATE ROLE {role} LOGIN PASSWORD 'p'")
    sink, made = sink_of(url.set(username=role, password="p").render_as_string(hide_password=False)), frame(2)
    with pytest.raises(Halt, match="grant INSERT"):
        await sink.check()
    assert isinstance((await write(sink, made)).cause, Halt)
    await run(postgres_url, f"GRANT SELECT, INSERT ON proxy_logs, analytics, budget_usage TO {role}")
    await sink.start()
    await sink.check()
    assert await write(sink, made) == Verdict()
    await sink.close()
    await owner.close()
    await run(postgres_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
