"""The way of a batch, on a virtual clock: nothing lost, nothing acknowledged early, whatever fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.interface import Verdict
from schemas.avro_schema import event_schema, schema_fingerprint
from schemas.codec import MAGIC
from sluice.eventlog.interface import CommitFailedError, EventLogError, OffsetLostError, Partition, StoredRecord
from tests.collectors.events import event_id_of, make_record, partition_of, record_of
from tests.collectors.fakes import postponed, until
from tests.collectors.harness import Harness
from tests.collectors.virtual_time import virtual_time

FIRST, SECOND, THIRD = (partition_of(number=number) for number in range(3))


def fill(harness: Harness, count: int, *partitions: Partition) -> list[StoredRecord]:
    """``count`` good records in each partition."""
    filled = []
    for partition in partitions or (FIRST,):
        records = [make_record(sequence=number) for number in range(count)]
        harness.log.append(partition, records)
        filled += records
    return filled


@virtual_time
async def test_every_record_is_written_and_then_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was polled is in the sink once, and the committed offset is behind it."""
    harness = Harness(monkeypatch, batch={"max_records": 100})
    records = fill(harness, 250, FIRST, SECOND)
    async with harness.running():
        await until(lambda: harness.log.is_done)
    assert harness.sink.durable == {event_id_of(record): 1 for record in records}
    assert harness.records("delivered") == 500
    assert harness.source.closed
    assert harness.sink.closed


@virtual_time
async def test_batches_complete_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later batch that is done does not carry the offset over an earlier one that is not."""
    harness = Harness(monkeypatch, batch={"max_records": 10})
    fill(harness, 40)
    first = event_id_of(harness.log.partitions[FIRST][0])
    gate = asyncio.Event()

    async def hold_the_first(documents: Sequence[str]) -> Verdict:
        if first in documents:
            await gate.wait()
        return Verdict()

    harness.sink.script = hold_the_first
    async with harness.running():
        await until(lambda: len(harness.sink.durable) == 30)
        await asyncio.sleep(5)
        assert harness.log.committed.get(FIRST, 0) == 0
        gate.set()
        await until(lambda: harness.log.is_done)


@pytest.mark.parametrize("seed", range(4))
@virtual_time
async def test_random_failures_lose_nothing(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With a sink, a log and a group that fail half of the time, all records arrive and none is acknowledged early."""
    draw = random.Random(seed)
    harness = Harness(monkeypatch, batch={"max_records": 20, "max_age_seconds": 0.2})
    records = fill(harness, 300, FIRST, SECOND, THIRD)
    bad = {event_id_of(record) for record in draw.sample(records, 15)}

    async def fail_at_random(documents: Sequence[str]) -> Verdict:
        await asyncio.sleep(draw.random())
        if draw.random() < 0.2:
            return postponed(len(documents), Retryable("503", throttled=draw.random() < 0.5))
        verdict = Verdict(poison={at: Unprocessable("bad") for at, name in enumerate(documents) if name in bad})
        lost = [at for at in range(len(documents)) if at not in verdict.poison and draw.random() < 0.2]
        if lost:
            verdict.postpone(lost, Retryable("429", throttled=True))
        return verdict

    harness.sink.script = fail_at_random
    async with harness.running():
        source = harness.source
        source.poll_errors.extend(EventLogError("away") for _ in range(3))
        harness.log.publish_errors.extend(CommitFailedError("down") for _ in range(3))
        answers: list[bool | Exception | float] = [True, False, EventLogError("no")]
        source.commit_results.extend(draw.choices(answers, k=10))
        for _ in range(4):
            await asyncio.sleep(draw.random() * 3)
            mine = draw.sample([FIRST, SECOND, THIRD], 2)
            await source.revoke(mine)
            await asyncio.sleep(draw.random())
            await source.assign(mine)
        await until(lambda: harness.log.is_done)
    assert set(harness.sink.durable) == {event_id_of(record) for record in records} - bad
    assert {letter.headers[0][1].decode() for letter in harness.log.dead_letters} == bad


@virtual_time
async def test_revoke_while_the_sink_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A revoke waits within its bound, commits only what is finished, and what finishes later is not committed."""
    harness = Harness(monkeypatch, batch={"max_records": 10})
    fill(harness, 10, FIRST, SECOND)
    gate = asyncio.Event()

    async def hang(_documents: Sequence[str]) -> Verdict:
        await gate.wait()
        return Verdict()

    harness.sink.script = hang
    loop = asyncio.get_running_loop()
    async with harness.running():
        await until(lambda: harness.sink.in_flight == 2)
        began = loop.time()
        await harness.source.revoke([FIRST])
        assert 19 < loop.time() - began < 22
        gate.set()
        await until(lambda: harness.log.committed.get(SECOND) == 10)
        assert harness.log.committed.get(FIRST, 0) == 0
        await harness.source.assign([FIRST])
        await until(lambda: harness.log.is_done)
    assert harness.records("duplicate") == 10


@virtual_time
async def test_revoke_drains_what_is_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in an open batch when partitions are revoked is written and committed before they are another's."""
    harness = Harness(monkeypatch, batch={"max_age_seconds": 60})
    fill(harness, 7)
    async with harness.running():
        await until(lambda: harness.source.positions.get(FIRST) == 7)
        await asyncio.sleep(1)
        assert harness.sink.durable == {}
        await harness.source.revoke([FIRST])
        assert harness.log.committed[FIRST] == 7


@virtual_time
async def test_undecodable_records_become_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of poison is a dead letter with its reason, and the records around it are delivered."""
    harness = Harness(monkeypatch, dead_letter={"max_ratio": 1.0})
    good = [make_record() for _ in range(5)]
    poison = [record_of(None, "x"), record_of(b"junk", None), record_of(good[0].value[:-3], None)]  # type: ignore[index]
    harness.log.append(FIRST, [good[0], poison[0], good[1], poison[1], good[2], poison[2], *good[3:]])
    async with harness.running():
        await until(lambda: harness.log.is_done)
    assert len(harness.sink.durable) == 5
    reasons = [dict(letter.headers)["dlq.error.type"] for letter in harness.log.dead_letters]
    assert sorted(reasons) == [b"bad_body", b"bad_frame", b"null_value"]


@virtual_time
async def test_dead_letter_topic_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """While dead letters cannot be written the service pauses, is not ready, and acknowledges nothing; then goes on."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [record_of(b"junk", None)])
    harness.log.publish_errors.extend(CommitFailedError("down") for _ in range(8))
    async with harness.running() as service:
        await until(lambda: service.health.has("dead letters"))
        assert not service.health.is_ready
        await until(lambda: harness.source.paused == {FIRST})
        assert harness.log.committed == {}
        await until(lambda: harness.log.is_done)
        await until(lambda: service.health.is_ready)


@virtual_time
async def test_dead_letter_limit_halts_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit the service halts with its records unacknowledged; when they are writable again it goes on."""
    harness = Harness(monkeypatch, dead_letter={"max_consecutive": 20}, batch={"max_records": 10})
    fill(harness, 50)
    is_broken = True

    async def refuse(documents: Sequence[str]) -> Verdict:
        if is_broken:
            return Verdict(poison={at: Unprocessable("mapper_parsing_exception") for at in range(len(documents))})
        return Verdict()

    harness.sink.script = refuse
    async with harness.running() as service:
        await until(lambda: service.health.is_halted)
        await asyncio.sleep(300)
        assert service.health.is_halted
        assert len(harness.log.dead_letters) == 20
        assert harness.log.committed[FIRST] == 20
        assert [alert.key for alert in harness.log.alerts] == [b"test"]
        is_broken = False
        await until(lambda: harness.log.is_done)
        await until(lambda: service.health.is_ready)


@virtual_time
async def test_limit_on_undecodable_records_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of an unknown schema beyond the limit are neither lost nor acknowledged, and decoded once it is known."""
    harness = Harness(monkeypatch, dead_letter={"max_consecutive": 5})
    schema, records = unpublished(10)
    harness.log.append(FIRST, records)
    async with harness.running() as service:
        await until(lambda: service.health.is_halted)
        assert harness.log.dead_letters == []
        harness.log.schemas.append(schema)
        await until(lambda: harness.log.is_done)
        assert service.health.is_ready
    assert len(harness.sink.durable) == 10


def unpublished(count: int) -> tuple[bytes, list[StoredRecord]]:
    """A schema that no book has, as text, and records written with it: today's with one more field at the end."""
    import json  # noqa: PLC0415 - only here

    schema = json.loads(json.dumps(event_schema("analytics")))
    schema["fields"].append({"name": "of_tomorrow", "type": "long", "default": 0})
    records = [make_record() for _ in range(count)]
    for record in records:
        assert record.value is not None
        record.value = MAGIC + schema_fingerprint(schema) + record.value[10:] + b"\x02"
    return json.dumps(schema).encode(), records


@virtual_time
async def test_unknown_schema_waits_until_it_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown schema is looked for again before its records are given up; records of others are not held up."""
    harness = Harness(monkeypatch)
    schema, records = unpublished(3)
    harness.log.append(FIRST, records)
    fill(harness, 5, SECOND)
    async with harness.running():
        await until(lambda: harness.log.committed.get(SECOND) == 5)
        await asyncio.sleep(30)
        assert harness.log.committed.get(FIRST, 0) == 0
        harness.log.schemas.append(schema)
        await until(lambda: harness.log.is_done)
    assert len(harness.sink.durable) == 8
    assert harness.log.dead_letters == []


@virtual_time
async def test_unknown_schema_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ``schema.wait_seconds`` the records are dead letters that name the schema; later ones wait no more."""
    harness = Harness(monkeypatch)
    loop = asyncio.get_running_loop()
    _, records = unpublished(4)
    harness.log.append(FIRST, records[:2])
    async with harness.running():
        began = loop.time()
        await until(lambda: harness.log.is_done)
        assert 60 <= loop.time() - began < 65
        harness.log.append(FIRST, records[2:])
        await until(lambda: harness.log.is_done)
        assert loop.time() - began < 70
    headers = [dict(letter.headers) for letter in harness.log.dead_letters]
    assert [found["dlq.error.type"] for found in headers] == [b"unknown_schema"] * 4
    assert {found["dlq.schema"] for found in headers} == {(records[0].value or b"")[2:10].hex().encode()}


@virtual_time
async def test_other_kinds_are_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not among ``hook_types`` is acknowledged and not written."""
    harness = Harness(monkeypatch, hook_types=["budget"])
    others, own = [make_record("analytics") for _ in range(3)], [make_record("budget") for _ in range(2)]
    harness.log.unhandled = {event_id_of(record) for record in others}
    harness.log.append(FIRST, [*others, *own])
    async with harness.running():
        await until(lambda: harness.log.is_done)
    assert set(harness.sink.durable) == {event_id_of(record) for record in own}
    assert harness.records("filtered") == 3


@virtual_time
async def test_halted_sink_is_tried_by_one_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a 403 the intake stops, one write is tried each ``halt_seconds``, and all goes on when it is allowed."""
    harness = Harness(monkeypatch, batch={"max_records": 10}, retry={"halt_seconds": 30})
    fill(harness, 100)
    is_forbidden = True

    async def forbid(documents: Sequence[str]) -> Verdict:
        return postponed(len(documents), Halt("403", "grant it")) if is_forbidden else Verdict()

    harness.sink.script = forbid
    async with harness.running() as service:
        await until(lambda: service.health.is_halted)
        await asyncio.sleep(10)
        tried = len(harness.sink.writes)
        await asyncio.sleep(300)
        assert 9 <= len(harness.sink.writes) - tried <= 10
        assert harness.source.paused == {FIRST}
        assert harness.log.dead_letters == []
        is_forbidden = False
        await until(lambda: harness.log.is_done)
        assert service.health.is_ready


@virtual_time
async def test_throttling_halves_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes in flight fall when the sink throttles and grow again when it does not; Retry-After is waited for."""
    harness = Harness(monkeypatch, batch={"max_records": 10}, flow={"max_writes": 8})
    is_throttled = True
    loop = asyncio.get_running_loop()
    throttled_at: list[float] = []

    async def throttle(documents: Sequence[str]) -> Verdict:
        await asyncio.sleep(0.1)
        if is_throttled:
            throttled_at.append(loop.time())
            return postponed(len(documents), Retryable("429", 5.0, throttled=True))
        return Verdict()

    harness.sink.script = throttle
    fill(harness, 200)
    async with harness.running() as service:
        await until(lambda: len(throttled_at) >= 12)
        service.observe()
        assert harness.metrics.concurrency_limit.value("test") == 1
        assert service.health.is_ready
        is_throttled = False
        await until(lambda: harness.log.is_done)
        fill(harness, 1000)
        await until(lambda: harness.log.is_done)
        service.observe()
        assert harness.metrics.concurrency_limit.value("test") == 8
    assert throttled_at[4] - throttled_at[3] >= 5.0  # four were in flight when the first was told to wait
    assert harness.sink.most_in_flight == 8


@virtual_time
async def test_full_partitions_pause_while_polling_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stuck sink stops the intake at the bound, the group is still polled, and all flows when the sink does."""
    harness = Harness(
        monkeypatch, batch={"max_records": 10}, flow={"max_records": 200, "max_partition_records": 100, "max_writes": 2}
    )
    gate = asyncio.Event()

    async def hang(_documents: Sequence[str]) -> Verdict:
        await gate.wait()
        return Verdict()

    harness.sink.script = hang
    fill(harness, 100)
    async with harness.running() as service:
        await until(lambda: harness.source.paused == {FIRST})
        fill(harness, 5_000, FIRST, SECOND)
        await harness.source.assign([SECOND])
        await until(lambda: harness.source.paused == {FIRST, SECOND})
        polls = harness.source.polls
        await asyncio.sleep(60)
        assert harness.source.polls - polls >= 60
        service.observe()
        assert 100 <= (harness.metrics.in_flight_records.value("test") or 0) <= 5_100
        assert harness.metrics.paused_partitions.value("test") == 2
        gate.set()
        await until(lambda: harness.log.is_done)


@virtual_time
async def test_trickle_into_a_stuck_sink_stays_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """While no write may start, batches grow instead of becoming many."""
    harness = Harness(monkeypatch, flow={"max_writes": 1})
    gate = asyncio.Event()

    async def hang(_documents: Sequence[str]) -> Verdict:
        await gate.wait()
        return Verdict()

    harness.sink.script = hang
    async with harness.running():
        for _ in range(200):
            fill(harness, 1)
            await asyncio.sleep(1)
        gate.set()
        await until(lambda: harness.log.is_done)
    assert len(harness.sink.writes) < 8


@virtual_time
async def test_stop_flushes_commits_and_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop in the middle of a flush finishes it, commits it and leaves the group."""
    harness = Harness(monkeypatch, batch={"max_age_seconds": 60})
    fill(harness, 50)

    async def slow(_documents: Sequence[str]) -> Verdict:
        await asyncio.sleep(3)
        return Verdict()

    harness.sink.script = slow
    async with harness.running() as service:
        await until(lambda: harness.source.positions.get(FIRST) == 50)
        service.stop()
        assert not service.health.is_ready
    assert harness.log.committed == {FIRST: 50}
    assert harness.source.closed


@virtual_time
async def test_stop_is_bounded_when_the_sink_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink and a coordinator that never answer do not hold a stop up, and nothing is acknowledged."""
    harness = Harness(monkeypatch)
    fill(harness, 50)

    async def hang(_documents: Sequence[str]) -> Verdict:
        await asyncio.Event().wait()
        return Verdict()

    harness.sink.script = hang
    loop = asyncio.get_running_loop()
    async with harness.running():
        await until(lambda: harness.sink.in_flight == 1)
        harness.source.commit_results.extend([1e6] * 100)
        began = loop.time()
    assert loop.time() - began < 20
    assert harness.log.committed == {}


@virtual_time
async def test_row_that_breaks_the_sink_is_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that cannot be serialised is a dead letter, and only that one."""
    harness = Harness(monkeypatch)
    records = fill(harness, 9)
    harness.sink.unencodable = {event_id_of(records[4])}
    async with harness.running():
        await until(lambda: harness.log.is_done)
    assert len(harness.sink.durable) == 8
    assert [dict(letter.headers)["dlq.error.type"] for letter in harness.log.dead_letters] == [b"unencodable"]
    assert [dict(letter.headers)["dlq.offset"] for letter in harness.log.dead_letters] == [b"4"]


@virtual_time
async def test_sink_that_raises_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that breaks its contract costs an attempt, not a record."""
    harness = Harness(monkeypatch)
    fill(harness, 3)

    async def raise_twice(_documents: Sequence[str]) -> Verdict:
        if len(harness.sink.writes) <= 2:
            raise KeyError("surprise")
        return Verdict()

    harness.sink.script = raise_twice
    async with harness.running():
        await until(lambda: harness.log.is_done)
    assert len(harness.sink.writes) == 3


@virtual_time
async def test_broken_log_connection_is_ridden_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls that fail are retried with growing waits; the service is unready meanwhile and never ends."""
    harness = Harness(monkeypatch)
    harness.next_source.poll_errors.extend(EventLogError("broker away") for _ in range(8))
    fill(harness, 3)
    async with harness.running() as service:
        await until(lambda: service.health.has("event log"))
        assert service.health.is_live
        assert not service.health.is_ready
        await until(lambda: harness.log.is_done)
        await until(lambda: service.health.is_ready)
    assert harness.metrics.poll_errors.value("test", "EventLogError") == 8


@virtual_time
async def test_lost_offset_halts_with_an_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    """An offset that is gone is never jumped over: the service halts, says so, and recovers when it is found again."""
    harness = Harness(monkeypatch, retry={"halt_seconds": 30})
    harness.next_source.poll_errors.extend(OffsetLostError("offset 7 is gone") for _ in range(5))
    fill(harness, 3)
    loop = asyncio.get_running_loop()
    async with harness.running() as service:
        began = loop.time()
        await until(lambda: service.health.is_halted)
        await until(lambda: harness.log.alerts)
        await until(lambda: harness.log.is_done)
        assert loop.time() - began > 120
        assert service.health.is_ready


@virtual_time
async def test_commits_that_are_refused_are_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused commit is not an error; a failed or hanging one is tried again with what is finished by then."""
    harness = Harness(monkeypatch)
    harness.next_source.commit_results.extend([False, EventLogError("no"), 1e6])
    fill(harness, 3)
    async with harness.running() as service:
        await until(lambda: harness.log.is_done)
        assert not service.health.has("commits")
    results = [harness.metrics.commits.value("test", result) for result in ("stored", "refused", "failed")]
    assert results == [1, 1, 2]
