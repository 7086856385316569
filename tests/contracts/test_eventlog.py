"""What every event log promises: in memory, as journals, and as Kafka behind them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from schemas.codec import EncodedEvent, SchemaBook, published_schemas, split_frame
from schemas.events import KINDS
from sluice.clock import now_micros
from sluice.eventlog.interface import CommitFailedError, EventLogError, Partition, Record
from tests.contracts.eventlog_laws import (
    ROOM_EXCHANGES,
    SECONDS,
    Bench,
    Listener,
    Polled,
    add,
    exchanges,
    flat,
    ids,
    is_told_of_loss,
    next_offsets,
    numbers_of,
    on_every_log,
    poll_until,
    share,
    total_lag,
)
from tests.sluice.eventlog.journal.making import BOOK, exchange, ids_of

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HOUR_MS = 3_600_000


@on_every_log(secured="a registry's id is the frame, and it all goes through TLS")
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
        assert record.value == bench.stored(record.topic, event.value(BOOK.decode(record.value)[1]["sequence"]))
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
        for numbers in numbers_of(records).values():
            assert numbers == sorted(set(numbers))


@on_every_log()
async def test_sequences_begin_at_one_and_have_no_gap(bench: Bench) -> None:
    """Of each kind of one boot, whatever is committed at the same time, and whichever kinds an exchange has."""
    sent = exchanges(6)
    sent[2], sent[4] = sent[2][:1], sent[4][1:]
    await asyncio.gather(*(bench.log.commit(events) for events in sent))
    records = flat(await poll_until(await bench.started(), 15))
    assert [sorted(numbers_of(records)[kind]) for kind in KINDS] == [[1, 2, 3, 4, 5]] * 3


@on_every_log()
async def test_an_exchange_is_in_the_log_whole_or_not_at_all(bench: Bench) -> None:
    """A commit that fails leaves no event and takes no sequence number; it fails alone, and the next one goes on."""
    good, bad, after = exchanges(3)
    await bench.commit([good])
    bench.break_writes(broken=True)
    with pytest.raises(CommitFailedError):
        await bench.log.commit(bad)
    bench.break_writes(broken=False)
    bad[2] = EncodedEvent("budget", "\ud800", 0, b"")
    ends = await asyncio.gather(bench.log.commit(bad), bench.log.commit(after), return_exceptions=True)
    assert [type(end) for end in ends] == [CommitFailedError, type(None)]
    source = await bench.started()
    records = flat(await poll_until(source, 6))
    assert sorted(ids(records)) == sorted(ids_of([good, after]))
    assert all(sorted(numbers) == [1, 2] for numbers in numbers_of(records).values())
    assert await bench.nothing_comes(source)


@on_every_log()
async def test_events_of_all_workers_come(bench: Bench) -> None:
    """Each counts for itself."""
    first, second = exchanges(2), exchanges(3)
    await bench.commit(first, "w0")
    await bench.commit(second, "w1")
    records = flat(await poll_until(await bench.started(), 15))
    assert sorted(ids(records)) == sorted(ids_of(first + second))
    assert sorted(numbers_of(records)["budget"]) == [1, 1, 2, 2, 3]


@on_every_log(secured="marks of transactions are no lag in the end")
async def test_only_the_topics_asked_for_come(bench: Bench) -> None:
    """Others are passed over, and are no lag once what was asked for is committed."""
    await bench.commit(exchanges(4))
    source = await bench.started(topics=[bench.topics.event("budget").name])
    found = await poll_until(source, 4)
    assert {record.topic for record in flat(found)} == {bench.topics.event("budget").name}
    assert await bench.nothing_comes(source)
    assert await source.commit(next_offsets(found))
    assert await total_lag(source) == 0


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
    assert await bench.nothing_comes(source)
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


@on_every_log(secured="what is committed may be the offset of a mark")
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
    assert await bench.nothing_comes(again)
    assert len(flat(await poll_until(await bench.started("other"), 18))) == 18


@on_every_log()
async def test_what_was_not_committed_comes_again(bench: Bench) -> None:
    """To the next source of the group, with the same offsets; polling and closing commit nothing."""
    await bench.commit(exchanges(3))
    source = await bench.started()
    found = await poll_until(source, 9)
    await source.close()
    again = await poll_until(await bench.started(), 9)
    assert {at: ids(records) for at, records in again.items()} == {at: ids(records) for at, records in found.items()}
    assert next_offsets(again) == next_offsets(found)


@on_every_log()
async def test_the_last_commit_counts_also_where_it_is_lower(bench: Bench) -> None:
    """It does not move the source that commits; the next one begins there."""
    await bench.commit(exchanges(4))
    source = await bench.started()
    found = await poll_until(source, 12)
    assert await source.commit(next_offsets(found))
    assert await source.commit({partition: records[0].offset for partition, records in found.items()})
    assert await total_lag(source) == 12
    assert await bench.nothing_comes(source)
    await source.close()
    again = await bench.started()
    assert len(flat(await poll_until(again, 12))) == 12
    assert await bench.nothing_comes(again)


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
    assert await bench.nothing_comes(source)
    sent += exchanges(1)
    await bench.commit(sent[-1:])
    assert await bench.nothing_comes(source)
    source.resume(everything)
    add(found, await poll_until(source, 15 - len(flat(found))))
    assert sorted(ids(flat(found))) == sorted(ids_of(sent))


@on_every_log()
async def test_a_paused_partition_holds_no_other_up(bench: Bench) -> None:
    """The others are polled meanwhile."""
    await bench.commit(exchanges(3), "w0")
    await bench.commit(exchanges(3), "w1")
    source = await bench.started()
    found = await poll_until(source, 18)
    assert await source.commit(next_offsets(found))
    paused = max(found, key=lambda partition: len(found[partition]))
    source.pause([paused])
    await bench.commit(exchanges(6), "w0")
    await bench.commit(exchanges(6), "w1")
    waiting = (await source.lag())[paused].records
    more = await poll_until(source, 36 - waiting)
    assert await bench.nothing_comes(source)
    assert paused not in more
    source.resume([paused])
    assert len(flat(await poll_until(source, waiting))) == waiting


@on_every_log(secured="marks of transactions count until they are polled")
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
    assert 3 <= await total_lag(source) <= 3 + 3 * bench.max_marks


@on_every_log()
async def test_a_lost_offset_is_told(bench: Bench) -> None:
    """What was deleted before a group had read it is an error of each poll, or an alert; never a jump in silence."""
    await bench.commit(exchanges(10))
    source = await bench.started()
    found = await poll_until(source, 30)
    partition = max(found, key=lambda name: len(found[name]))
    assert await source.commit({partition: found[partition][0].offset + 1})
    await source.close()
    await bench.lose_before(partition, found[partition][3].offset)
    assert await is_told_of_loss(bench, await bench.started())


@on_every_log(secured="marks make gaps, and a gap is no loss")
async def test_what_is_lost_under_a_running_source_is_told(bench: Bench) -> None:
    """As above, for a source that is behind while it runs, and has not fetched them."""
    await bench.commit(exchanges(2))
    source = await bench.started()
    await poll_until(source, 6)
    ours = list(await source.lag())
    source.pause(ours)
    assert await bench.nothing_comes(source)  # nor is anything being fetched now
    await bench.commit(exchanges(10))
    other = await bench.started("other")
    found = await poll_until(other, 36)
    partition = max(found, key=lambda name: len(found[name]))
    assert await other.commit(next_offsets(found))
    await bench.lose_before(partition, found[partition][-1].offset)
    source.resume(ours)
    assert await is_told_of_loss(bench, source)


@on_every_log(secured="a log may begin with a mark")
async def test_what_was_committed_may_be_deleted(bench: Bench) -> None:
    """Deletion of what the group has read is no loss: it goes on without an error."""
    await bench.commit(exchanges(5))
    source = await bench.started()
    found = await poll_until(source, 15)
    assert await source.commit(next_offsets(found))
    await source.close()
    for partition, records in found.items():
        await bench.lose_before(partition, records[-1].offset + 1)
    again = await bench.started()
    assert await total_lag(again) <= len(found) * bench.max_marks
    sent = exchanges(2)
    await bench.commit(sent)
    assert sorted(ids(flat(await poll_until(again, 6)))) == sorted(ids_of(sent))


@on_every_log()
async def test_room_is_bounded_and_given_back(bench: Bench) -> None:
    """``reserve`` says no when all is set aside, and as often yes again once all is released; refusals end first."""
    log = bench.log

    def fill() -> tuple[int, int]:
        taken, with_refusals = 0, 0
        while log.reserve():
            taken += 1
            with_refusals += log.has_room_for_refusals()
            assert taken <= ROOM_EXCHANGES
        assert not log.has_room_for_refusals()
        return taken, with_refusals

    assert log.has_room_for_refusals()
    taken, with_refusals = fill()
    assert taken > ROOM_EXCHANGES * 0.9
    assert 0.7 * taken < with_refusals < 0.85 * taken
    log.release()
    assert log.reserve()
    assert not log.reserve()
    for _ in range(taken):
        log.release()
    assert fill() == (taken, with_refusals)


@on_every_log()
async def test_a_failed_commit_keeps_no_room(bench: Bench) -> None:
    """Who reserved releases, whatever became of the commit: then there is as much room as before."""
    log = bench.log
    bench.break_writes(broken=True)
    for _ in range(2 * ROOM_EXCHANGES):
        assert log.reserve()
        with pytest.raises(CommitFailedError):
            await log.commit(exchange())
        log.release()
    assert log.reserve()
    log.release()


@on_every_log(secured="they have no registry's frame, and no transaction")
async def test_side_records_are_polled_as_they_were_published(bench: Bench) -> None:
    """Key, value and headers, a tombstone and empty ones too, in order; there as soon as ``publish`` returns."""
    topic = bench.topics.event("analytics").dead_letters().name
    key = b"same key, same partition"
    records = [
        Record(topic, key, b"value", (("dlq.reason", b"x"), ("dlq.reason", b""), ("unicode \u00e9", b"\x00\xff"))),
        Record(topic, key, None, (("why", b"gone"),)),
        Record(topic, key, b"", ()),
        Record(topic, b"", b"empty key"),
        Record(topic, b"\x00\xff", None),
    ]
    publisher = bench.publisher()
    await publisher.publish(records)
    source = await bench.started(topics=[topic])
    found = flat(await poll_until(source, len(records)))
    polled = [(at.topic, at.key, at.value, tuple((name, raw) for name, raw in at.headers)) for at in found]
    assert sorted(polled, key=repr) == sorted(map(tuple, records), key=repr)
    assert [record for record in polled if record[1] == key] == records[:3]
    await publisher.publish([])
    assert await bench.nothing_comes(source)


@on_every_log()
async def test_what_cannot_be_published_is_an_error_of_the_log(bench: Bench) -> None:
    """A name that is no text, a value that is no bytes: EventLogError, as callers expect, and the next one goes on."""
    topic, publisher = bench.topics.alert.name, bench.publisher()
    for bad in (Record(topic, b"k", b"v", (("\ud800", b""),)), Record(topic, b"k", 7)):  # type: ignore[arg-type]
        with pytest.raises(EventLogError):
            await publisher.publish([bad])
        await publisher.publish([Record(topic, b"k", b"v")])
    assert [record.value for record in flat(await poll_until(await bench.started(topics=[topic]), 2))] == [b"v", b"v"]


@on_every_log(secured="the registry has them")
async def test_schemas_are_those_of_the_writers(bench: Bench) -> None:
    """Whoever polls an event can read its schema, without asking twice."""
    await bench.commit(exchanges(1))
    source = await bench.started()
    assert set(await source.read_schemas()) == {text for _, text in published_schemas()}
    (record, *_) = flat(await poll_until(source, 3))
    book = SchemaBook()
    learned = {book.learn(text) for text in await source.read_schemas()}
    key = split_frame(record.value)
    assert key in (book if bench.frames else learned)  # no fresh book knows a registry's id, and each our fingerprints


@on_every_log(secured="groups have ACLs")
async def test_no_two_sources_of_a_group_have_the_same_partition(bench: Bench) -> None:
    """A second one is refused, or gets its share when the first has given it up; it gets all when the first leaves."""
    for _ in range(2):  # so that some lie in every partition
        await bench.commit(exchanges(3))
    told: list[tuple[str, str, Partition]] = []
    first, second = bench.source(), bench.source()
    listeners = Listener("first", told), Listener("second", told)
    await first.start(listeners[0])
    found = await poll_until(first, 18)
    if bench.shares_groups:
        await share(first, second, listeners, found)
        assert await bench.no_lag(first, second)
        await first.close()
    else:
        with pytest.raises(EventLogError, match="another"):
            await second.start(listeners[1])
        assert await first.commit(next_offsets(found))
        await first.close()
        await second.start(listeners[1])
    async with asyncio.timeout(SECONDS):
        while not set(found) <= listeners[1].ours:
            assert await second.poll(0.1, 100) == {}
    sent = exchanges(2)
    await bench.commit(sent)
    assert sorted(ids(flat(await poll_until(second, 6)))) == sorted(ids_of(sent))


@on_every_log()
async def test_a_listener_that_raises_does_not_end_the_group(bench: Bench) -> None:
    """What it raises is its own to count: records go on coming."""

    class Broken(Listener):
        async def on_assigned(self, partitions: object) -> None:
            raise ValueError("broken")

    await bench.commit(exchanges(1))
    source = bench.source()
    await source.start(Broken())
    await poll_until(source, 3)


@on_every_log()
async def test_no_partition_waits_for_ever(bench: Bench) -> None:
    """Where one always has more than is asked for, the others come too."""
    await bench.commit(exchanges(3), "w0")
    sent = exchanges(1)
    await bench.commit(sent, "w1")
    source = await bench.started()
    found: Polled = {}
    for _ in range(60):  # polls: each gives one partition at least its turn, and there are some dozens
        await bench.commit(exchanges(1), "w0")
        add(found, await source.poll(0.5, 3))
        if set(ids_of(sent)) <= set(ids(flat(found))):
            return
    pytest.fail("some partition waited for ever")


@on_every_log(secured="TLS connections close otherwise")
async def test_close_is_idempotent_and_leaves_nothing_running(bench: Bench) -> None:
    """No task, no thread, no open file; the group can be had by another at once, and nobody is told."""
    for closing in (bench.source().close, bench.publisher().close):  # what never started
        await closing()
    await bench.commit(exchanges(1))
    folder = Path("/dev/fd")

    def running() -> tuple[int, int, int]:
        threads = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
        return len(asyncio.all_tasks()), len(threads), len(list(folder.iterdir()))

    before = running()
    source, publisher, listener = bench.source(), bench.publisher(), Listener()
    await source.start(listener)
    await poll_until(source, 3)
    source.pause(await source.lag())
    await source.read_schemas()
    await publisher.publish([Record(bench.topics.alert.name, b"k", b"{}")])
    for closing in (source.close, publisher.close, source.close, publisher.close, bench.log.close, bench.log.close):
        await closing()
    assert {what for _, what, _ in listener.told} == {"assigned"}
    assert await source.lag() == {}
    async with asyncio.timeout(SECONDS / 2):
        while running() != before:  # noqa: ASYNC110 - sockets close with the next turns of the loop
            await asyncio.sleep(0.01)
    assert len(flat(await poll_until(await bench.started(), 3))) == 3
