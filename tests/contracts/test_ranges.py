"""What every log that outlives its processes promises to who reads parts of it in no group."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from sluice.clock import now_micros
from sluice.eventlog.interface import NamedLogs, OffsetLostError, Partition, PolledRecord, Record
from sluice.eventlog.ranges import OffsetRange, RangeReader
from tests.contracts.eventlog_laws import JournalBench, exchanges, flat, ids, on_durable_logs, poll_until


async def read(
    reader: RangeReader, ranges: Mapping[Partition, OffsetRange], topics: Collection[str]
) -> list[PolledRecord]:
    """All of it."""
    return [record async for records in reader.read(ranges, topics) for record in records]


@on_durable_logs()
async def test_everything_there_is_is_read_once(bench: JournalBench) -> None:
    """The same records, with the same offsets and headers, as a group gets them; and again with the next reading."""
    await bench.commit(exchanges(30))
    polled = flat(await poll_until(await bench.started(), 90))
    reader = bench.ranges()
    ranges = await reader.ranges(bench.events)
    found = await read(reader, ranges, bench.events)
    assert sorted(ids(found)) == sorted(ids(polled)) == sorted(ids(await read(reader, ranges, bench.events)))
    by_id = {dict(record.headers)["ce_id"]: record for record in polled}
    for record in found:
        twin = by_id[dict(record.headers)["ce_id"]]
        assert (record.topic, record.partition, record.offset) == (twin.topic, twin.partition, twin.offset)
        assert (record.key, record.value, list(record.headers)) == (twin.key, twin.value, list(twin.headers))


@on_durable_logs()
async def test_a_range_ends_where_it_was_fixed(bench: JournalBench) -> None:
    """What is published while one reads, or before one begins to, is not of it; the next range has just that."""
    await bench.commit(exchanges(5))
    reader = bench.ranges()
    before = await reader.ranges(bench.events)
    await bench.commit(exchanges(7))
    assert len(await read(reader, before, bench.events)) == 15
    after = {
        partition: OffsetRange(before[partition].end if partition in before else found.first, found.end)
        for partition, found in (await reader.ranges(bench.events)).items()
    }
    assert len(await read(reader, after, bench.events)) == 21


@on_durable_logs()
async def test_which_logs_are_read_is_known(bench: JournalBench) -> None:
    """By the ids that a group's source has of them, each of all; of what there is not nothing is said."""
    await bench.commit(exchanges(2))
    source, reader = await bench.started(), bench.ranges()
    await poll_until(source, 6)
    ranges = await reader.ranges(bench.events)
    found = await reader.log_ids([*ranges, Partition("nowhere/w9", 0)])
    assert isinstance(source, NamedLogs)
    assert found.keys() == ranges.keys()
    assert found == await source.log_ids(ranges)


@on_durable_logs()
async def test_offsets_in_a_range_are_exact(bench: JournalBench) -> None:
    """The first is read, the end is not; an empty range gives nothing."""
    await bench.commit(exchanges(10))
    reader = bench.ranges()
    ranges = await reader.ranges(bench.events)
    everything = await read(reader, ranges, bench.events)
    partition = next(part for part, found in ranges.items() if not found.is_empty)
    of_it = everything
    if len(ranges) > 1:
        of_it = [record for record in everything if (record.topic, record.partition) == partition]
    first, end = of_it[1].offset, of_it[-1].offset
    found = await read(reader, {partition: OffsetRange(first, end)}, bench.events)
    assert [record.offset for record in found] == [record.offset for record in of_it[1:-1]]
    assert await read(reader, {partition: OffsetRange(first, first)}, bench.events) == []


@on_durable_logs()
async def test_a_moment_is_an_offset(bench: JournalBench) -> None:
    """Of what was appended before it nothing is read, of what came later everything; a moment to come is the end."""
    await bench.commit(exchanges(4))
    await asyncio.sleep(0.05)  # append times have milliseconds
    moment = now_micros() // 1000
    await asyncio.sleep(0.05)
    await bench.commit(exchanges(6))
    reader = bench.ranges()
    ranges = await reader.ranges(bench.events)
    at = await reader.offsets_at(ranges, moment)
    later = {partition: OffsetRange(at[partition], found.end) for partition, found in ranges.items()}
    earlier = {partition: OffsetRange(found.first, at[partition]) for partition, found in ranges.items()}
    assert len(await read(reader, later, bench.events)) == 18
    assert len(await read(reader, earlier, bench.events)) == 12
    assert await reader.offsets_at(ranges, moment + 3_600_000) == {
        partition: found.end for partition, found in ranges.items()
    }
    assert await reader.offsets_at(ranges, 0) == {partition: found.first for partition, found in ranges.items()}


@on_durable_logs()
async def test_other_topics_are_not_read(bench: JournalBench) -> None:
    """Also where they lie in the same journal: dead letters and alerts beside events."""
    await bench.commit(exchanges(3))
    await bench.publisher().publish([Record(bench.topics.alert.name, b"service", b"{}")])
    reader = bench.ranges()
    budget, alert = bench.topics.event("budget").name, bench.topics.alert.name
    for topic, count in ((budget, 3), (alert, 1)):
        found = await read(reader, await reader.ranges([topic]), [topic])
        assert [record.topic for record in found] == [topic] * count


@on_durable_logs()
async def test_what_is_not_there_is_empty(bench: JournalBench) -> None:
    """A topic that nobody made has nothing to read, which is no error; nor is it made."""
    reader = bench.ranges()
    ranges = await reader.ranges(["nobody-made-this"])
    assert await read(reader, ranges, ["nobody-made-this"]) == []
    assert await reader.offsets_at({}, 0) == {}


@on_durable_logs()
async def test_groups_do_not_notice(bench: JournalBench) -> None:
    """A group reads on where it stood, whoever reads beside it."""
    await bench.commit(exchanges(4))
    source = await bench.started()
    reader = bench.ranges()
    await read(reader, await reader.ranges(bench.events), bench.events)
    assert len(flat(await poll_until(source, 12))) == 12


@on_durable_logs()
async def test_what_retention_deleted_is_not_passed_over(bench: JournalBench) -> None:
    """Records of a fixed range that are gone when they are due are a loss that is told."""
    await bench.commit(exchanges(20))
    reader = bench.ranges()
    ranges = await reader.ranges(bench.events)
    partition = next(part for part, found in ranges.items() if not found.is_empty)
    await bench.lose_before(partition, ranges[partition].end)
    await bench.commit(exchanges(1))
    with pytest.raises(OffsetLostError, match="retention"):
        await read(reader, {partition: ranges[partition]}, bench.events)


@on_durable_logs()
async def test_schemas_are_read(bench: JournalBench) -> None:
    """Every schema that a writer of the log has published."""
    await bench.commit(exchanges(1))
    assert len(await bench.ranges().read_schemas()) >= 3
