"""Reading round by round: where the log and what is stored do not fit, nothing is passed over in silence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path

import pytest

from collectors.services.budget_truth.counting import Batch, Position
from collectors.services.budget_truth.rounds import Misfit, Rounds, is_trimmed, lost_text
from collectors.settings import HostSettings
from sluice.eventlog.interface import EventLogError, Partition, PolledRecord, StoredRecord
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import TOPICS, numbered
from tests.collectors.services.budget_truth.making import HERE, event

KAFKA = HostSettings.model_validate({"kafka": {"bootstrap_servers": "nowhere:1"}})


class Reader:
    """A log that is a list from ``first`` on."""

    def __init__(self, records: Sequence[StoredRecord], first: int = 0) -> None:
        self.records, self.first = list(records), first
        self.fails = False

    async def ranges(self, topics: Collection[str]) -> Mapping[Partition, OffsetRange]:
        assert set(topics) == {TOPICS.event("budget").name, TOPICS.gateway_report.name}
        return {HERE: OffsetRange(self.first, len(self.records))}

    async def read(
        self, ranges: Mapping[Partition, OffsetRange], _topics: Collection[str]
    ) -> AsyncIterator[Sequence[PolledRecord]]:
        for wanted in ranges.values():
            for at in range(wanted.first, wanted.end, 3):
                if self.fails:
                    raise EventLogError("away")
                yield self.records[at : min(at + 3, wanted.end)]

    async def read_schemas(self) -> Sequence[bytes]:
        return []

    async def close(self) -> None:
        """Nothing."""


def rounds_of(reader: Reader, batch_records: int = 4) -> Rounds:
    """Over this log."""
    return Rounds(KAFKA, batch_records, lambda _: reader)  # type: ignore[arg-type, return-value]


async def batches(rounds: Rounds) -> list[Batch]:
    """Of one round."""
    found: list[Batch] = []

    async def on_batch(batch: Batch) -> None:
        found.append(batch)

    await rounds.run(on_batch)
    return found


async def test_a_round_reads_to_the_end_it_began_with() -> None:
    """In batches, each with where its partition stands behind it; what comes meanwhile is the next round's."""
    reader = Reader(numbered(event(at + 1) for at in range(10)))
    rounds = rounds_of(reader)
    assert await rounds.fit() == []
    reader.records += numbered(event(at) for at in range(12))[10:]
    found = await batches(rounds)
    assert [offset for batch in found for offset in (record.offset for record in batch.events)] == [*range(10)]
    assert [batch.positions[HERE].next_offset for batch in found if batch.positions] == [6, 10]
    await rounds.fit()
    assert sum(len(batch) for batch in await batches(rounds)) == 2


async def test_a_batch_that_was_not_kept_comes_again() -> None:
    """Positions move behind it alone."""
    rounds = rounds_of(Reader(numbered(event(at + 1) for at in range(9))), batch_records=3)
    await rounds.fit()

    async def refuse(batch: Batch) -> None:
        if batch.positions[HERE].next_offset > 3:
            raise EventLogError("no")

    with pytest.raises(EventLogError):
        await rounds.run(refuse)
    assert rounds.positions[HERE].next_offset == 3
    await rounds.fit()
    assert [len(batch) for batch in await batches(rounds)] == [3, 3, 0]


async def test_what_retention_took_is_lost_and_said() -> None:
    """With its offsets, in the position too, and since when all is covered."""
    rounds = rounds_of(Reader(numbered(event(at + 1) for at in range(9)), first=6))
    rounds.begin({HERE: Position(2, 0)})
    [misfit] = await rounds.fit()
    assert (misfit.kind, lost_text(misfit)) == ("lost", "sluice.budget.v1/0 offsets 2-5")
    found = await batches(rounds)
    assert str(found[-1].positions[HERE].lost) == "2-5"
    assert found[0].covers_since > 0
    assert await rounds.fit() == []


@pytest.mark.parametrize("stored", [10, 2**40])
async def test_a_log_that_ends_before_us_is_read_from_its_beginning(stored: int) -> None:
    """It was made anew or restored: everything is read, which changes nothing that is known."""
    rounds = rounds_of(Reader(numbered(event(at + 1) for at in range(9))))
    rounds.begin({HERE: Position(stored, 0)})
    assert [misfit.kind for misfit in await rounds.fit()] == ["rewound"]
    assert sum(len(batch) for batch in await batches(rounds)) == 9
    assert await rounds.fit() == []


async def test_an_empty_log_that_was_made_anew_is_stored() -> None:
    """Else it would be said again after each restart."""
    rounds = rounds_of(Reader([]))
    rounds.begin({HERE: Position(10, 0)})
    assert len(await rounds.fit()) == 1
    assert (await batches(rounds))[-1].positions[HERE].next_offset == 0


async def test_a_log_that_has_begun_long_before_is_known_as_such() -> None:
    """What it covers begins with its first record, or now where there is none."""
    for count in (9, 6):
        rounds = rounds_of(Reader(numbered(event(at + 1) for at in range(count)), first=6))
        assert [misfit.kind for misfit in await rounds.fit()] == ["trimmed"]
        assert max(batch.covers_since for batch in await batches(rounds)) > 0
        assert rounds.positions[HERE].first_offset == 6
    assert not is_trimmed(1 << 32, is_kafka=False)
    assert is_trimmed(2 << 32, is_kafka=False)


async def test_a_run_may_end_earlier() -> None:
    """Where a rebuild ends; partitions that are not named are not read."""
    rounds = rounds_of(Reader(numbered(event(at + 1) for at in range(9))))
    await rounds.fit()
    rounds.end_at({HERE: 5})
    assert rounds.span == 5
    assert sum(len(batch) for batch in await batches(rounds)) == 5
    rounds.end_at({})
    assert sum(len(batch) for batch in await batches(rounds)) == 0


def test_a_journal_s_segment_that_was_read_to_its_end_is_not_lost(tmp_path: Path) -> None:
    """The next one has another number; what was not read to its end is lost."""
    rounds = Rounds(HostSettings(data_dir=tmp_path), 10)
    at, there = Position((1 << 32) + 9, 0), OffsetRange(2 << 32, (2 << 32) + 5)
    rounds._was_at_end = {HERE}
    assert rounds._overtaken(HERE, at, there) == []
    rounds._was_at_end = set()
    assert rounds._overtaken(HERE, at, there) == [Misfit("lost", HERE, OffsetRange((1 << 32) + 9, 2 << 32))]
