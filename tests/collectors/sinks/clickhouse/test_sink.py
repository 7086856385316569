"""The ClickHouse sink against a scripted front: tables, blocks and tokens, every class of exception."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from collectors.deliveries import Delivery
from collectors.errors import Halt, Retryable
from collectors.sinks.clickhouse.settings import ClickHouseSettings
from collectors.sinks.clickhouse.sink import ClickHouseSink
from collectors.sinks.clickhouse.tables import columns_of
from collectors.sinks.interface import Verdict
from schemas.events import KINDS, Kind
from tests.collectors.events import NOW_MICROS
from tests.collectors.sinks.clickhouse.front import ClickHouseFront, exception
from tests.collectors.sinks.scripted_http import Reply, Request, reply, then
from tests.contracts.sink_laws import LogPart, ids_of

DAY = 86_400_000_000


@pytest.fixture
async def server() -> AsyncIterator[ClickHouseFront]:
    """The place, for one test."""
    made = ClickHouseFront()
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def log() -> LogPart:
    """Where the events come from."""
    return LogPart()


def sink_of(server: ClickHouseFront, kinds: tuple[Kind, ...] = KINDS, **settings: Any) -> ClickHouseSink:
    """A sink on the place, not started."""
    given = ClickHouseSettings.model_validate({"url": server.url, "timeout": 60, **settings})
    return ClickHouseSink(given, kinds, clock=lambda: NOW_MICROS)


async def started(server: ClickHouseFront, **settings: Any) -> ClickHouseSink:
    """A sink that has started."""
    sink = sink_of(server, **settings)
    await sink.start()
    return sink


def answering(answer: Reply) -> Any:
    """A step that answers so."""

    async def step(_request: Request) -> Reply:
        return answer

    return step


async def test_a_start_makes_the_tables_of_its_kinds(server: ClickHouseFront) -> None:
    """And no others; a second start changes nothing."""
    sink = sink_of(server, ("budget",), username="u", password="p")
    await sink.start()
    await sink.start()
    assert server.tables == {"budget_usage": set(columns_of("budget"))}
    assert all(request.headers["x-clickhouse-user"] == "u" for request in server.requests)
    assert all("p" not in request.query.values() for request in server.requests)
    await sink.close()


async def test_an_older_table_is_given_its_columns(server: ClickHouseFront, log: LogPart) -> None:
    """One that an older version made, or that somebody keeps with columns of their own."""
    server.tables["analytics"] = set(columns_of("analytics")) - {"attempts", "choices"} | {"theirs"}
    sink = await started(server, kinds=("analytics",))
    assert server.tables["analytics"] == set(columns_of("analytics")) | {"theirs"}
    assert await sink.write(sink.prepare(log.frame()).documents) == Verdict()
    await sink.close()


@pytest.mark.parametrize("present", [set(), {"event_id"}])
async def test_tables_of_others_are_not_touched(server: ClickHouseFront, present: set[str]) -> None:
    """``create_tables: false``: what is missing halts with its names; when it is there the service goes on."""
    if present:
        server.tables["budget_usage"] = present
    sink = sink_of(server, ("budget",), create_tables=False)
    with pytest.raises(Halt, match="budget_usage lacks"):
        await sink.start()
    assert server.tables == ({"budget_usage": present} if present else {})
    server.tables["budget_usage"] = set(columns_of("budget"))
    await sink.start()
    await sink.close()


async def test_inserts_are_set_so_that_an_answer_is_true(server: ClickHouseFront, log: LogPart) -> None:
    """Not asynchronous, answered when done, one block, every column by its name."""
    sink = await started(server, compress=True)
    frame = log.frame("proxy_log", 2, request_body=b"\xff\0x")
    assert await sink.write(sink.prepare(frame).documents) == Verdict()
    [request] = server.inserts()
    query = request.query
    assert (query["async_insert"], query["wait_end_of_query"], query["insert_deduplicate"]) == ("0", "1", "1")
    assert query["query"].startswith("INSERT INTO `default`.`proxy_logs` (`event_id`, ")
    assert request.headers["content-encoding"] == "gzip"
    row = server.rows["proxy_logs"][0]
    assert row["occurred_at"] == "2025-11-24T16:00:00.000000Z"
    assert (row["request_body"], row["request_body_replaced"]) == ("\ufffd\0x", True)
    assert server.ids() == ids_of(frame)
    await sink.close()


async def test_blocks_of_each_partition(server: ClickHouseFront) -> None:
    """A batch of two partitions is at least two blocks, each under its own token."""
    sink = await started(server, max_block_rows=2)
    parts = [LogPart(0), LogPart(1)]
    frames = [part.frame(count=3) for part in parts]
    mixed = parts[0].deliver(
        [r for pair in zip(*(f.delivery.records for f in frames), strict=True) for r in pair], "analytics"
    )
    lanes = [frames[record.partition].delivery.lanes[0] for record in mixed.delivery.records]
    mixed.delivery = Delivery(mixed.delivery.records, lanes)
    assert await sink.write(sink.prepare(mixed).documents) == Verdict()
    tokens = [request.query["insert_deduplication_token"].rpartition("-")[0] for request in server.inserts()]
    stem = "sluice.analytics.v1"
    assert sorted(tokens) == [f"{stem}-0-100-101", f"{stem}-0-102-102", f"{stem}-1-100-101", f"{stem}-1-102-102"]
    assert server.ids() == sum(map(ids_of, frames), Counter())
    await sink.close()


@pytest.mark.parametrize("how", [Reply(200, b"x" * 99, cut_at=3), Reply(500), exception(159, "TIMEOUT_EXCEEDED", "t")])
async def test_applied_and_then_failed_is_not_doubled(server: ClickHouseFront, log: LogPart, how: Reply) -> None:
    """The retry has the old token: the table knows the block, also from a sink that was restarted meanwhile."""
    sink = await started(server)
    frame = log.frame(count=5)
    server.script.append(then(server, how))
    documents = sink.prepare(frame).documents
    verdict = await sink.write(documents)
    assert verdict.retry == [0, 1, 2, 3, 4]
    assert await sink.write(documents) == Verdict()
    restarted = await started(server)
    assert await restarted.write(restarted.prepare(log.redelivered(frame)).documents) == Verdict()
    assert server.ids() == ids_of(frame)
    assert len({request.query["insert_deduplication_token"] for request in server.inserts()}) == 1
    await restarted.close()
    await sink.close()


async def test_the_row_at_fault_is_found(server: ClickHouseFront, log: LogPart) -> None:
    """The others are there once; the reason shows no value; a retry of what is left is known by its halves' tokens."""
    sink = await started(server)
    frame = log.frame(count=9, request_id="hidden-value")
    ids = frame.rows["event_id"].to_list()
    server.refused = {ids[4]}
    documents = sink.prepare(frame).documents
    for _ in range(2):
        verdict = await sink.write(documents)
        assert [(at, error.reason) for at, error in verdict.poison.items()] == [(4, "clickhouse_27")]
        assert "hidden-value" not in str(verdict.poison[4])
    assert server.ids() == Counter(event_id for event_id in ids if event_id != ids[4])
    await sink.close()


@pytest.mark.parametrize(
    ("answer", "cause", "throttled"),
    [
        (exception(252, "TOO_MANY_PARTS", "Too many parts (3000)"), Retryable, True),
        (exception(241, "MEMORY_LIMIT_EXCEEDED", "memory"), Retryable, False),
        (exception(60, "UNKNOWN_TABLE", "gone", 404), Halt, False),
        (exception(516, "AUTHENTICATION_FAILED", "who", 403), Halt, False),
        (exception(16, "NO_SUCH_COLUMN_IN_TABLE", "which", 404), Halt, False),
        (Reply(502, b"<html>"), Retryable, False),
    ],
)
async def test_exceptions_of_a_whole_insert(
    server: ClickHouseFront, log: LogPart, answer: Reply, cause: type, throttled: bool
) -> None:
    """Nothing is poison for the server's sake; the next attempt finds it mended."""
    sink = await started(server)
    frame = log.frame(count=3)
    server.script.append(answering(answer))
    documents = sink.prepare(frame).documents
    verdict = await sink.write(documents)
    assert isinstance(verdict.cause, cause)
    assert getattr(verdict.cause, "throttled", False) is throttled
    assert (verdict.poison, verdict.retry) == ({}, [0, 1, 2])
    assert await sink.write(documents) == Verdict()
    assert server.ids() == ids_of(frame)
    await sink.close()


async def test_times_that_cannot_be_right_are_poison(server: ClickHouseFront, log: LogPart) -> None:
    """Outside the range no partition is made."""
    sink = await started(server, oldest_days=30, newest_days=2)
    for days, is_poison in ((-31, True), (-29, False), (1, False), (3, True)):
        prepared = sink.prepare(log.frame(count=1, occurred_at=NOW_MICROS + days * DAY))
        assert [error.reason for error in prepared.poison.values()] == ["time_out_of_range"] * is_poison
    await sink.close()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (reply(401), Halt),
        (reply(200, b"Code: 516. DB::Exception: no"), Halt),
        (reply(404, b"There is no handle"), Halt),
        (reply(503), Retryable),
        (reply(413), Halt),
        (answering(exception(27, "CANNOT_PARSE", "odd")), Halt),
    ],
)
async def test_a_start_says_what_is_wrong(server: ClickHouseFront, step: Any, expected: type) -> None:
    """A wrong user, another server, one in trouble."""
    sink = sink_of(server)
    server.script.append(step)
    with pytest.raises(expected):
        await sink.start()
    await sink.start()
    await sink.close()
