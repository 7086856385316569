"""What comes of a redriven event is what the decision table says of the collectors that it is given to, alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.collectors.deciding import Answer
from tests.collectors.events import record_of
from tests.collectors.jobs.redrive.benches import QUICK, Bench, ids_of, letters_of, made

FALLBACK_FILE = "data/events.db"
DAMAGED = b"\xc3\x01garbage of no schema at all"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A host."""
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("answer", "entry", "state", "is_stored"),
    [
        ("handled", {"replace_database": True}, "delivered", False),
        ("handled", {"replace_database": False}, "delivered", True),
        ("passed", {"replace_database": True}, "fallback", True),
        ("passed", {"replace_database": False}, "fallback", True),
        ("passed", {"fallback": "none"}, "passed", False),
        ("handled", {"fallback": "none"}, "delivered", False),
        ("handled", {"include": {"apps": [9]}}, "filtered", False),
        ("handled", {"hook_types": ["budget"]}, "filtered", False),
    ],
)
async def test_rows_of_the_table(
    bench: Bench, answer: Answer, entry: dict[str, Any], state: str, is_stored: bool
) -> None:
    """Rows 1 to 3, 11 and 16: the fallback has what the table says, and the letter is settled either way."""
    records = made(3)
    bench.write(bench.scripted("store", answer, **entry))
    await bench.publish(letters_of(records))
    code, report, _ = await bench.redrive()
    assert (code, report["matched"]) == (0, 3)
    assert (bench.stored(file=FALLBACK_FILE) == ids_of(records)) is is_stored
    assert [each["state"] for each in (await bench.letters(all_of_them=True))[1]] == [state] * 3
    assert set(bench.scripts["store"].calls.values()) <= {1}


async def test_one_that_is_given_up_again(bench: Bench) -> None:
    """Row 8: its fallback stores it, and it is a dead letter again, which the next redrive may deliver."""
    records = made(2)
    bench.write(bench.scripted("store", "failed", "failed", "handled", max_attempts=2))
    await bench.publish(letters_of(records, "plugin_failed"))
    code, report, _ = await bench.redrive()
    assert (code, report["failed"], report["undecodable"]) == (1, 2, 0)
    assert bench.stored(file=FALLBACK_FILE) == ids_of(records)
    _, found = await bench.letters()
    assert [(each["dead_letter"]["redrives"], each["dead_letter"]["attempts"]) for each in found] == [("1", "2")] * 2
    code, report, _ = await bench.redrive()
    assert (code, report["written"]) == (0, 2)
    assert await bench.letters() == (0, [])


async def test_only_the_collector_that_refused_it_is_called(bench: Bench) -> None:
    """The others of its service are done with it."""
    records = made(2)
    shared = {"service": "s", "replace_database": True}
    bench.write(bench.scripted("a", "handled", **shared), bench.scripted("b", "handled", **shared))
    await bench.publish(letters_of(records, "plugin_failed", collector="b", service="s"), "s")
    code, report, _ = await bench.redrive()
    assert (code, report["written"]) == (0, 2)
    assert (len(bench.scripts["a"].calls), len(bench.scripts["b"].calls)) == (0, 2)


async def test_what_nobody_could_decode_goes_to_all_of_its_service(bench: Bench) -> None:
    """Or to the one that is named, alone."""
    records = made(4)
    shared = {"service": "s", "replace_database": True}
    bench.write(bench.scripted("a", "handled", **shared), bench.scripted("b", "passed", **shared))
    letters = letters_of(records, "unknown_schema", collector="", service="s")
    await bench.publish(letters[:2], "s")
    code, report, _ = await bench.redrive()
    assert (code, report["written"]) == (0, 2)
    assert (len(bench.scripts["a"].calls), len(bench.scripts["b"].calls)) == (2, 2)
    await bench.publish(letters[2:], "s")
    code, report, _ = await bench.redrive(collector="a")
    assert (code, report["written"]) == (0, 2)
    assert report["notes"] == [
        "2 that service s could not decode go to a alone, as --collector says; b will not have them"
    ]
    assert (len(bench.scripts["a"].calls), len(bench.scripts["b"].calls)) == (4, 2)


async def test_two_that_refuse_it_are_two_letters(bench: Bench) -> None:
    """One that takes it and one that does not: a letter of the second, and the first is not called again."""
    shared = {"service": "s", "replace_database": True, "max_attempts": 1}
    bench.write(bench.scripted("a", "handled", **shared), bench.scripted("b", "failed", "handled", **shared))
    await bench.publish(letters_of(made(1), "unknown_schema", collector="", service="s"), "s")
    code, report, _ = await bench.redrive()
    assert (code, report["failed"]) == (1, 1)
    [left] = (await bench.letters())[1]
    assert left["dead_letter"]["collector"] == "b"
    assert (await bench.redrive())[0] == 0
    assert (bench.scripts["a"].calls.total(), bench.scripts["b"].calls.total()) == (1, 2)


async def test_one_refusal_of_two_before_a_kill(bench: Bench) -> None:
    """The one that had made its new letter is not called for the old one again; the other is."""
    shared = {"service": "s", "replace_database": True, "max_attempts": 1}
    bench.write(bench.scripted("a", "handled", **shared), bench.scripted("b", "handled", **shared))
    records = made(1)
    await bench.publish(letters_of(records, "unknown_schema", collector="", service="s"), "s")
    [old] = (await bench.letters())[1]
    [new] = letters_of(records, "plugin_failed", collector="a", service="s")
    new = new._replace(headers=(*new.headers, ("dlq.redrives", b"1"), ("dlq.redriven_from", old["id"].encode())))
    await bench.publish([new], "~redrive")
    code, report, _ = await bench.redrive()
    assert (code, report["matched"], report["written"]) == (0, 2, 2)
    assert (bench.scripts["a"].calls.total(), bench.scripts["b"].calls.total()) == (1, 1)


async def test_a_letter_of_the_fallback_goes_to_the_fallback(bench: Bench) -> None:
    """And to no collector; where the service has none any more it is left."""
    records = made(2)
    bench.write(bench.scripted("store", "handled"))
    await bench.publish(letters_of(records, collector="fallback"))
    code, report, _ = await bench.redrive()
    assert (code, report["written"]) == (0, 2)
    assert bench.stored(file=FALLBACK_FILE) == ids_of(records)
    assert not bench.scripts["store"].calls
    bench.write(bench.scripted("store", "handled", fallback="none"))
    await bench.publish(letters_of(records, collector="fallback"))
    code, report, _ = await bench.redrive()
    assert "service 'store' has no fallback" in report["problems"][0]


async def test_what_is_in_trouble_is_waited_for(bench: Bench) -> None:
    """A collector that raises is called again until it succeeds, and that it is waited for is said."""
    records = made(2)
    answers: list[Answer] = ["raises"] * 8
    bench.write(bench.scripted("store", *answers, "handled", replace_database=True, breaker={"max_failures": 0}))
    await bench.publish(letters_of(records))
    code, report, seen = await bench.redrive()
    assert (code, report["written"]) == (0, 2)
    assert set(bench.scripts["store"].calls.values()) == {9}
    assert "it is tried again. To stop: Ctrl-C; to go on later: --resume redrive-" in seen.err.getvalue()


async def test_limits_of_dead_letters_halt_no_redrive(bench: Bench) -> None:
    """They say that a live collector would have been halted."""
    bench.write(bench.database(dead_letter={"max_consecutive": 5}))
    broken = [record_of(DAMAGED, f"x-{number}") for number in range(20)]
    await bench.publish(letters_of(broken, "bad_body", collector=""))
    code, report, _ = await bench.redrive()
    assert (code, report["failed"]) == (1, 20)
    [note] = report["notes"]
    assert note.startswith(
        "a live collector would have halted: unknown_schema: more than dead_letter.max_consecutive (5)"
    )


async def test_files_get_each_event_once(bench: Bench) -> None:
    """A sink that writes by offsets: whatever part is redriven first, every event is in a file, and once."""
    records = made(6)
    folder = bench.folder / "files"
    entry = {
        "name": "store",
        "path": "sink://file",
        "config": {"output_directory": str(folder), "format": "jsonl"},
        **QUICK,
    }
    bench.write(entry)
    await bench.publish(letters_of(records[:3], "b") + letters_of(records[3:], "a"))
    assert (await bench.redrive(reasons=("a",)))[0] == 0
    assert (await bench.redrive())[0] == 0
    lines = [line for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert sorted(orjson.loads(line)["event_id"] for line in lines) == ids_of(records)
