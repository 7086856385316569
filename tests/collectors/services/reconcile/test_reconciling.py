"""Whole comparisons on real logs and a real database: whatever differs is named, and nothing else is."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from schemas.events import KINDS
from sluice.eventlog.interface import Boot
from tests.collectors.operations.benches import letter
from tests.collectors.services.reconcile.desk import BOOT, Desk, of, on_a_journal, report_of
from tests.contracts.eventlog_laws import JournalBench, on_durable_logs


def rows(bench: JournalBench, name: str = "rows") -> dict[str, Any]:
    """An entry of a database of its own."""
    return {"name": name, "path": "sink://database", "config": {"url": f"sqlite:///{bench._folder}/{name}.db"}}


def change(bench: JournalBench, statement: str, *values: Any, name: str = "rows") -> int:
    """By hand, in the sink."""
    with sqlite3.connect(Path(bench._folder) / f"{name}.db") as connection:
        return connection.execute(statement, values).rowcount


@on_a_journal
async def test_what_is_equal_is_said_to_be(bench: JournalBench) -> None:
    """Every event in the sink, every report kept: no difference, with the figures of each."""
    desk = Desk(bench, rows(bench))
    await desk.publish(20)
    await desk.report(report_of(bench, last_sequences=dict.fromkeys(KINDS, 20)))
    await desk.store("rows")
    await desk.acknowledge("rows", 60)
    findings = await desk.compare()
    assert findings.is_equal
    assert findings.items == []
    for kind in KINDS:
        found = of(findings, "rows", kind)
        assert (found.in_log, found.expected, found.in_sink, dict(found.explained)) == (20, 20, 20, {})
    assert [(each.reported, each.missing) for each in findings.checks] == [(20, 0)] * 3


@on_a_journal
async def test_a_row_deleted_by_hand_is_named(bench: JournalBench) -> None:
    """By id and outcome, with its boot, its number and where the log has it; stored again it is equal."""
    desk = Desk(bench, rows(bench))
    ids = await desk.publish(9)
    await desk.store("rows")
    await desk.acknowledge("rows", 27)
    gone = next(event_id for event_id in ids[12:] if event_id.endswith("-a"))
    assert change(bench, "DELETE FROM analytics WHERE event_id = ?", gone) == 1
    findings = await desk.compare()
    assert not findings.is_equal
    [item] = findings.items
    assert (item.verdict, item.sink, item.kind, item.event_id) == ("missing", "rows", "analytics", gone)
    assert (item.boot, item.outcome) == (BOOT, "ok")
    assert item.numbers.count == 1
    assert item.place.rpartition("/")[2].isdecimal()
    assert of(findings, "rows", "analytics").missing == 1
    await desk.store("rows")
    assert (await desk.compare()).is_equal


@on_a_journal
async def test_a_row_of_nobody_is_named(bench: JournalBench) -> None:
    """It is in the sink and was never in the log; without it all is equal."""
    desk = Desk(bench, rows(bench))
    await desk.publish(5)
    await desk.store("rows")
    await desk.acknowledge("rows", 15)
    copied = "INSERT INTO budget_usage SELECT * FROM temporary"
    with sqlite3.connect(Path(bench._folder) / "rows.db") as connection:
        connection.execute("CREATE TEMP TABLE temporary AS SELECT * FROM budget_usage LIMIT 1")
        connection.execute("UPDATE temporary SET event_id = 'forged-b', sequence = 77, outcome = 'made_up'")
        connection.execute(copied)
        connection.execute("UPDATE temporary SET event_id = 'forged-c', sequence = 2")  # beside the real one
        connection.execute(copied)
    findings = await desk.compare()
    found = of(findings, "rows", "budget")
    assert (found.missing, found.surplus, found.in_sink) == (0, 2, 7)
    assert [(item.verdict, item.event_id, item.outcome) for item in findings.items] == [
        ("surplus", "forged-b", "made_up"), ("surplus", "forged-c", "made_up"),
    ]  # fmt: skip
    change(bench, "DELETE FROM budget_usage WHERE event_id LIKE 'forged%'")
    assert (await desk.compare()).is_equal


@on_a_journal
async def test_a_gap_has_its_numbers(bench: JournalBench) -> None:
    """What a gateway reported and the log lacks, by boot and sequence; of a boot without any event too."""
    desk = Desk(bench, rows(bench))
    await desk.publish(4)
    other = Boot("gateway-9", "w3", "gone")
    await desk.report(
        report_of(bench, last_sequences={"proxy_log": 4, "analytics": 7, "budget": 4}),
        report_of(bench, other, last_sequences={"proxy_log": 2, "analytics": 0, "budget": 0}, closing=True),
    )
    findings = await desk.compare(expects_all=True, sinks=("rows",), kinds=("proxy_log", "analytics"))
    gaps = [item for item in findings.items if item.verdict == "gap"]
    assert {(item.kind, item.boot, str(item.numbers)) for item in gaps} == {
        ("analytics", BOOT, "5-7"), ("proxy_log", other, "1-2"),
    }  # fmt: skip
    assert [each.missing for each in findings.checks] == [2, 3]


@on_durable_logs()
async def test_what_is_under_way_is_no_difference(bench: JournalBench) -> None:
    """Behind what the group has acknowledged nothing is missing, unless it is asked for."""
    desk = Desk(bench, rows(bench))
    await desk.publish(6)
    await desk.store("rows")
    await desk.acknowledge("rows", 18)
    await desk.publish(3)
    findings = await desk.compare()
    assert findings.is_equal
    assert dict(of(findings, "rows", "analytics").explained) == {"in_flight": 3}
    strict = await desk.compare(expects_all=True)
    assert [of(strict, "rows", kind).missing for kind in KINDS] == [3, 3, 3]


@on_a_journal
async def test_dead_letters_explain(bench: JournalBench) -> None:
    """An event that this collector buried is not missing; one that another collector buried is."""
    desk = Desk(bench, rows(bench))
    ids = [event_id for event_id in await desk.publish(3) if event_id.endswith("-a")]
    await desk.store("rows", lambda event_id: event_id not in ids[:2])
    await desk.acknowledge("rows", 9)

    def buried(event_id: str, collector: str) -> Any:
        made = letter(bench, b"", "row_refused", collector=collector, redrives="2")
        return made._replace(headers=(("ce_id", event_id.encode()), *made.headers[1:]))

    await desk.report(buried(ids[0], "rows"), buried(ids[1], "search"))
    findings = await desk.compare()
    found = of(findings, "rows", "analytics")
    assert (found.missing, found.explained["dead_lettered"]) == (1, 1)
    by_verdict = {item.verdict: item for item in findings.items}
    assert (by_verdict["missing"].event_id, by_verdict["dead_lettered"].event_id) == (ids[1], ids[0])
    assert by_verdict["dead_lettered"].why == "row_refused, redriven 2 times"


@on_a_journal
async def test_what_is_not_selected_is_not_missing(bench: JournalBench) -> None:
    """By include, exclude, sample and kind of the entry, as the collectors decide it."""
    wanted = {"include": {"apps": [7]}, "exclude": {"outcomes": ["refused_*"]}, "hook_types": ["analytics"]}
    desk = Desk(bench, {**rows(bench), **wanted})
    await desk.publish(4, app_id=7, outcome="ok")
    await desk.publish(3, app_id=8, outcome="ok")
    await desk.publish(2, app_id=7, outcome="refused_by_budget")
    await desk.acknowledge("rows", 27)
    findings = await desk.compare()
    [found] = findings.comparisons
    assert (found.in_log, found.expected, found.missing, dict(found.explained)) == (9, 4, 4, {"filtered": 5})


@on_a_journal
async def test_ids_decide_where_numbers_do_not(bench: JournalBench) -> None:
    """A row that lost its number is there by its id, no matter what stands in it now."""
    desk = Desk(bench, rows(bench))
    await desk.publish(5)
    await desk.store("rows")
    await desk.acknowledge("rows", 15)
    change(bench, "UPDATE analytics SET sequence = 0 WHERE sequence = 2")
    change(bench, "UPDATE analytics SET sequence = 900 WHERE sequence = 3")
    findings = await desk.compare()
    found = of(findings, "rows", "analytics")
    assert findings.is_equal
    assert (found.unnumbered, found.explained["by_id"], found.surplus) == (1, 2, 0)
