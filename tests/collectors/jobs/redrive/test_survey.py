"""One look at all letters: which go where, which are settled, and which are left; on journals and on a real Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collectors.jobs.redrive.routing import Left, Routing, Target
from collectors.jobs.redrive.survey import Group, Survey, Surveyor, Wanted, ranges_of, topics_of
from collectors.operations.log import Log
from collectors.operations.marks import Marks, letter_id, mark_of
from collectors.settings import Settings
from schemas.events import Kind
from sluice.eventlog.interface import Partition, Record, StoredRecord
from tests.collectors.jobs.redrive.benches import letters_of, made, with_facts
from tests.collectors.operations.benches import log_of
from tests.contracts.eventlog_laws import JournalBench, KafkaBench, exchanges, on_durable_logs

STORE = Target("store", ("store",))
ENTRIES: list[dict[str, Any]] = [{"name": "store", "path": "sink://stdout"}]
PLACE = Partition("t", 0)
ANALYTICS: tuple[Kind, ...] = ("analytics",)


def of(bench: JournalBench, letters: Sequence[Record]) -> list[Record]:
    """The same in the namespace of a bench."""
    topic, namespace = bench.topics.event("analytics"), bench.topics.namespace.encode()
    return [
        with_facts(each, topic=topic.name.encode(), group=namespace + b".store")._replace(
            topic=topic.dead_letters().name
        )
        for each in letters
    ]


async def looked(log: Log, wanted: Wanted, marks: Marks | None = None) -> Survey:
    """All that there is."""
    routing = Routing(Settings.model_validate({"data_collection_plugins": ENTRIES}), log.topics)
    ranges = await ranges_of(log, wanted.kinds)
    ends = {partition: found.end for partition, found in ranges.items()}
    return await Surveyor(log, routing, wanted, marks or Marks()).look(ranges, ends)


@on_durable_logs()
async def test_each_letter_is_in_one_place(bench: JournalBench) -> None:
    """Chosen, left or settled; groups count all but the settled, and successors settle what they took the place of."""
    await bench.commit(exchanges(2))
    publisher = bench.publisher()
    letters = of(bench, letters_of(made(6)))
    letters[0] = with_facts(letters[0], redrives=b"9")
    await publisher.publish(letters)
    log, marks = log_of(bench), Marks()
    first = await looked(log, Wanted())
    assert (first.looked_at, first.matched, [each.code for each in first.left]) == (6, 5, ["max_redrives"])
    places = [(partition, offset) for partition, found in first.chosen[STORE].items() for offset in found]
    settled, taken = places[0], letter_id(*places[1])
    mark = mark_of("t", letter_id(*settled), "delivered", "j", "now", "me")
    marks.learn(StoredRecord("t", 0, 0, 0, mark.key, mark.value))
    successor = with_facts(letters[1], redrives=b"1", redriven_from=taken.encode())
    await publisher.publish([successor])
    second = await looked(log, Wanted(), marks)
    assert (second.looked_at, second.matched, second.settled) == (7, 4, {"delivered": 1, "superseded": 1})
    assert second.unmarked == [taken]
    assert sum(row["count"] for row in second.rows() if row["goes_to"] == "store") == second.matched
    again = await looked(log, Wanted(ids=frozenset({taken})), marks)
    assert (again.matched, again.seen_ids) == (0, {taken}), "its successor is seen although it is not meant"


@on_durable_logs()
async def test_what_comes_later_is_not_meant(bench: JournalBench) -> None:
    """Behind the end that was fixed."""
    publisher = bench.publisher()
    await publisher.publish(of(bench, letters_of(made(2))))
    log = log_of(bench)
    ranges = await ranges_of(log, ())
    await publisher.publish(of(bench, letters_of(made(3))))
    routing = Routing(Settings.model_validate({"data_collection_plugins": ENTRIES}), log.topics)
    ends = {partition: found.end for partition, found in ranges.items()}
    survey = await Surveyor(log, routing, Wanted(), Marks()).look(await ranges_of(log, ()), ends)
    assert survey.matched == 2


@on_durable_logs()
async def test_only_where_letters_can_lie_is_looked(bench: JournalBench) -> None:
    """Journals of collectors; of Kafka the topics of these kinds."""
    await bench.commit(exchanges(1))
    await bench.publisher().publish(of(bench, letters_of(made(1))))
    log = log_of(bench)
    ranges = await ranges_of(log, ANALYTICS)
    if isinstance(bench, KafkaBench):
        assert {each.topic for each in ranges} == set(topics_of(log, ANALYTICS))
    else:
        assert all(each.topic.startswith("collectors/") for each in ranges)
    assert len(topics_of(log, ())) == 3


@given(st.lists(st.integers(0, 1_000), unique=True), st.lists(st.integers(0, 1_000)))
def test_choosing_and_withdrawing(chosen: list[int], withdrawn: list[int]) -> None:
    """Whatever the order, offsets ascend, and what was withdrawn is gone."""
    survey, groups = Survey(), [Group(reason, "c", "analytics", 0) for reason in "ab"]
    for offset in chosen:
        survey.choose(STORE, groups[offset % 2], PLACE, offset)
    left = set(chosen)
    for offset in withdrawn:
        assert (survey.withdraw(PLACE, offset) is not None) is (offset in left)
        left.discard(offset)
    assert [*survey.chosen.get(STORE, {}).get(PLACE, [])] == sorted(left)
    assert survey.matched == len(left)


def test_rows_say_where_each_group_goes() -> None:
    """The most first; several entries with their service."""
    survey = Survey()
    several = Target("s", ("a", "b"))
    for number, target in ((1, STORE), (3, several)):
        for offset in range(number):
            survey.choose(target, Group("r", "c", "analytics", number), PLACE, 10 * number + offset)
    for letter in ("t/0/1", "t/0/2"):
        survey.leave(Left("foreign", "why"), Group("r", "c", "analytics", 0), letter)
    assert [(row["count"], row["goes_to"]) for row in survey.rows()] == [
        (3, "s (a, b)"),
        (2, "left: foreign"),
        (1, "store"),
    ]
    assert survey.left_ids == {Left("foreign", "why"): "t/0/1"}
