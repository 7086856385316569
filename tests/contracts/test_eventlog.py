"""What every event log promises: in memory, as journals, and as Kafka behind them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from schemas.codec import EncodedEvent, SchemaBook, published_schemas
from schemas.events import Kind
from sluice.clock import now_micros
from sluice.eventlog.interface import (
    CommitFailedError,
    EventLogError,
    OffsetLostError,
    Partition,
    PolledRecord,
    Record,
    Source,
)
from tests.contracts.eventlog_laws import (
    ROOM_EXCHANGES,
    SECONDS,
    Bench,
    Listener,
    Polled,
    add,
    flat,
    ids,
    next_offsets,
    on_every_log,
    poll_until,
)
from tests.sluice.eventlog.journal.making import exchange, ids_of

BOOK = SchemaBook()
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HOUR_MS = 3_600_000


def exchanges(count: int) -> list[list[EncodedEvent]]:
    """So many, of three events each."""
    return [exchange() for _ in range(count)]


def numbers_of(records: Sequence[PolledRecord]) -> dict[Kind, list[int]]:
    """The sequence numbers of each kind, rising."""
    found: dict[Kind, list[int]] = {}
    for record in records:
        assert record.value is not None
        kind, event = BOOK.decode(record.value)
        found.setdefault(kind, []).append(event["sequence"])
    return {kind: sorted(numbers) for kind, numbers in found.items()}


async def nothing_comes(source: Source) -> bool:
    """Whether a poll that waits a little finds nothing."""
    return not await source.poll(0.3, 1000)


async def total_lag(source: Source) -> int:
    """Over all partitions that are ours."""
    return sum(lag.records for lag in (await source.lag()).values())


# what is committed and what is polled


@on_every_log()
async def test_events_are_polled_as_they_were_encoded(bench: Bench) -> None:
    """Topic, key, value and headers are those of the event; the append time is in milliseconds."""
    sent = [*exchanges(3), exchange(TRACEPARENT)]
    await bench.commit(sent)
    events = {event.event_id: event for one in sent for event in one}
    records = flat(await poll_until(await bench.started(), 12))
    assert sorted(ids(records)) == sorted(events)
    for record in records:
        headers = dict(record.headers)
        event = events[headers["ce_id"].decode()]
        assert record.value is not None
        assert record.value == event.value(BOOK.decode(record.value)[1]["sequence"])
        assert (record.topic, record.key) == (bench.topics.event(event.kind).name, event.exchange_id.encode())
        assert headers.get("traceparent", b"").decode() == event.traceparent
        assert abs(record.timestamp - now_micros() // 1000) < HOUR_MS


@on_every_log()
async def test_a_partition_keeps_the_order_in_which_one_worker_committed(bench: Bench) -> None:
    """Of each kind in each partition the sequence numbers rise, and offsets rise by at least one."""
    await bench.commit(exchanges(10))
    for records in (await poll_until(await bench.started(), 30)).values():
        offsets = [record.offset for record in records]
        assert offsets == sorted(set(offsets))
        for topic in bench.events:
            own = [record for record in records if record.topic == topic]
            numbers = [BOOK.decode(record.value or b"")[1]["sequence"] for record in own]
            assert numbers == sorted(set(numbers))


@on_every_log()
async def test_sequences_begin_at_one_and_have_no_gap(bench: Bench) -> None:
    """Of each kind of one boot, whatever is committed at the same time, and whichever kinds an exchange has."""
    sent = exchanges(6)
    sent[2], sent[4] = sent[2][:1], sent[4][1:]
    await asyncio.gather(*(bench.log.commit(events) for events in sent))
    records = flat(await poll_until(await bench.started(), 15))
    assert numbers_of(records) == {
        "proxy_log": list(range(1, 6)),
        "analytics": list(range(1, 6)),
        "budget": list(range(1, 6)),
    }


@on_every_log()
async def test_an_exchange_is_in_the_log_whole_or_not_at_all(bench: Bench) -> None:
    """A commit that fails leaves no event and takes no sequence number; the next one goes on."""
    good, bad, after = exchanges(3)
    await bench.commit([good])
    bench.break_writes(broken=True)
    with pytest.raises(CommitFailedError):
        await bench.log.commit(bad)
    bench.break_writes(broken=False)
    await bench.commit([after])
    source = await bench.started()
    records = flat(await poll_until(source, 6))
    assert sorted(ids(records)) == sorted(ids_of([good, after]))
    assert numbers_of(records) == dict.fromkeys(("proxy_log", "analytics", "budget"), [1, 2])
    assert await nothing_comes(source)


@on_every_log()
async def test_events_of_all_workers_come(bench: Bench) -> None:
    """Each counts for itself."""
    first, second = exchanges(2), exchanges(3)
    await bench.commit(first, "w0")
    await bench.commit(second, "w1")
    records = flat(await poll_until(await bench.started(), 15))
    assert sorted(ids(records)) == sorted(ids_of(first + second))
    assert numbers_of(records)["budget"] == [1, 1, 2, 2, 3]


@on_every_log()
async def test_only_the_topics_asked_for_come(bench: Bench) -> None:
    """Others are passed over, and are no lag once what was asked for is committed."""
    await bench.commit(exchanges(4))
    source = await bench.started(topics=[bench.topics.event("budget").name])
    found = await poll_until(source, 4)
    assert {record.topic for record in flat(found)} == {bench.topics.event("budget").name}
    assert await nothing_comes(source)
    assert await source.commit(next_offsets(found))
    assert await total_lag(source) == 0


# once, again, and where to go on


@on_every_log()
async def test_nothing_is_polled_twice_by_one_source(bench: Bench) -> None:
    """Whatever the size of its steps: all of it comes, and each poll gives at most what was asked for."""
    sent = exchanges(6)
    await bench.commit(sent)
    source = await bench.started()
    found: Polled = {}
    most = 0
    async with asyncio.timeout(SECONDS):
        while len(flat(found)) < 18:
            more = await source.poll(0.5, 4)
            most = max(most, sum(map(len, more.values())))
            add(found, more)
    assert await nothing_comes(source)
    assert sorted(ids(flat(found))) == sorted(ids_of(sent))
    assert most <= (6 if bench.keeps_whole_entries else 4)


@on_every_log()
async def test_a_poll_ends_with_its_timeout_or_with_what_comes(bench: Bench) -> None:
    """An empty log makes it wait for as long as it may; a record ends the wait."""
    await bench.commit(exchanges(1))
    source = await bench.started()
    await poll_until(source, 3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await source.poll(0.2, 10) == {}
    assert 0.19 <= loop.time() - began < SECONDS / 2
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(source.poll(SECONDS, 10))
        await bench.commit(exchanges(1))
    assert waiting.result()
    assert loop.time() - began < SECONDS / 2


@on_every_log()
async def test_a_group_goes_on_at_its_committed_next_offsets(bench: Bench) -> None:
    """A new source of the group gets what was not committed, and nothing of what was; another group gets all."""
    sent = exchanges(5)
    await bench.commit(sent)
    source = await bench.started()
    found = await poll_until(source, 15)
    halves = {partition: records[: len(records) // 2 + 1] for partition, records in found.items()}
    rest = [record for partition, records in found.items() for record in records[len(records) // 2 + 1 :]]
    assert await source.commit(next_offsets(halves))
    await source.close()
    more = exchanges(1)
    await bench.commit(more)
    expected = sorted(ids(rest) + ids_of(more))
    again = await bench.started()
    assert sorted(ids(flat(await poll_until(again, len(expected))))) == expected
    assert await nothing_comes(again)
    assert len(flat(await poll_until(await bench.started("other"), 18))) == 18


@on_every_log()
async def test_what_was_not_committed_comes_again(bench: Bench) -> None:
    """To the next source of the group, with the same offsets; polling and closing commit nothing."""
    await bench.commit(exchanges(3))
    source = await bench.started()
    found = await poll_until(source, 9)
    await source.close()
    again = await poll_until(await bench.started(), 9)
    assert {name: [record.offset for record in records] for name, records in again.items()} == {
        name: [record.offset for record in records] for name, records in found.items()
    }


@on_every_log()
async def test_the_last_commit_counts_also_where_it_is_lower(bench: Bench) -> None:
    """It does not move the source that commits; the next one begins there."""
    await bench.commit(exchanges(4))
    source = await bench.started()
    found = await poll_until(source, 12)
    assert await source.commit(next_offsets(found))
    assert await source.commit({partition: records[0].offset for partition, records in found.items()})
    assert await total_lag(source) == 12
    assert await nothing_comes(source)
    await source.close()
    again = await bench.started()
    assert len(flat(await poll_until(again, 12))) == 12
    assert await nothing_comes(again)


@on_every_log()
async def test_a_commit_of_what_is_not_ours_is_refused_whole(bench: Bench) -> None:
    """``False``, and the offsets beside it are not stored either; a commit of nothing is fine."""
    await bench.commit(exchanges(2))
    source = await bench.started()
    found = await poll_until(source, 6)
    foreign = {Partition("nobody's", 7): 1}
    assert not await source.commit(foreign)
    assert not await source.commit({**next_offsets(found), **foreign})
    assert await source.commit({})
    assert await total_lag(source) == 6
    await source.close()
    assert not await source.commit(next_offsets(found))
    assert len(flat(await poll_until(await bench.started(), 6))) == 6


# pauses and lag


@on_every_log()
async def test_paused_partitions_give_nothing_and_then_all(bench: Bench) -> None:
    """Also of what was fetched already; what is resumed goes on where it was."""
    sent = exchanges(4)
    await bench.commit(sent)
    source = await bench.started()
    found: Polled = {}
    async with asyncio.timeout(SECONDS):
        while not found:
            add(found, await source.poll(0.5, 1))
    everything = list(await source.lag())
    source.pause(everything)
    assert await nothing_comes(source)
    sent += exchanges(1)
    await bench.commit(sent[-1:])
    assert await nothing_comes(source)
    source.resume(everything)
    more = await poll_until(source, 15 - len(flat(found)))
    for partition, records in more.items():
        add(found, {partition: records})
    assert sorted(ids(flat(found))) == sorted(ids_of(sent))


@on_every_log()
async def test_a_paused_partition_holds_no_other_up(bench: Bench) -> None:
    """The others are polled meanwhile."""
    await bench.commit(exchanges(3), "w0")
    await bench.commit(exchanges(3), "w1")
    source = await bench.started()
    found = await poll_until(source, 18)
    paused, *others = found
    source.pause([paused])
    sent = [exchanges(6), exchanges(6)]
    await bench.commit(sent[0], "w0")
    await bench.commit(sent[1], "w1")
    more: Polled = {}
    async with asyncio.timeout(SECONDS):
        while not set(more) & set(others):
            add(more, await source.poll(0.5, 1000))
    assert paused not in more


@on_every_log()
async def test_lag_is_what_is_not_committed(bench: Bench) -> None:
    """Counted in records, whether polled or not; the oldest append time, where known, is that of one of them."""
    source = await bench.started()
    assert await total_lag(source) == 0
    before_ms = now_micros() // 1000 - HOUR_MS
    await bench.commit(exchanges(4))
    found = await poll_until(source, 12)
    assert await total_lag(source) == 12
    assert await source.commit({partition: records[0].offset + 1 for partition, records in found.items()})
    assert await total_lag(source) == 12 - len(found)
    for lag in (await source.lag()).values():
        assert lag.oldest_at_ms is None or before_ms < lag.oldest_at_ms < before_ms + 2 * HOUR_MS
    assert await source.commit(next_offsets(found))
    lags = await source.lag()
    assert {(lag.records, lag.oldest_at_ms) for lag in lags.values()} == {(0, None)}
    await bench.commit(exchanges(1))
    assert await total_lag(source) == 3
