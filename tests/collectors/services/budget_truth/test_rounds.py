"""Reading round by round: where the log and what is stored do not fit, nothing is passed over in silence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collectors.services.budget_truth.counting import Batch, Position
from collectors.services.budget_truth.fitting import lost_text
from collectors.services.budget_truth.rounds import Rounds
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
        self.log_id = ""
        self.fails = False

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        return {each: self.log_id for each in partitions if each == HERE and self.log_id}

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


async def test_a_run_may_end_earlier() -> None:
    """Where a rebuild ends; partitions that are not named are not read."""
    rounds = rounds_of(Reader(numbered(event(at + 1) for at in range(9))))
    await rounds.fit()
    rounds.end_at({HERE: 5})
    assert rounds.span == 5
    assert sum(len(batch) for batch in await batches(rounds)) == 5
    rounds.end_at({})
    assert sum(len(batch) for batch in await batches(rounds)) == 0


async def test_another_log_is_read_from_its_beginning_and_stored_with_its_id() -> None:
    """However long it is; batch by batch the position says which log it is of, so that a restart goes on in it."""
    reader = Reader(numbered(event(at + 1) for at in range(9)))
    reader.log_id = "b"
    rounds = rounds_of(reader)
    rounds.begin({HERE: Position(5, 0, log_id="a")})
    [misfit] = await rounds.fit()
    assert lost_text(misfit) == "sluice.budget.v1/0 offsets 0-4: its id is b, and was a"
    found = [batch for batch in await batches(rounds) if batch.positions]
    assert [batch.positions[HERE] for batch in found] == [Position(at, 0, log_id="b") for at in (6, 9)]
    rounds.begin(found[0].positions)
    assert await rounds.fit() == []
    assert sum(len(batch) for batch in await batches(rounds)) == 3


async def test_a_position_without_an_id_gets_one_and_keeps_it() -> None:
    """Of an earlier version, say: nothing is read again, the id is stored though nothing new came, and where none is
    told for a while the one that is known stays."""
    reader = Reader(numbered(event(at + 1) for at in range(9)))
    rounds = rounds_of(reader)
    rounds.begin({HERE: Position(9, 0)})
    stored = []
    for reader.log_id in ("", "a", "a", ""):
        assert await rounds.fit() == []
        [batch] = await batches(rounds)
        stored.append((len(batch), batch.positions.get(HERE)))
        assert rounds.positions[HERE].log_id == ("a" if len(stored) > 1 else "")
    assert stored == [(0, None), (0, Position(9, 0, log_id="a")), (0, None), (0, None)]


class Lives(Reader):
    """A log that is made anew, also while it is asked and while it is read; as of a journal, what is not there any more
    when it is read is no error."""

    def __init__(self) -> None:
        super().__init__([])
        self.lives = 0
        self.is_told = True
        self.asked_before = self.read_before = -1
        """Behind so many questions for its id and ends, or reads, it is made anew; not at all where it is below 1."""
        self.make(3)

    def make(self, count: int) -> None:
        self.lives += 1
        self.log_id, self.records, self.first = f"log {self.lives}", [], 0
        self.append(count)

    def append(self, count: int) -> None:
        for offset in range(len(self.records), len(self.records) + count):
            self.records.append(StoredRecord(HERE.topic, 0, offset, 0, b"", f"{self.lives}/{offset}".encode()))

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        found = await super().log_ids(partitions) if self.is_told else {}
        self._asked()
        return found

    async def ranges(self, topics: Collection[str]) -> Mapping[Partition, OffsetRange]:
        found = await super().ranges(topics)
        self._asked()
        return found

    def _asked(self) -> None:
        self.asked_before -= 1
        if self.asked_before == 0:
            self.make(9)

    async def read(
        self, ranges: Mapping[Partition, OffsetRange], _topics: Collection[str]
    ) -> AsyncIterator[Sequence[PolledRecord]]:
        for first, end in ranges.values():
            for at in range(first, end, 3):
                self.read_before -= 1
                if self.read_before == 0:
                    self.make(9)
                if self.fails:
                    raise EventLogError("away")
                if records := self.records[at : min(at + 3, end)]:
                    yield records


class Counted:
    """Rounds whose batches are kept: what was read, and the positions of it."""

    def __init__(self, reader: Lives) -> None:
        self.reader, self.rounds = reader, rounds_of(reader, 3)
        self.seen: set[bytes | None] = set()
        self.stored: dict[Partition, Position] = {}

    async def keep(self, batch: Batch) -> None:
        self.seen.update(record.value for record in batch.events)
        self.stored.update(batch.positions)

    async def round(self) -> None:
        """One; after a failure the next one begins with what is stored, as after a restart."""
        try:
            await self.rounds.fit()
            await self.rounds.run(self.keep)
        except EventLogError:
            self.restart()

    def restart(self) -> None:
        self.rounds.begin(self.stored)

    async def do(self, what: str, number: int) -> None:
        """One step of a history."""
        match what:
            case "append":
                self.reader.append(number)
            case "trimmed":
                self.reader.first = min(self.reader.first + number, len(self.reader.records))
            case "made anew":
                self.reader.make(number)
            case "made anew when asked":
                self.reader.asked_before = number % 4 + 1
            case "made anew when read":
                self.reader.read_before = number % 3 + 1
            case "restart":
                self.restart()
            case "round that fails" | "round that is not told" | "round":
                self.reader.fails = what == "round that fails"
                self.reader.is_told = what != "round that is not told" or not self.stored
                await self.round()
                self.reader.fails, self.reader.is_told = False, True


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["append", "trimmed", "made anew", "made anew when asked", "made anew when read", "restart"]
            + ["round that fails", "round that is not told", "round"] * 2
        ),
        st.integers(0, 12),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
@example([("trimmed", 2), ("made anew when asked", 1), ("round", 0)])
@example([("round", 0), ("trimmed", 2), ("made anew when asked", 0), ("round", 0)])
async def test_every_record_of_the_log_that_is_there_is_read(history: Sequence[tuple[str, int]]) -> None:
    """However often it was made anew, and when: while we were away, between two questions, in the middle of reading,
    with rounds that failed or were told no id. The first round that nothing disturbs has all of it."""
    counted = Counted(Lives())
    for what, number in history:
        await counted.do(what, number)
    counted.reader.asked_before = counted.reader.read_before = -1
    await counted.round()
    assert counted.seen >= {record.value for record in counted.reader.records[counted.reader.first :]}
    assert counted.stored[HERE].log_id == counted.reader.log_id
