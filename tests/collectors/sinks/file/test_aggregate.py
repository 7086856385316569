"""The totals of budgets: to the nano, in a file that is whole at any moment, and unchanged by what comes again."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.file.aggregate import FILE_NAME, AggregateFile, AggregateStore, usages
from collectors.sinks.offset_names import OffsetNames
from collectors.sinks.ordering import Placed, Position, placed
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition
from tests.collectors.events import NOW_MICROS
from tests.contracts.sink_laws import LogPart

TOPIC = "sluice.budget.v1"
DAY_MICROS = 86_400_000_000


def store(path: Path, partition: int = 0) -> AggregateStore:
    """One process's."""
    return AggregateStore(AggregateFile(path), OffsetNames(TOPIC, Partition(TOPIC, partition)), least_epoch=0)


def events(log: LogPart, count: int = 1, **changes: Any) -> list[Placed]:
    """Budget events."""
    frame = log.frame("budget", count, **changes)
    return placed(frame, usages(frame.rows))


def totals(path: Path) -> dict[str, dict[str, Any]]:
    """What the file says."""
    found: dict[str, dict[str, Any]] = json.loads((path / FILE_NAME).read_bytes())["totals"]
    return found


def test_totals_by_app_llm_and_month(tmp_path: Path) -> None:
    """Under the reference's key; an app or LLM that was not known is 0; the month is that of admission, UTC."""
    log, made = LogPart(), store(tmp_path)
    made.append(events(log, 3))
    made.append(events(log, 1, app_id=None, llm_id=None))
    made.append(events(log, 1, occurred_at=NOW_MICROS + 10 * DAY_MICROS))
    found = totals(tmp_path)
    assert set(found) == {"app_7_llm_3_2025-11", "app_0_llm_0_2025-11", "app_7_llm_3_2025-12"}
    assert found["app_7_llm_3_2025-11"] == {
        "app_id": 7, "llm_id": 3, "month": "2025-11", "tokens_used": 138, "prompt_tokens": 36,
        "completion_tokens": 102, "requests_count": 3, "cost_nanos": {"USD": 370_370_367},
        "cost": {"USD": "0.370370367"},
    }  # fmt: skip


def test_currencies_are_not_added(tmp_path: Path) -> None:
    """Each is a sum of its own."""
    log, made = LogPart(), store(tmp_path)
    made.append(
        events(log, 1, currency="EUR", cost_nanos=5) + events(log, 1, cost_nanos=7) + events(log, 1, cost_nanos=-2)
    )
    [total] = totals(tmp_path).values()
    assert total["cost_nanos"] == {"EUR": 5, "USD": 5}


def test_sums_beyond_64_bits(tmp_path: Path) -> None:
    """They stay exact, through a restart too."""
    log = LogPart()
    for _ in range(3):
        store(tmp_path).append(events(log, 3, cost_nanos=2**63 - 1))
    [total] = totals(tmp_path).values()
    assert int(total["cost_nanos"]["USD"]) == 9 * (2**63 - 1)
    assert total["cost"]["USD"] == "83010348331.692982263"


def test_what_comes_again_changes_nothing(tmp_path: Path) -> None:
    """Alone, in part, or by another process: the file says what it covers."""
    log, made = LogPart(), store(tmp_path)
    first, second = events(log, 5), events(log, 4)
    made.append(first)
    other = store(tmp_path)
    assert other.open(first[0]) == Position(105, first[-1].appended_at_ms)
    other.append([*first, *second])
    made.append([*first, *second])
    assert totals(tmp_path)["app_7_llm_3_2025-11"]["requests_count"] == 9


def test_partitions_are_covered_each(tmp_path: Path) -> None:
    """The same offset of another partition is another event."""
    for number in range(3):
        store(tmp_path, number).append(events(LogPart(number), 2))
    assert totals(tmp_path)["app_7_llm_3_2025-11"]["requests_count"] == 6


def test_a_log_that_begins_anew_adds_to_what_is_there(tmp_path: Path) -> None:
    """Totals go on, offsets begin again, and a restart knows which epoch it is."""
    made = store(tmp_path)
    made.append(events(LogPart(), 2))
    assert made.begin_epoch() == Position()
    again = events(LogPart(first_offset=0), 3)
    made.append(again)
    after = store(tmp_path)
    assert after.open(again[0]).next_offset == 3
    assert totals(tmp_path)["app_7_llm_3_2025-11"]["requests_count"] == 5


def test_processes_add_to_the_same_file(tmp_path: Path) -> None:
    """At once, each with its partition, and with redeliveries: nothing is lost between reading and replacing."""

    def feed(number: int) -> None:
        chance, log, made = random.Random(number), LogPart(number), store(tmp_path, number)
        sent: list[Placed] = []
        for _ in range(10):
            sent += events(log, 2)
            made.append(sent[-chance.randint(2, 6) :])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(feed, range(4)))
    assert totals(tmp_path)["app_7_llm_3_2025-11"]["requests_count"] == 80


def test_killed_before_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file is whole; what was not in it comes again and is added once."""
    log, made = LogPart(), store(tmp_path)
    made.append(events(log, 2))
    more = events(log, 3)

    def killed(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Retryable):
            made.append(more)
    assert totals(tmp_path)["app_7_llm_3_2025-11"]["requests_count"] == 2
    made.append(more)
    assert totals(tmp_path)["app_7_llm_3_2025-11"]["requests_count"] == 5
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"totals":{},"covers":[]}', b"\0", b'{"totals":{"a":{}},"covers":{}}']
)
def test_a_file_of_something_else_halts(tmp_path: Path, content: bytes) -> None:
    """It is not overwritten: the totals of months that the log has no more may be in it."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(Halt, match="move it away"):
        store(tmp_path).append(events(LogPart()))
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_folder_that_is_none_halts(tmp_path: Path) -> None:
    """As for files."""
    path = tmp_path / "x"
    path.touch()
    with pytest.raises(Halt):
        store(path).open(events(LogPart())[0])


def test_nobody_waits_for_a_dead_process(tmp_path: Path) -> None:
    """The lock file of one that was killed holds nobody up."""
    (tmp_path / f".{FILE_NAME}.lock").touch()
    store(tmp_path).append(events(LogPart()))
    assert (tmp_path / FILE_NAME).stat().st_size > 0


def test_a_log_with_another_id_adds_to_what_is_there(tmp_path: Path) -> None:
    """Made anew with its clock set back: its first records are no duplicates of those that had their offsets."""
    total = 0
    for log_id, count in (("a", 3), ("b", 2)):
        log, lane = LogPart(), Lane(Partition(TOPIC, 0), log_id)
        documents = [each._replace(lane=lane) for each in events(log, count)]
        made = store(tmp_path)
        assert made.open(documents[0]) == Position()
        made.append(documents)
        again = store(tmp_path)
        assert again.open(documents[0]).next_offset == documents[-1].offset + 1
        total += count
    [found] = totals(tmp_path).values()
    assert found["requests_count"] == total
