"""The backlog: what a failing log did not take is in it once when it recovers, and holds no slot any more."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.access.budget_rows import Budget, BudgetRows
from gateway.access.ledger import APP as APP_SCOPE
from gateway.access.settlement import Worth
from gateway.exchange import Exchange
from gateway.recording.backlog import Backlog
from gateway.recording.events import EventBuilder
from gateway.recording.inflight import InFlightFile
from gateway.recording.recovery import ChargeRule
from schemas.codec import EncodedEvent
from sluice.eventlog.interface import Boot, CommitFailedError, EventLogError
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.modes import DurableLog
from tests.gateway.access.sharing import a_share, held_in, spent_in
from tests.gateway.memory_log import MemoryLog
from tests.gateway.recording.test_inflight import fill, in_flight
from tests.gateway.test_exchange import a_snapshot, an_exchange
from tests.sluice.eventlog.journal.making import FailingDisk, begun, exchange, ids_in, ids_of, sequences_in

SNAPSHOT, LLM = a_snapshot()
APP = SNAPSHOT.apps[1]
BOOT = Boot("gateway-1", "w0", "boot-1")


class Bench:
    """A backlog over a log that a test can break."""

    def __init__(self, folder: Path, *, slots: int = 3, max_bytes: int = 1 << 20) -> None:
        self.log = MemoryLog()
        self.inflight = InFlightFile(folder / "inflight", slots)
        self.in_journal: list[str] = []
        self.asked: list[tuple[int, int]] = []
        rule = ChargeRule("reserved", SNAPSHOT.prices)
        self.share = a_share(folder)
        self.backlog = Backlog(
            self.log, self.inflight, BOOT, rule, self.event_ids, self.share.budgets, max_bytes=max_bytes
        )

    def event_ids(self, mark: tuple[int, int]) -> list[str]:
        """What the journal holds."""
        self.asked.append(mark)
        return self.in_journal

    def owe(self, number: int, *, has_events: bool = True, **values: Any) -> Exchange:
        """An exchange whose commit failed."""
        slot = fill(self.inflight, in_flight(number, **values))
        kept = self.inflight.read(slot)
        exchange = an_exchange(exchange_id=kept.exchange_id, app=APP, llm=LLM, outcome="ok", body=b"x" * 100)
        events: list[EncodedEvent] = EventBuilder(BOOT, 1000, 1 << 20).build_all([exchange])[0] if has_events else []
        self.backlog.keep(slot, events)
        return exchange

    def outcomes(self) -> dict[str, str]:
        """What the log has, by exchange."""
        return {each["proxy_log"]["exchange_id"]: each["proxy_log"]["outcome"] for each in self.log.exchanges}


@pytest.fixture(name="bench")
def bench_in_folder(tmp_path: Path) -> Bench:
    """Three slots."""
    return Bench(tmp_path)


async def test_what_is_owed_is_written_once(bench: Bench) -> None:
    """With its own events; slots and room are given back."""
    owed = [bench.owe(number) for number in (1, 2)]
    for _ in range(2):
        await bench.backlog.settle()
    assert bench.outcomes() == {each.exchange_id: "ok" for each in owed}
    assert len(bench.log.exchanges) == 2
    assert (len(bench.backlog), list(bench.inflight.open_slots()), bench.log.reserved) == (0, [], 0)


async def test_what_only_was_late_is_not_written_again(bench: Bench) -> None:
    """Looked for from the earliest place that a slot remembers."""
    late = bench.owe(1, segment=5, segment_bytes=7)
    lost = bench.owe(2, segment=4, segment_bytes=9)
    bench.in_journal = [f"{late.exchange_id}-p", f"{late.exchange_id}-a"]
    await bench.backlog.settle()
    assert bench.outcomes() == {lost.exchange_id: "ok"}
    assert bench.asked == [(4, 9)]
    assert list(bench.inflight.open_slots()) == []


async def test_without_events_the_slot_is_what_is_known(bench: Bench) -> None:
    """As the next boot would write it."""
    exchange = bench.owe(1, has_events=False)
    await bench.backlog.settle()
    assert bench.outcomes() == {exchange.exchange_id: "interrupted"}


async def test_events_are_kept_within_their_bound(tmp_path: Path) -> None:
    """What is beyond it is written from its slot; what was written makes room."""
    bench = Bench(tmp_path, max_bytes=600)  # an exchange of these has about 400
    first, second = bench.owe(1), bench.owe(2)
    await bench.backlog.settle()
    third = bench.owe(3)
    await bench.backlog.settle()
    outcomes = {first.exchange_id: "ok", second.exchange_id: "interrupted", third.exchange_id: "ok"}
    assert bench.outcomes() == outcomes


async def test_a_log_that_still_fails_keeps_everything(bench: Bench) -> None:
    """One try a second, each time of another, until it recovers."""
    for number in (1, 2):
        bench.owe(number)
    bench.log.error = CommitFailedError("disk full")
    for _ in range(3):
        await bench.backlog.settle()
    assert (len(bench.backlog), len(list(bench.inflight.open_slots())), bench.log.reserved) == (2, 2, 0)
    bench.log.error = None
    await bench.backlog.settle()
    assert len(bench.log.exchanges) == 2


async def test_a_log_without_room_is_not_tried(bench: Bench) -> None:
    """While it admits nobody, what was late may still be on its way into it."""
    bench.owe(1)
    bench.log.has_room = False
    await bench.backlog.settle()
    assert (bench.asked, bench.log.exchanges, len(bench.backlog)) == ([], [], 1)


async def test_a_journal_that_cannot_be_read_is_looked_at_again(bench: Bench) -> None:
    """Nothing is written unseen."""

    def unreadable(mark: tuple[int, int]) -> list[str]:
        raise FileNotFoundError(mark)

    bench.backlog._event_ids_since = unreadable
    bench.owe(1)
    await bench.backlog.settle()
    assert (bench.log.exchanges, len(bench.backlog)) == ([], 1)


async def owing(journal: Journal, folder: Path) -> tuple[Backlog, list[EncodedEvent]]:
    """A backlog over a real journal, with an exchange that it has just refused."""
    inflight, log = InFlightFile(folder / "inflight", 1), DurableLog(journal)
    rule = ChargeRule("reserved", SNAPSHOT.prices)
    backlog = Backlog(log, inflight, BOOT, rule, journal.event_ids_since, a_share(folder).budgets)
    events = exchange()
    segment, size = journal.mark()
    slot = fill(inflight, in_flight(exchange_id=events[0].exchange_id, segment=segment, segment_bytes=size))
    with pytest.raises(EventLogError):
        await log.commit(events)
    backlog.keep(slot, events)
    return backlog, events


async def test_a_disk_that_was_full_has_it_once(tmp_path: Path) -> None:
    """In its turn: no sequence number is missing, none is given twice."""
    disk = FailingDisk()
    journal = begun(tmp_path, disk=disk)
    journal.write_now(before := exchange())
    disk.fail = lambda _: OSError(errno.ENOSPC, "full")
    backlog, events = await owing(journal, tmp_path)
    await backlog.settle()
    assert len(backlog) == 1
    disk.fail = lambda _: None
    for _ in range(2):
        await backlog.settle()
    await journal.close()
    assert ids_in(tmp_path) == ids_of([before, events])
    assert set(map(tuple, sequences_in(tmp_path).values())) == {(1, 2)}
    assert len(backlog) == 0


async def test_a_disk_that_was_slow_has_it_once(tmp_path: Path) -> None:
    """It was late, not lost: nothing is written while that is not known, and nothing behind it."""
    goes_on = threading.Event()

    class SlowDisk(FailingDisk):
        def sync(self, descriptor: int) -> None:
            goes_on.wait(10)
            super().sync(descriptor)

    goes_on.set()
    journal = begun(tmp_path, disk=SlowDisk(), sync="full", commit_timeout_seconds=0.05)
    goes_on.clear()
    backlog, events = await owing(journal, tmp_path)
    await backlog.settle()
    assert len(backlog) == 1
    goes_on.set()
    async with asyncio.timeout(5):
        while len(backlog):
            await backlog.settle()
            await asyncio.sleep(0.005)
    await journal.close()
    assert ids_in(tmp_path) == ids_of([events])


@pytest.mark.parametrize(("has_events", "charged"), [(True, 40), (False, 70)])
async def test_what_is_owed_is_charged_as_it_is_recorded(bench: Bench, has_events: bool, charged: int) -> None:
    """With its own events what it cost, as an interrupted one what was held; until then it stays held."""
    rows = BudgetRows(bench.share.table).hold([Budget((APP_SCOPE, 1, 0, 0), 1 << 60, 1000)], 70, anyway=True)
    assert isinstance(rows, tuple)
    slot = fill(bench.inflight, in_flight(reserved_nanos=70, rows=rows))
    bench.inflight.price(slot, Worth(40, 1, 2))
    bench.backlog.keep(slot, exchange() if has_events else [])
    assert held_in(bench.share.table) == [(70, 1)]
    await bench.backlog.settle()
    assert (held_in(bench.share.table), spent_in(bench.share.table, APP_SCOPE)) == ([(0, 0)], charged)
