"""Outcomes: each event is finished once, when all are done with it, and the fallback has exactly what is due to it."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.deliveries import Delivery, Frame
from collectors.outcomes import End, Outcomes, Role
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from sluice.eventlog.interface import PolledRecord
from tests.collectors.events import make_record, numbered, partition_of
from tests.collectors.frames import frame_of_records
from tests.collectors.memory import resident_bytes

BOOK = SchemaBook()
COLLECTORS = (Role.REPLACES, Role.SUPPLEMENTS)


def frame(count: int) -> Frame:
    """Events on two lanes, alternating."""
    made = frame_of_records(BOOK, numbered(make_record() for _ in range(count)))
    lanes = [Lane(partition_of(number=number)) for number in range(2)]
    made.delivery.lanes = [lanes[at % 2] for at in range(count)]
    return made


def key(record: PolledRecord, lane: Lane) -> tuple[int, int]:
    """Where a record stands in the log."""
    return id(lane), record.offset


def keys(delivery: Delivery) -> list[tuple[int, int]]:
    """Of these, in order."""
    return [key(record, lane) for record, lane in zip(delivery.records, delivery.lanes, strict=True)]


def is_due(ends: dict[Role, End]) -> bool:
    """The rule as the README has it."""
    if "revoked" in ends.values():
        return False
    if ends.get(Role.SUPPLEMENTS) == "handled":
        return True
    handled = "handled" in ends.values()
    return not handled and ends.get(Role.REPLACES) != "dead_lettered"


def outcome_of(ends: dict[Role, End], fallback: End | None) -> str:
    """What counts most of what was done."""
    done = {*ends.values(), *([fallback] if fallback in {"dead_lettered", "revoked"} else [])}
    for found, name in (("revoked", "revoked"), ("dead_lettered", "dead_lettered"), ("handled", "delivered")):
        if found in done:
            return name
    return "fallback" if fallback == "handled" else "passed"


@settings(deadline=None, max_examples=150)
@given(st.data(), st.integers(1, 8), st.booleans())
def test_whatever_the_order_each_event_ends_once(data: st.DataObject, count: int, has_fallback: bool) -> None:
    """Two collectors end in any order, in any pieces; outcome, fallback and what is remembered are as the rule says."""
    made, outcomes = frame(count), Outcomes(2, has_fallback=has_fallback)
    places = st.lists(st.integers(0, count - 1), unique=True).map(sorted)
    selected = {role: data.draw(st.just(list(range(count))) | places) for role in COLLECTORS}
    unwanted = outcomes.expect(made, list(selected.values()))
    work = [(role, at) for role, positions in selected.items() for at in positions]
    ends: dict[int, dict[Role, End]] = {at: {} for at in range(count)}
    for role, at in work:
        ends[at][role] = data.draw(st.sampled_from(get_args(End)))
    all_keys = keys(made.delivery)
    found: dict[tuple[int, int], str] = dict.fromkeys(keys(unwanted), "filtered")
    due: list[tuple[int, int]] = []

    def note(concluded: Any) -> None:
        for final, finished in concluded.finished.items():
            for each in keys(finished):
                assert each not in found, "finished twice"
                found[each] = final
        for part in concluded.due:
            assert part.rows["event_id"].to_list() == [
                made.rows["event_id"][all_keys.index(each)] for each in keys(part.delivery)
            ]
            due.extend(keys(part.delivery))

    for role, at in data.draw(st.permutations(work)):
        note(outcomes.end(made.delivery.pick([at]), ends[at][role], role))
    wanted_due = [at for at in range(count) if has_fallback and ends[at] and is_due(ends[at])]
    assert Counter(due) == Counter(all_keys[at] for at in wanted_due)
    assert len(outcomes) == len(due), "what is remembered is what waits"
    fallback: dict[int, End] = {at: data.draw(st.sampled_from(get_args(End))) for at in wanted_due}
    for at, how in fallback.items():
        note(outcomes.end(made.delivery.pick([at]), how, Role.IS_FALLBACK))
    wanted = {all_keys[at]: outcome_of(ends[at], fallback.get(at)) if ends[at] else "filtered" for at in range(count)}
    assert found == wanted
    assert len(outcomes) == 0


def test_rows_due_at_once_come_as_one_frame() -> None:
    """Of each frame they were decoded in: what is written to the fallback is written in batches too."""
    first, second, outcomes = frame(4), frame(4), Outcomes(1, has_fallback=True)
    for made in (first, second):
        assert len(outcomes.expect(made, [range(4)])) == 0
    both = Delivery()
    both.extend(first.delivery)
    both.extend(second.delivery.pick([0, 3]))
    due = outcomes.end(both, "passed", Role.REPLACES).due
    assert [part.rows["event_id"].to_list() for part in due] == [
        first.rows["event_id"].to_list(),
        second.rows["event_id"].gather([0, 3]).to_list(),
    ]


@pytest.mark.parametrize("how", get_args(End))
def test_one_collector_without_fallback_remembers_nothing(how: End) -> None:
    """What it is done with is finished, as the very delivery that it was."""
    made, outcomes = frame(5), Outcomes(1, has_fallback=False)
    assert not outcomes.remembers
    assert keys(outcomes.expect(made, [[0, 2]])) == [keys(made.delivery)[at] for at in (1, 3, 4)]
    assert len(outcomes.expect(made, [range(5)])) == len(outcomes) == 0
    [(final, finished)] = outcomes.end(made.delivery, how, Role.REPLACES).finished.items()
    assert finished is made.delivery
    assert final == {"handled": "delivered"}.get(how, how)


def test_what_is_never_finished_holds_on_to_itself_alone() -> None:
    """Of each frame one event waits for ever: it is kept with its row, and not the frame with its bodies."""
    outcomes, body = Outcomes(2, has_fallback=True), b"x" * 60_000

    def stuck(count: int = 50) -> None:
        records = numbered(make_record("proxy_log", request_body=body) for _ in range(count))
        made = frame_of_records(BOOK, records)
        made.delivery.lanes = [Lane(partition_of())] * count
        outcomes.expect(made, [range(count), range(count)])
        for role in COLLECTORS:
            outcomes.end(made.delivery.slice(1, count), "passed", role)
        outcomes.end(made.delivery.slice(1, count), "handled", Role.IS_FALLBACK)

    stuck()
    before = resident_bytes()
    for _ in range(60):
        stuck()
    assert len(outcomes) == 61
    assert resident_bytes() - before < 90 << 20  # of 180 MB and more


def test_after_it_let_go_rows_are_still_their_own() -> None:
    """What is due to the fallback late has the right rows, whatever was finished of its frame before."""
    made, outcomes = frame(20), Outcomes(1, has_fallback=True)
    outcomes.expect(made, [range(20)])
    late = [3, 8, 17]
    outcomes.end(made.delivery.pick([at for at in range(20) if at not in late]), "handled", Role.REPLACES)
    for at in late:
        [due] = outcomes.end(made.delivery.pick([at]), "passed", Role.REPLACES).due
        assert due.rows["event_id"].to_list() == [made.rows["event_id"][at]]
        assert keys(due.delivery) == [keys(made.delivery)[at]]


def test_what_is_filtered_leaves_nothing_behind() -> None:
    """Not even that its lane once was."""
    made, outcomes = frame(4), Outcomes(2, has_fallback=False)
    assert len(outcomes.expect(made, [[], []])) == 4
    assert not outcomes._events
