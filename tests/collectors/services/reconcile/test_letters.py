"""Dead letters by event and collector: the newest reason, also of letters that lost their headers."""

from __future__ import annotations

from collectors.jobs.origins import open_origin
from collectors.services.reconcile.letters import Letter, Letters, read_letters
from sluice.eventlog.interface import Record
from tests.collectors.operations.benches import letter
from tests.collectors.services.reconcile.desk import Desk, on_a_journal
from tests.contracts.eventlog_laws import JournalBench


def test_each_collector_has_its_own() -> None:
    """Another's letter says nothing; the last one counts."""
    letters = Letters()
    letters.add("x-a", "rows", Letter("old"))
    letters.add("x-a", "rows", Letter("new", "3"))
    letters.add("x-a", "search", Letter("other"))
    assert letters.of("x-a", ("rows",)) == Letter("new", "3")
    assert str(letters.of("x-a", ("rows",))) == "new, redriven 3 times"
    assert letters.of("x-a", ("nobody",)) is letters.of("y-a", ("rows",)) is None
    assert len(letters) == 2


@on_a_journal
async def test_they_are_read_from_the_log(bench: JournalBench) -> None:
    """By their header, or by their key where that was cut away; what has nothing at all harms nobody."""
    topic = bench.topics.event("budget").dead_letters().name
    cut = Record(topic, b"exchange", b"\xff", (("dlq.collector", b"rows"), ("dlq.error.type", b"too_large")))
    desk = Desk(bench)
    await desk.report(letter(bench, None, "bad_row", collector="rows"), cut, Record(topic, b"\xff\xfe", None, ()))
    origin = open_origin(desk.host)
    letters = await read_letters(origin, bench.topics, ("analytics", "budget"), 0)
    await origin.close()
    assert letters.of("x-a", ("rows",)) == Letter("bad_row")
    assert letters.of("exchange-b", ("rows",)) == Letter("too_large")
    assert len(letters) == 3
