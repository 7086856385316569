"""What a page asks for, as its address says it."""

from __future__ import annotations

import pytest

from gateway.console.asked import MAX_RANGE_MICROS, Asked, filters_of
from gateway.control.api.problems import Problem
from sluice.eventstore.panels.query import Filter


def test_without_a_range_it_is_the_last_day() -> None:
    """24 hours up to now."""
    start, end = Asked().range()
    assert end - start == 86_400 * 1_000_000


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (0, MAX_RANGE_MICROS + 1)])
def test_what_is_no_range_is_refused_with_the_field(start: int, end: int) -> None:
    """Empty, turned around, or longer than ten years."""
    with pytest.raises(Problem) as caught:
        Asked(start=start, end=end).range()
    assert caught.value.field == "start"


def test_conditions_are_lists_of_three() -> None:
    """Field, operator, values; nothing is nothing."""
    assert filters_of('[["vendor","is",["openai"]],["app_id","in",[1,null]]]') == (
        Filter("vendor", "is", ("openai",)),
        Filter("app_id", "in", (1, None)),
    )
    assert filters_of("") == ()


@pytest.mark.parametrize(
    "where",
    ["{", "1", "[1]", '["abc"]', '[["a","is"]]', '[["a","is","b"]]', '[[1,"is",[2]]]', "null", "[" * 900, '{"a":1}'],
)
def test_garbage_is_refused_with_an_example(where: str) -> None:
    """Whatever it is, it is a 400 that shows the form; never a fault."""
    with pytest.raises(Problem) as caught:
        filters_of(where)
    assert caught.value.status == 400
    assert "vendor" in caught.value.message
