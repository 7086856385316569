"""What every sink keeps to, whatever it writes to."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.sinks.interface import Sink, Verdict
from schemas.events import KINDS, Kind
from tests.collectors.events import NOW_MICROS
from tests.contracts.file_sink_benches import FileBench, ParquetFileBench, S3Bench, SmallFileBench, StdoutBench
from tests.contracts.http_sink_benches import ClickHouseBench, OtlpBench, WebhookBench
from tests.contracts.kafka_sink_bench import KafkaBench
from tests.contracts.sink_laws import (
    DatabaseBench,
    LogPart,
    ScriptedElasticsearchBench,
    SinkBench,
    ids_of,
    within,
)
from tests.contracts.store_sink_benches import ElasticsearchBench, OpenSearchBench, PostgresBench, administer
from tests.servers import Elasticsearch, OpenSearch, Postgres

BENCHES: dict[str, Callable[[Path], SinkBench]] = {
    "database": DatabaseBench,
    "database on PostgreSQL": PostgresBench,
    "elasticsearch": ScriptedElasticsearchBench,
    "elasticsearch for real": ElasticsearchBench,
    "opensearch": OpenSearchBench,
    "webhook": WebhookBench,
    "otlp": OtlpBench,
    "clickhouse": ClickHouseBench,
    "kafka": KafkaBench,
    "file": FileBench,
    "file of a few": SmallFileBench,
    "file of Parquet": ParquetFileBench,
    "s3": S3Bench,
    "stdout": StdoutBench,
}
"""Every sink whose contract is held here."""

LARGEST_BODY = 480_000
"""Two of them and the rest are what ``max.message.bytes`` of 1 MiB allows."""


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """What a bench's fixture asks for by name, where collection cannot see it."""
    needed = {
        "kafka": pytest.mark.kafka,
        "database on PostgreSQL": pytest.mark.postgres,
        "elasticsearch for real": pytest.mark.elasticsearch,
        "opensearch": pytest.mark.opensearch,
    }
    return [needed[name]] if name in needed else []


@pytest.fixture(scope="module")
def postgres_home(postgres_server: Postgres) -> Iterator[str]:
    """The url of one database for all tests here: to make one takes longer than most of them."""
    name = f"c{secrets.token_hex(5)}"
    with ThreadPoolExecutor(1) as beside:  # a loop runs here already
        beside.submit(asyncio.run, administer(postgres_server.url, f"CREATE DATABASE {name}")).result()
        yield postgres_server.database_url(name)
        beside.submit(asyncio.run, administer(postgres_server.url, f"DROP DATABASE {name} WITH (FORCE)")).result()


@pytest.fixture(scope="module")
def elasticsearch_home(elasticsearch_server: Elasticsearch) -> Iterator[Elasticsearch]:
    """Without the indices at the end."""
    yield elasticsearch_server
    ElasticsearchBench.clean(elasticsearch_server.url)


@pytest.fixture(scope="module")
def opensearch_home(opensearch_server: OpenSearch) -> Iterator[OpenSearch]:
    """Without the indices at the end."""
    yield opensearch_server
    OpenSearchBench.clean(opensearch_server.url)


@pytest.fixture(params=[pytest.param(name, marks=marks_of(name)) for name in sorted(BENCHES)])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SinkBench]:
    """Each sink's place in turn."""
    made = BENCHES[request.param](tmp_path)
    if made.fixture:
        made.server = request.getfixturevalue(made.fixture)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def sink(bench: SinkBench) -> AsyncIterator[Sink[Any]]:
    """A sink that has started."""
    made = bench.make()
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def log() -> LogPart:
    """Where the events come from."""
    return LogPart()


async def write(sink: Sink[Any], frame: Frame) -> Verdict:
    """What becomes of a whole frame."""
    prepared = sink.prepare(frame)
    assert not prepared.poison
    return await sink.write(prepared.documents)


async def write_until_settled(sink: Sink[Any], frame: Frame) -> set[int]:
    """As the pipeline does: what is named is written again. Returns what is poison."""
    documents, pending = sink.prepare(frame).documents, list(range(len(frame.delivery)))
    poison: set[int] = set()
    async with asyncio.timeout(60):
        while pending:
            verdict = await sink.write([documents[at] for at in pending])
            poison.update(pending[at] for at in verdict.poison)
            pending = [pending[at] for at in verdict.retry]
            await asyncio.sleep(0.01)
    return poison


async def lies_there(bench: SinkBench, sink: Sink[Any], expected: Counter[str]) -> None:
    """Exactly these lie there; at least once each where the sink promises no more."""
    await bench.finish(sink)
    found = await bench.ids()
    assert (found if bench.is_exact else Counter(set(found))) == expected


async def test_a_start_may_be_repeated(bench: SinkBench, sink: Sink[Any], log: LogPart) -> None:
    """A service that begins anew starts its sink again: nothing that is there suffers."""
    frame = log.frame()
    assert await write(sink, frame) == Verdict()
    await sink.start()
    await sink.check()
    other = bench.make()
    await other.start()
    await other.close()
    await lies_there(bench, sink, ids_of(frame))


async def test_a_start_waits_for_what_is_away(bench: SinkBench, log: LogPart) -> None:
    """An absent place is said by ``Retryable`` or ``Halt``, by ``start`` and ``check``; the next start finds it."""
    if not bench.waits_for_its_place:
        pytest.skip("its place is always there")
    await bench.go_away()
    sink = bench.make()
    for ask in (sink.start, sink.check, sink.start):
        with pytest.raises((Retryable, Halt)):
            await ask()
    await bench.come_back()
    await sink.start()
    await sink.check()
    frame = log.frame()
    assert await write(sink, frame) == Verdict()
    await lies_there(bench, sink, ids_of(frame))
    await sink.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_document_for_each_row(sink: Sink[Any], log: LogPart, kind: Kind) -> None:
    """Positions of documents are positions of rows, for one row and for many."""
    for count in (1, 2, 137):
        prepared = sink.prepare(log.frame(kind, count))
        assert len(prepared.documents) == count
        assert not prepared.poison


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_not_named_is_durable(bench: SinkBench, log: LogPart, kind: Kind) -> None:
    """It is there when ``write`` has returned: no close, no further write is needed, and a restart keeps it."""
    sink = bench.make()
    await sink.start()
    frame = log.frame(kind, 20)
    assert await write(sink, frame) == Verdict()
    after = bench.make()  # the first one is gone without a word, as after a kill
    await after.start()
    further = log.frame(kind, 5)
    assert await write(after, further) == Verdict()
    await lies_there(bench, after, ids_of(frame) + ids_of(further))
    await after.close()
    await sink.close()


async def test_every_kind_at_once(bench: SinkBench, sink: Sink[Any], log: LogPart) -> None:
    """Frames of all kinds, written by several tasks, do not get into each other's way."""
    frames = [log.frame(kind, 15) for kind in KINDS for _ in range(2)]
    async with asyncio.TaskGroup() as tasks:
        writes = [tasks.create_task(write_until_settled(sink, frame)) for frame in frames]
    assert [task.result() for task in writes] == [set()] * len(frames)
    await lies_there(bench, sink, sum(map(ids_of, frames), Counter()))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_second_write_does_what_the_readme_says(
    bench: SinkBench, sink: Sink[Any], log: LogPart, kind: Kind
) -> None:
    """Exact sinks: nothing changes, and each is counted as a duplicate, also by a sink that has only started."""
    frame = log.frame(kind, 9)
    assert await write(sink, frame) == Verdict()
    again = await write(sink, log.redelivered(frame))
    assert again == Verdict(duplicates=9 if bench.is_exact else 0)
    await bench.finish(sink)
    await sink.close()
    restarted = bench.make()
    await restarted.start()
    assert await write(restarted, log.redelivered(frame)) == again
    await lies_there(bench, restarted, ids_of(frame))
    await restarted.close()


async def test_old_and_new_in_one_write(bench: SinkBench, sink: Sink[Any], log: LogPart) -> None:
    """What came before and what is new are told apart one by one."""
    first = log.frame(count=4)
    assert await write(sink, first) == Verdict()
    log.assign()
    second = log.frame(count=3)
    both = log.deliver([*first.delivery.records, *second.delivery.records], "analytics")
    assert await write(sink, both) == Verdict(duplicates=4 if bench.is_exact else 0)
    await lies_there(bench, sink, ids_of(both))


async def test_a_write_that_fails_in_part_names_exactly_that(bench: SinkBench, sink: Sink[Any], log: LogPart) -> None:
    """What the place refuses is named, by position and with a reason; all others are durable."""
    if not bench.refuses_single_ones:
        pytest.skip("it takes all or nothing")
    await write(sink, log.frame(count=2))
    frame = log.frame(count=7)
    refused = await bench.refuse(frame, 3)
    verdict = await write(sink, frame)
    assert verdict.poison.keys() | set(verdict.retry) == refused
    assert (verdict.cause is not None) == bool(verdict.retry)
    await bench.finish(sink)
    found = await bench.ids()
    ids = frame.rows["event_id"].to_list()
    assert {at for at, event_id in enumerate(ids) if event_id not in found} == refused


async def test_a_place_that_goes_away_is_waited_for(bench: SinkBench, sink: Sink[Any], log: LogPart) -> None:
    """``write`` does not raise: it names everything with the cause; nothing is lost by it."""
    if not bench.waits_for_its_place:
        pytest.skip("its place is always there")
    before, during, after = log.frame(count=3), log.frame(count=4), log.frame(count=2)
    assert await write(sink, before) == Verdict()
    await bench.finish(sink)
    await bench.go_away_in_use()
    verdict = await write(sink, during)
    assert sorted(verdict.retry) == [0, 1, 2, 3]
    assert isinstance(verdict.cause, Retryable | Halt)
    assert not verdict.poison
    if bench.check_sees_it_go:
        with pytest.raises((Retryable, Halt)):
            await sink.check()
    await bench.come_back_in_use()
    await sink.check()
    assert await write_until_settled(sink, during) == set()
    assert await write_until_settled(sink, after) == set()
    await lies_there(bench, sink, ids_of(before) + ids_of(during) + ids_of(after))


async def test_a_check_changes_nothing(bench: SinkBench, sink: Sink[Any]) -> None:
    """It is asked every few seconds."""
    for _ in range(3):
        await sink.check()
    await lies_there(bench, sink, Counter())


async def test_a_close_may_be_repeated_and_may_come_first(bench: SinkBench) -> None:
    """A service that is stopped before its sink was there closes it all the same."""
    never_started = bench.make()
    await never_started.close()
    await never_started.close()
    sink = bench.make()
    await sink.start()
    await sink.close()
    await sink.close()


HARD: dict[str, tuple[Kind, dict[str, Any]]] = {
    "NUL": ("proxy_log", {"request_id": "a\0b", "labels": ["k:\0"], "request_body": b"\0" * 10}),
    "a body of lone surrogates": ("proxy_log", {"request_body": b"\xed\xa0\x80 \xed\xbf\xbf", "path": "/"}),
    "every byte": ("proxy_log", {"response_body": bytes(range(256)) * 3}),
    "beyond the basic plane": ("analytics", {"request_id": "😀\U0010ffff\u2028\u2029\ufeff", "vendor": "ünïcødé"}),
    "quotes, commas, line ends": ("analytics", {"model_name": 'a,"b"\r\nc;\t\\', "vendor": "'\n\n", "currency": '"'}),
    "what a spreadsheet would run": ("budget", {"request_id": "=1+1", "vendor": "@x", "model_name": "-2"}),
    "the largest numbers": ("budget", {"cost_nanos": 2**63 - 1, "tokens_used": 2**63 - 1, "prompt_tokens": 2**53 + 1}),
    "the smallest numbers": ("budget", {"cost_nanos": -(2**63), "tokens_used": 0, "requests_count": 0}),
    "nulls": (
        "analytics",
        {"model_name": None, "prompt_tokens": None, "total_tokens": None, "cost_nanos": None, "llm_id": None,
         "app_id": None, "raw_usage": None},
    ),
    "null bodies": ("proxy_log", {"request_body": None, "response_body": None, "response_code": None}),
    "empty": ("proxy_log", {"request_body": b"", "labels": [], "plugins": [], "request_id": "", "llm_slug": ""}),
    "empty lists": ("budget", {"charges": [], "labels": []}),
    "the largest bodies": ("proxy_log", {"request_body": b"\x01" * LARGEST_BODY, "response_body": b"x" * LARGEST_BODY}),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's, above 1 MiB
@pytest.mark.parametrize("name", HARD)
async def test_what_is_hard_to_write_is_written_or_named(
    bench: SinkBench, sink: Sink[Any], log: LogPart, name: str
) -> None:
    """Such an event is durable, or poison; those around it are durable, and nothing is ever lost in silence."""
    kind, changes = HARD[name]
    records = [log.frame(kind, 1, **each).delivery.records[0] for each in ({}, changes, {})]
    log.assign()
    frame = log.deliver(records, kind)
    poison = await write_until_settled(sink, frame)
    assert poison <= {1}
    ids = frame.rows["event_id"].to_list()
    await lies_there(bench, sink, Counter(event_id for at, event_id in enumerate(ids) if at not in poison))


@pytest.mark.parametrize("occurred_at", [-62_135_596_800_000_000, 0, 253_402_300_799_999_999, NOW_MICROS + 1])
async def test_any_time_is_written_or_named(bench: SinkBench, sink: Sink[Any], log: LogPart, occurred_at: int) -> None:
    """The years 1 to 9999; a sink with a range of its own names what lies outside."""
    frame = log.frame(count=2, occurred_at=occurred_at, completed_at=occurred_at)
    poison = await write_until_settled(sink, frame)
    ids = frame.rows["event_id"].to_list()
    await lies_there(bench, sink, Counter(event_id for at, event_id in enumerate(ids) if at not in poison))


async def test_writes_at_once_of_one_partition(bench: SinkBench, sink: Sink[Any], log: LogPart) -> None:
    """Several batches of a partition are on their way at once and end in any order: each event is there once."""
    frame = log.frame(count=240)
    parts = [frame.slice(at, at + 20) for at in range(0, 240, 20)]
    async with asyncio.TaskGroup() as tasks:
        writes = [tasks.create_task(write_until_settled(sink, part)) for part in reversed(parts)]
    assert all(task.result() == set() for task in writes)
    await lies_there(bench, sink, ids_of(frame))


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20, 100])
async def test_a_cancelled_write_loses_nothing(bench: SinkBench, sink: Sink[Any], log: LogPart, turns: int) -> None:
    """Cancelled at any moment: what was acknowledged stays, and what was not is written by the next attempt."""
    before, frame = log.frame(count=5), log.frame(count=50)
    assert await write(sink, before) == Verdict()
    task = asyncio.get_running_loop().create_task(write(sink, frame))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    behind = log.frame(count=5)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write_until_settled(sink, frame))
        tasks.create_task(write_until_settled(sink, behind))
    await lies_there(bench, sink, ids_of(before) + ids_of(frame) + ids_of(behind))


async def test_a_close_during_a_write_loses_nothing(bench: SinkBench, sink: Sink[Any], log: LogPart) -> None:
    """Whatever the write then says: what it does not name is there."""
    frame = log.frame(count=40)
    documents = sink.prepare(frame).documents
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(sink.write(documents))
        await asyncio.sleep(0)
        await sink.close()
    verdict = writing.result()
    named = verdict.poison.keys() | set(verdict.retry)
    after = bench.make()
    await after.start()
    await bench.finish(after)

    async def is_there() -> bool:
        found = await bench.ids()
        return all(event_id in found for at, event_id in enumerate(frame.rows["event_id"]) if at not in named)

    await within(is_there)
    await after.close()
