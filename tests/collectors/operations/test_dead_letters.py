"""``sluice dead-letters``: found by what they are, counted, and shown whole, on journals and on a real Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from collectors.operations.dead_letters import (
    LetterOptions,
    Wanted,
    count,
    dead_letters,
    known_marks,
    letters,
    place_of,
    show_all,
    show_one,
)
from collectors.operations.log import Log
from collectors.operations.marks import Marks, Settled, mark_of
from collectors.operations.running import UsageError
from collectors.settings import HostSettings
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError, Partition, StoredRecord
from tests.collectors.events import make_record
from tests.collectors.operations.benches import DAMAGED, Seen, letter, log_of
from tests.contracts.eventlog_laws import JournalBench, exchanges, on_durable_logs


@on_durable_logs()
async def test_they_are_found_counted_and_shown(bench: JournalBench) -> None:
    """By reason and collector; with the headers they came with, why, and the event where it can be read."""
    await bench.commit(exchanges(2))
    event = make_record("analytics")
    made = [
        letter(bench, event.value, "time_out_of_range", collector="archive"),
        letter(bench, DAMAGED),
        letter(bench, DAMAGED),
        letter(bench, None, "null_value"),
    ]
    await bench.publisher().publish(made)
    log, everything, some, counts = log_of(bench), Seen(), Seen(), Seen()
    assert await show_all(letters(log, Wanted()), everything.printer) == 1
    assert len(everything.documents) == 4
    await show_all(letters(log, Wanted(reason="bad_body", collector="search")), some.printer, limit=1)
    [found] = some.documents
    assert (found["dead_letter"]["error.type"], found["event"], found["headers"]) == (
        "bad_body",
        None,
        {"ce_id": "x-a"},
    )
    assert await count(letters(log, Wanted()), counts.printer) == 1
    assert [tuple(each.values()) for each in counts.documents] == [
        (2, "bad_body", "search", "analytics"),
        (1, "null_value", "search", "analytics"),
        (1, "time_out_of_range", "archive", "analytics"),
    ]
    [at] = [each["id"] for each in everything.documents if each["dead_letter"]["collector"] == "archive"]
    whole = Seen(as_json=False)
    assert await show_one(log, at, whole.printer) == 0
    text = whole.out.getvalue()
    assert "error.type               time_out_of_range" in text
    assert "ce_id" in text
    assert "model_name               gpt-4o" in text


@on_durable_logs()
async def test_none_is_well(bench: JournalBench) -> None:
    """Exit code 0, and a line that says so; of a kind, a time or a reason that none has as well."""
    await bench.commit(exchanges(1))
    log, seen = log_of(bench), Seen(as_json=False)
    assert await show_all(letters(log, Wanted()), seen.printer) == 0
    await bench.publisher().publish([letter(bench, DAMAGED)])
    for wanted, from_ms in (
        (Wanted(kind="budget"), 0),
        (Wanted(reason="x"), 0),
        (Wanted(), now_micros() // 1_000 + 9_999),
    ):
        assert await count(letters(log, wanted, from_ms), seen.printer) == 0
    assert await count(letters(log, Wanted(), 0, 1), seen.printer) == 0, "none is before 1970"
    assert seen.lines == ["no dead letters"] * 5


@on_durable_logs()
async def test_what_is_not_there_is_said(bench: JournalBench) -> None:
    """An id that nothing lies at, or something else."""
    await bench.commit(exchanges(1))
    await bench.publisher().publish([letter(bench, DAMAGED)])
    log, seen = log_of(bench), Seen()
    await show_all(letters(log, Wanted()), seen.printer)
    [found] = seen.documents
    where, _, offset = found["id"].rpartition("/")
    with pytest.raises(UsageError, match="nothing lies at"):
        await show_one(log, f"{where}/{int(offset) + 1}", seen.printer)
    with pytest.raises(UsageError, match="nothing lies at"):
        await show_one(log, "elsewhere/0/0", seen.printer)


def marks_of(*letters: tuple[str, str]) -> Marks:
    """As a redrive left them."""
    marks = Marks()
    for found, outcome in letters:
        mark = mark_of("t", found, cast("Settled", outcome), "job", "now", "me")
        marks.learn(StoredRecord("t", 0, 0, 0, mark.key, mark.value))
    return marks


@on_durable_logs()
async def test_open_ones_are_told_from_settled_ones(bench: JournalBench) -> None:
    """Only the open are shown, and make it exit with 1; with all of them each has its state."""
    await bench.commit(exchanges(1))
    await bench.publisher().publish([letter(bench, DAMAGED, redrives="2"), letter(bench, DAMAGED, "other")])
    log, seen = log_of(bench), Seen()
    await show_all(letters(log, Wanted()), seen.printer)
    first, second = (each["id"] for each in sorted(seen.documents, key=lambda each: each["dead_letter"]["error.type"]))
    one, both = marks_of((first, "delivered")), marks_of((first, "delivered"), (second, "superseded"))
    some, everything, counts, texts = Seen(), Seen(), Seen(), Seen(as_json=False)
    assert await show_all(letters(log, Wanted(), marks=one), some.printer) == 1
    assert [each["id"] for each in some.documents] == [second]
    assert await show_all(letters(log, Wanted(), marks=both), some.printer) == 0
    assert await show_all(letters(log, Wanted(), marks=one), everything.printer, all_of_them=True) == 1
    assert {each["id"]: each["state"] for each in everything.documents} == {first: "delivered", second: "open"}
    assert await count(letters(log, Wanted(), marks=both), counts.printer, all_of_them=True) == 0
    assert [tuple(each.values()) for each in counts.documents] == [
        (1, "bad_body", "search", "analytics", "delivered"),
        (1, "other", "search", "analytics", "superseded"),
    ]
    await show_all(letters(log, Wanted(), marks=both), texts.printer)
    await count(letters(log, Wanted(), marks=both), texts.printer)
    assert texts.lines == ["no open dead letters; 2 were redriven: --all shows them"] * 2
    await show_all(letters(log, Wanted(), marks=one), texts.printer, all_of_them=True)
    assert "STATE" in texts.lines[2]
    await show_one(log, first, texts.printer, one)
    assert any(line.endswith("  delivered") and first in line for line in texts.lines)


async def test_marks_that_cannot_be_read_hold_up_nothing(tmp_path: Path) -> None:
    """All letters are then open, and that is said."""
    log, seen = Log(HostSettings(data_dir=tmp_path)), Seen()

    class Away:
        async def ranges(self, _topics: object) -> Any:
            message = "Kafka is away"
            raise EventLogError(message)

    log.reader = cast("Any", Away())
    assert not (await known_marks(log, seen.printer)).counts()
    assert "all letters are shown as open: Kafka is away" in seen.err.getvalue()


@pytest.mark.parametrize("text", ["", "x", "a/b/c", "a/1", "a/1/-2", "a/1/2 "])
def test_an_id_that_is_none_says_what_one_is(text: str) -> None:
    """As ``list`` shows it."""
    with pytest.raises(UsageError, match="TOPIC/PARTITION/OFFSET"):
        place_of(text)
    assert place_of("collectors/audit/0/4294967301") == (Partition("collectors/audit", 0), 4_294_967_301)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (LetterOptions("purge"), "none of list, show, count"),
        (LetterOptions(wanted=Wanted(kind="x")), "--kind"),
        (LetterOptions(since="x"), "--from"),
        (LetterOptions(until="x"), "--to"),
        (LetterOptions("show", "x"), "TOPIC/PARTITION/OFFSET"),
    ],
)
async def test_what_cannot_be_is_refused(options: LetterOptions, error: str, tmp_path: Path) -> None:
    """With what can."""
    path = tmp_path / "sluice.yaml"
    path.write_text(f"data_dir: {tmp_path}\n")
    with pytest.raises(UsageError, match=error):
        await dead_letters(path, options, Seen().printer)
