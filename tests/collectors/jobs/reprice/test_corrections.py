"""Tests of ``collectors.jobs.reprice.corrections``: once, without a gap, whatever happens in between."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.columns import Decoder
from collectors.deliveries import Delivery
from collectors.jobs.interface import UsageError
from collectors.jobs.reprice.corrections import Corrections, Outcome
from collectors.jobs.reprice.frames import repriced
from collectors.jobs.reprice.ledger import CorrectionLedger
from collectors.jobs.reprice.repricing import Repricer
from collectors.operations.printing import Printer
from collectors.settings import HostSettings
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from schemas.ids import new_exchange_id
from sluice.eventlog.interface import CommitTimeoutError, PolledRecord, Record, StoredRecord
from sluice.money.prices import Price, PriceTable
from tests.collectors.events import NOW_MICROS, make_record, partition_of
from tests.collectors.jobs.bench import MemoryOrigin
from tests.collectors.jobs.reprice.events import ATTEMPT, PRICE

COST = 12 * 2_000 + 34 * 8_000
PERIOD = {"period_id": "p", "period_start": NOW_MICROS - 5, "period_end": NOW_MICROS + 5}
CHARGES = [{"scope": scope, "scope_id": scope_id, **PERIOD} for scope, scope_id in
           (("app", "7"), ("llm", "3"), ("app_llm", "7:3"))]  # fmt: skip


class Log:
    """Budget events of so many exchanges, and a publisher that may fail behind some records."""

    def __init__(self, exchanges: int, *, unbudgeted: int = 0) -> None:
        self.ids = [new_exchange_id() for _ in range(exchanges)]
        self.partition = partition_of("budget")
        records: list[PolledRecord] = [
            make_record("budget", exchange_id=each, cost_nanos=5, charges=CHARGES, offset=at)
            for at, each in enumerate(self.ids[unbudgeted:])
        ]
        self.origin = MemoryOrigin({self.partition: records})
        self.fails_after: int | None = None

    async def publish(self, records: Sequence[Record]) -> None:
        for each in records:
            if self.fails_after is not None:
                if not self.fails_after:
                    message = "no answer"
                    raise CommitTimeoutError(message)
                self.fails_after -= 1
            there = self.origin.records[self.partition]
            there.append(StoredRecord(each.topic, 0, len(there), 2_000_000_000_000, each.key, each.value, each.headers))

    async def close(self) -> None:
        """Nothing is open."""

    def events(self) -> list[dict[str, Any]]:
        """All of them, decoded."""
        book = SchemaBook()
        return [book.decode(record.value or b"")[1] for record in self.origin.records[self.partition]]

    def charged(self) -> Counter[str]:
        """Exchange → what it was charged; each event is there once, and sequences have no gap."""
        events = self.events()
        assert len({event["event_id"] for event in events}) == len(events)
        for boot in {event["boot_id"] for event in events if event["kind"] == "correction"}:
            numbers = sorted(event["sequence"] for event in events if event["boot_id"] == boot)
            assert numbers == [*range(1, len(numbers) + 1)]
        found: Counter[str] = Counter()
        for event in events:
            found[event["exchange_id"]] += event["cost_nanos"]
        return found


async def correct(
    log: Log,
    path: Path | None,
    *,
    price: Price = PRICE,
    version: str = "2",
    is_dry: bool = False,
    appended_later_ms: int = 0,
) -> Outcome:
    """One run of the job in that file, over all exchanges of the log."""
    ledger = CorrectionLedger(path)
    try:
        printer = Printer(out=io.StringIO(), err=io.StringIO())
        corrections = Corrections(ledger, log.origin, HostSettings(), version, "job", printer)
        delivery, lane = Delivery(), Lane(partition_of("analytics"))
        for at, exchange_id in enumerate(log.ids):
            changes: dict[str, Any] = {"attempts": [ATTEMPT], "cache_read_prompt_tokens": None, "cost_nanos": 5}
            record = make_record("analytics", exchange_id=exchange_id, offset=at, **changes)
            record.timestamp += appended_later_ms
            delivery.add(record, lane)
        (frame,) = Decoder(SchemaBook()).decode(delivery).frames
        corrections.note(frame, list(repriced(frame.rows, Repricer(PriceTable([price])))))
        return await corrections.make(None if is_dry else log)
    finally:
        ledger.close()


def all_at(log: Log, nanos: int) -> Counter[str]:
    """Each exchange charged that much."""
    return Counter(dict.fromkeys(log.ids, nanos))


async def test_a_second_run_publishes_nothing(tmp_path: Path) -> None:
    """Of the same job, or of another: the log decides."""
    log = Log(30)
    first = await correct(log, tmp_path / "one.db")
    assert (first.due, first.published, first.nanos) == (30, 30, Counter(USD=30 * (COST - 5)))
    assert log.charged() == all_at(log, COST)
    for path in (tmp_path / "one.db", tmp_path / "two.db"):
        again = await correct(log, path)
        assert (again.due, again.published, again.already_there) == (0, 0, 30)
    assert log.charged() == all_at(log, COST)


async def test_a_dry_run_says_what_is_due_and_publishes_nothing() -> None:
    """With a ledger that is forgotten."""
    log = Log(30)
    outcome = await correct(log, None, is_dry=True)
    assert (outcome.due, outcome.published, log.charged()) == (30, 0, all_at(log, 5))


@pytest.mark.parametrize("fails_after", [0, 1, 100, 219])
async def test_stopped_anywhere_it_goes_on_where_the_log_is(
    tmp_path: Path, fails_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that got there before a failure are not published again, and the others have the numbers they had."""
    monkeypatch.setattr("collectors.jobs.reprice.corrections._PAGE", 100)
    log = Log(220)
    log.fails_after = fails_after
    with pytest.raises(CommitTimeoutError):
        await correct(log, tmp_path / "one.db")
    log.fails_after = None
    assert (await correct(log, tmp_path / "one.db")).published == 220 - fails_after
    assert log.charged() == all_at(log, COST)
    assert len({event["boot_id"] for event in log.events() if event["kind"] == "correction"}) == 1


async def test_an_exchange_that_was_never_charged_is_charged_wholly(tmp_path: Path) -> None:
    """To its app's and its LLM's periods, as their other exchanges have them; without any it is not, and said."""
    log = Log(3, unbudgeted=2)
    outcome = await correct(log, tmp_path / "one.db")
    assert (outcome.due, outcome.unbudgeted, log.charged()) == (3, 2, all_at(log, COST))
    for event in log.events():
        assert [(each["scope"], each["scope_id"], each["period_id"]) for each in event["charges"]] == [
            ("app", "7", "p"), ("llm", "3", "p"), ("app_llm", "7:3", "p"),
        ]  # fmt: skip
    alone = Log(2, unbudgeted=2)
    outcome = await correct(alone, tmp_path / "two.db")
    assert (outcome.due, outcome.no_periods) == (0, 2)
    assert "not corrected" in " ".join(outcome.problems("2"))


async def test_a_later_version_corrects_what_was_charged_by_now(tmp_path: Path) -> None:
    """The difference is to the log's sum, earlier corrections among it; back to what it was is negative."""
    log = Log(5)
    await correct(log, tmp_path / "one.db")
    cheap = Price("cheap", "3", "openai", "gpt-4o", "USD", 0, 0, 0, 0)
    outcome = await correct(log, tmp_path / "two.db", price=cheap, version="3")
    assert (outcome.published, outcome.nanos) == (5, Counter(USD=-5 * COST))
    assert log.charged() == all_at(log, 0)


async def test_one_version_is_one_amount(tmp_path: Path) -> None:
    """Other prices by the same name correct nothing: their ids are taken."""
    log = Log(4)
    await correct(log, tmp_path / "one.db")
    other = Price("other", "2", "openai", "gpt-4o", "USD", 9_000_000_000, 0, 0, 0)
    outcome = await correct(log, tmp_path / "two.db", price=other)
    assert (outcome.published, outcome.otherwise) == (0, 4)
    assert "version of their own" in " ".join(outcome.problems("2"))


async def test_a_job_that_was_overtaken_does_not_go_on(tmp_path: Path) -> None:
    """Its numbers would charge what another job charged already."""
    log = Log(4)
    log.fails_after = 0
    with pytest.raises(CommitTimeoutError):
        await correct(log, tmp_path / "one.db")
    log.fails_after = None
    await correct(log, tmp_path / "two.db")
    with pytest.raises(UsageError, match="another job published it"):
        await correct(log, tmp_path / "one.db")
    assert log.charged() == all_at(log, COST)


async def test_what_changed_meanwhile_stops_a_resumed_job(tmp_path: Path) -> None:
    """Another version corrected while it was stopped: the amounts that it numbered are no more the difference."""
    log = Log(4)
    log.fails_after = 0
    with pytest.raises(CommitTimeoutError):
        await correct(log, tmp_path / "one.db")
    log.fails_after = None
    await correct(log, tmp_path / "two.db", price=Price("c", "3", "openai", "gpt-4o", "USD", 0, 0, 0, 0), version="3")
    with pytest.raises(UsageError, match="corrected it meanwhile"):
        await correct(log, tmp_path / "one.db")


async def test_exact_prices_correct_nothing(tmp_path: Path) -> None:
    """No event where there is no difference."""
    log = Log(3)
    await correct(log, tmp_path / "one.db")
    outcome = await correct(log, tmp_path / "two.db", version="same")
    assert (outcome.due, outcome.equal) == (0, 3)


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_what_retention_deleted_is_not_charged_again(tmp_path: Path, *, is_elsewhere: bool) -> None:
    """An exchange without a budget event is charged wholly only where the log still has all that it may have had: else
    it is not corrected, and said. The others are."""
    log = Log(4)
    log.origin.first[log.partition] = 2
    del log.origin.records[log.partition][:2]
    if is_elsewhere:  # another partition, of which nothing is left, says nothing
        log.origin.records[partition_of("budget", 1)] = []
        log.origin.first[partition_of("budget", 1)] = 9
    outcome = await correct(log, tmp_path / "one.db")
    assert (outcome.due, outcome.no_history, outcome.unbudgeted) == (2, 2, 0)
    assert log.charged() == all_at(log, COST) - Counter(dict.fromkeys(log.ids[:2], COST))
    assert "charged twice" in " ".join(outcome.problems("2"))


async def test_what_is_older_and_there_shows_that_nothing_is_missing(tmp_path: Path) -> None:
    """Where retention has deleted what occurred long before, whoever was never charged is charged."""
    log = Log(4, unbudgeted=2)
    log.origin.first[log.partition] = 1
    older = make_record("budget", exchange_id=new_exchange_id(), charges=CHARGES, offset=0)
    older.timestamp = NOW_MICROS // 1_000 - 86_400_000
    log.origin.records[log.partition].insert(0, older)
    for at, record in enumerate(log.origin.records[log.partition], 1):
        assert isinstance(record, StoredRecord)
        record.offset = at
    assert (await correct(log, tmp_path / "one.db")).unbudgeted == 2


async def test_analytics_that_were_appended_again_find_what_was_charged(tmp_path: Path) -> None:
    """A replay into the topic appends an event days after its budget event: it is looked for from when it occurred."""
    log = Log(3)
    outcome = await correct(log, tmp_path / "one.db", appended_later_ms=5 * 86_400_000)
    assert (outcome.due, outcome.unbudgeted) == (3, 0)
    assert log.charged() == all_at(log, COST)
