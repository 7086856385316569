"""``sluice reconcile``: what may be asked, what is printed, and the exit code."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from collectors.operations.running import OK, WRONG, UsageError
from collectors.services.reconcile.once import Options, reconcile, show, write_csv
from collectors.services.reconcile.results import Comparison, Findings, Incomparable, Item, LogCheck
from sluice.eventlog.interface import Boot
from sluice.intervals import Intervals
from tests.collectors.operations.benches import Seen
from tests.collectors.services.reconcile.desk import BOOT, Desk, on_a_journal
from tests.contracts.eventlog_laws import JournalBench

MISSING = Item("missing", "rows", "budget", BOOT, Intervals.of([7]), "x-b", "ok", "2026-11-26T10:00:00Z", place="t/0/5")
GAP = Item("gap", "", "budget", Boot("=cmd()", "\x1b[31m", "b"), Intervals([(3, 4)]), why="reported")
FINDINGS = Findings(
    [LogCheck("budget", 1, 4, 2, items=[GAP])],
    [Comparison("rows", "budget", 0, 9, 8, 9, 3, 0, items=[MISSING]), Comparison("search", "budget", problem="away")],
    [Incomparable("lake", "files are not asked")],
    ["a note"],
)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options("now", "-1h"), "--from: 'now' is not before --to '-1h'"),
        (Options("yesterday"), "--from: 'yesterday' is no moment"),
        (Options(until="soon"), "--to: 'soon' is no moment"),
        (Options(kinds=("budgets",)), "--kind: 'budgets' is none of proxy_log, analytics, budget"),
    ],
)
def test_what_cannot_be_asked_is_told_with_what_can(options: Options, said: str) -> None:
    """Before anything is opened."""
    with pytest.raises(UsageError) as caught:
        options.question()
    assert said in str(caught.value)


def test_a_limit_of_nothing_is_all() -> None:
    """As everywhere."""
    assert Options(limit=0).question().limit > 1 << 40
    assert Options(kinds=("budget", "analytics")).question().kinds == ("analytics", "budget")


def test_eyes_see_figures_reasons_and_how_many_more() -> None:
    """Whatever names come from outside, nothing a terminal would obey."""
    seen = Seen(as_json=False)
    show(FINDINGS, Options().question(), seen.printer)
    text = seen.out.getvalue()
    for word in ("different", "unknown", "away", "cannot be compared", "files are not asked", "x-b", "3-4", "the log"):
        assert word in text
    assert "\x1b" not in text
    assert "rows budget: 2 more missing; list them with --limit 0" in seen.err.getvalue()
    assert "a note" in seen.err.getvalue()


def test_scripts_get_a_document_for_each() -> None:
    """Checks, comparisons, sinks that cannot be asked, then what differs."""
    seen = Seen()
    show(FINDINGS, Options().question(), seen.printer)
    assert [each.get("sink") for each in seen.documents] == [None, "rows", "search", "lake", "", "rows"]
    assert seen.documents[-1]["event_id"] == "x-b"


def test_a_spreadsheet_computes_nothing(tmp_path: Path) -> None:
    """Names that look like formulas are text; a file that cannot be written is the asker's to mend."""
    write_csv(tmp_path / "found.csv", FINDINGS.items)
    with (tmp_path / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["gateway_id"], rows[1]["event_id"], len(rows)) == ("'=cmd()", "x-b", 2)
    with pytest.raises(UsageError, match="--csv"):
        write_csv(tmp_path / "none" / "found.csv", [])


@on_a_journal
async def test_exit_codes(bench: JournalBench) -> None:
    """0 equal, 1 different; a sink that is not there, or cannot be asked, is a question that cannot be."""
    folder = Path(bench._folder)
    entry: dict[str, Any] = {
        "name": "rows",
        "path": "sink://database",
        "config": {"url": f"sqlite:///{folder}/rows.db"},
    }
    lake = {"name": "lake", "path": "sink://file"}
    desk = Desk(bench, entry, lake)
    (folder / "c.yaml").write_text(yaml.safe_dump({"data_collection_plugins": [entry, lake]}))
    kafka = {"namespace": bench.topics.namespace, "partitions": 2}
    (folder / "s.yaml").write_text(yaml.safe_dump({"data_dir": str(folder), "kafka": kafka}))
    await desk.publish(2)

    async def code(options: Options) -> int:
        return await reconcile(folder / "c.yaml", folder / "s.yaml", options, Seen().printer)

    assert await code(Options("-1h")) == OK  # nothing is acknowledged yet
    assert await code(Options("-1h", expects_all=True, csv=folder / "x.csv")) == WRONG
    assert len((folder / "x.csv").read_text().splitlines()) == 7
    await desk.store("rows")
    assert await code(Options("-1h", expects_all=True)) == OK
    with pytest.raises(UsageError, match="--sink: no sink 'rowz' that can be compared; there are: rows"):
        await code(Options(sinks=("rowz",)))
    with pytest.raises(UsageError, match="--sink: lake cannot be compared: files are not asked"):
        await code(Options(sinks=("lake",)))
