"""The embedded log as a group sees it: every journal a partition, nothing lost, nothing passed over."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from schemas.codec import EncodedEvent, published_schemas
from sluice.eventlog.interface import Partition, PolledRecord, Record, Subscription
from sluice.eventlog.journal import source as journal_source
from sluice.eventlog.journal.identity import IDENTITY_FILE
from sluice.eventlog.journal.lock import JournalBusyError
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.journal.source import JournalSource
from sluice.eventlog.places import collector_journal, gateway_journal
from sluice.eventlog.settings import JournalSettings
from tests.sluice.eventlog.journal.making import TOPICS, begun, exchange, ids_of

EVENTS = tuple(TOPICS.events())
FIRST, SECOND = Partition("gateway-1/w0", 0), Partition("gateway-1/w1", 0)


class Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.assigned: list[Partition] = []
        self.revoked: list[Partition] = []

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        self.assigned += partitions

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        self.revoked += partitions


def source_of(data_dir: Path, group: str = "group", topics: tuple[str, ...] = EVENTS) -> JournalSource:
    """A source that is not started."""
    return JournalSource(data_dir, Subscription(group, topics), JournalSettings())


async def filled(data_dir: Path, worker: str, count: int) -> list[list[EncodedEvent]]:
    """A closed journal of so many exchanges."""
    journal = begun(gateway_journal(data_dir, "gateway-1", worker))
    exchanges = [exchange() for _ in range(count)]
    for events in exchanges:
        await journal.append(events)
    await journal.close()
    return exchanges


async def polled(source: JournalSource, most: int = 1000) -> dict[Partition, Sequence[PolledRecord]]:
    """What comes at once."""
    return dict(await source.poll(0.0, most))


def ids(records: Sequence[PolledRecord]) -> list[str]:
    """The ids in the headers."""
    return [dict(record.headers)["ce_id"].decode() for record in records]


async def test_every_journal_is_read_and_goes_on_where_it_was_committed(tmp_path: Path) -> None:
    """A second run of the group begins behind the committed offset, and only there."""
    first, second = await filled(tmp_path, "w0", 4), await filled(tmp_path, "w1", 2)
    listener, source = Listener(), source_of(tmp_path)
    await source.start(listener)
    assert listener.assigned == [FIRST, SECOND]
    found = await polled(source)
    assert ids(found[FIRST]) == ids_of(first)
    assert ids(found[SECOND]) == ids_of(second)
    assert await source.commit({FIRST: found[FIRST][5].offset + 1})
    await source.close()

    again = source_of(tmp_path)
    await again.start(Listener())
    found = await polled(again)
    assert ids(found[FIRST]) == ids_of(first)[6:]
    assert ids(found[SECOND]) == ids_of(second)
    await again.close()


async def test_one_process_per_group(tmp_path: Path) -> None:
    """A second one is refused with a remedy; another group is not."""
    source, other = source_of(tmp_path), source_of(tmp_path, "other")
    await source.start(Listener())
    with pytest.raises(JournalBusyError, match="another collector runs group group"):
        await source_of(tmp_path).start(Listener())
    await other.start(Listener())
    await source.close()
    await source.start(Listener())
    await source.close()
    await other.close()


async def test_lag_is_counted_exactly_and_foreign_records_are_none(tmp_path: Path) -> None:
    """Records of other topics do not stay behind as lag once what the group asked for is committed."""
    await filled(tmp_path, "w0", 3)
    journal = begun(gateway_journal(tmp_path, "gateway-1", "w0"))
    await journal.append_records([Record("sluice.gateway-report.v1", b"k", b"{}")])
    source = source_of(tmp_path)
    await source.start(Listener())
    assert (await source.lag())[FIRST].records == 10
    found = await polled(source)
    await source.commit({FIRST: found[FIRST][-1].offset + 1})
    assert (await source.lag())[FIRST].records == 0
    await journal.append(exchange())
    assert (await source.lag())[FIRST].records == 3
    await source.close()
    await journal.close()


async def test_paused_journals_wait(tmp_path: Path) -> None:
    """And go on where they were when resumed."""
    first, _ = await filled(tmp_path, "w0", 2), await filled(tmp_path, "w1", 2)
    source = source_of(tmp_path)
    await source.start(Listener())
    source.pause([FIRST])
    assert set(await polled(source)) == {SECOND}
    source.resume([FIRST])
    assert ids((await polled(source))[FIRST]) == ids_of(first)
    await source.close()


async def test_journals_come_and_go(tmp_path: Path) -> None:
    """A new worker's journal is assigned while the source runs; one that is removed is revoked."""
    await filled(tmp_path, "w0", 1)
    listener, source = Listener(), source_of(tmp_path)
    await source.start(listener)
    await polled(source)
    second = await filled(tmp_path, "w1", 1)
    async with asyncio.timeout(60):
        found: dict[Partition, Sequence[PolledRecord]] = {}
        while not found:
            found = dict(await source.poll(0.2, 100))
    assert ids(found[SECOND]) == ids_of(second)
    shutil.rmtree(gateway_journal(tmp_path, "gateway-1", "w1"))
    async with asyncio.timeout(60):
        while not listener.revoked:
            await source.poll(0.2, 100)
    assert listener.revoked == [SECOND]
    assert not await source.commit({SECOND: 1})
    await source.close()


async def test_a_live_journal_is_followed(tmp_path: Path) -> None:
    """What is appended while a poll waits arrives with that poll."""
    journal = begun(gateway_journal(tmp_path, "gateway-1", "w0"))
    source = source_of(tmp_path)
    await source.start(Listener())
    events = exchange()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(source.poll(5.0, 100))
        await journal.append(events)
    assert ids(waiting.result()[FIRST]) == ids_of([events])
    await source.close()
    await journal.close()


async def test_dead_letters_wait_in_a_journal_of_the_collector(tmp_path: Path) -> None:
    """What a collector publishes can be read by whoever asks for that topic."""
    publisher = JournalPublisher(collector_journal(tmp_path, "es"), "es", JournalSettings(), TOPICS)
    record = Record("sluice.analytics.v1.dlq", b"key", b"value", (("dlq.reason", b"x"),))
    await publisher.publish([record])
    await publisher.close()
    source = source_of(tmp_path, "redrive", ("sluice.analytics.v1.dlq",))
    await source.start(Listener())
    ((polled_record,),) = (await polled(source)).values()
    assert (polled_record.topic, polled_record.key, polled_record.value) == record[:3]
    assert tuple(polled_record.headers) == record.headers
    await source.close()


async def test_schemas_are_read_from_the_segments(tmp_path: Path) -> None:
    """Every writer's schemas stand at the head of its segments."""
    await filled(tmp_path, "w0", 1)
    source = source_of(tmp_path)
    await source.start(Listener())
    assert set(await source.read_schemas()) == {text for _, text in published_schemas()}
    await source.close()


async def test_a_listener_that_raises_does_not_end_the_group(tmp_path: Path) -> None:
    """Its exception is counted; records go on coming."""

    class Broken(Listener):
        async def on_assigned(self, partitions: Iterable[Partition]) -> None:
            raise ValueError("broken")

    await filled(tmp_path, "w0", 1)
    source = source_of(tmp_path)
    await source.start(Broken())
    assert source.listener_failures == 1
    assert await polled(source)
    await source.close()


async def test_a_journal_that_is_made_anew_is_another_log(tmp_path: Path) -> None:
    """Its name and its offsets are the same: the id tells them apart."""
    source, found = source_of(tmp_path), []
    await source.start(Listener())
    for _ in range(2):
        await filled(tmp_path, "w0", 1)
        found.append((await source.log_ids([FIRST, SECOND]))[FIRST])
        shutil.rmtree(gateway_journal(tmp_path, "gateway-1", "w0"))
        assert await source.log_ids([FIRST]) == {}
    assert found[0] != found[1]
    await source.close()


async def test_the_id_of_a_journal_that_is_being_made_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is seen before its id is there; one without an id, of an older version, holds nobody up."""
    monkeypatch.setattr(journal_source, "_IDENTITY_SECONDS", 60)
    source, folder = source_of(tmp_path), gateway_journal(tmp_path, "gateway-1", "w0")
    folder.mkdir(parents=True)
    asking = asyncio.get_running_loop().create_task(source.log_ids([FIRST]))
    await asyncio.sleep(0)
    await filled(tmp_path, "w0", 1)
    assert set(await asking) == {FIRST}
    (folder / IDENTITY_FILE).unlink()
    async with asyncio.timeout(30):
        assert await source.log_ids([FIRST]) == {}
