"""The rules of the ledger, without its database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.ledger import APP, Slice, SliceAnswer
from gateway.control.grants import Books, Part

KEY, END = (APP, 7, 0, 1_000), 2_000


def books(*parts: Part, fraction: float = 0.125) -> Books:
    """One budget of which these hosts, all alive, have parts."""
    found = {KEY: {part.host: part for part in parts}} if parts else {}
    return Books(1, found, {}, {part.host for part in parts}, fraction)


def a_slice(limit: int = 1000, needed: int = 0, least: int | None = None, **values: Any) -> Slice:
    """What a host says."""
    plain = {"granted_nanos": 0, "returned_nanos": 0, "spent_nanos": 0, "requests": 0, "prompt_tokens": 0,
             "response_tokens": 0}  # fmt: skip
    return Slice(KEY, END, limit, needed_nanos=needed, least_nanos=needed if least is None else least,
                 **{**plain, **values})  # fmt: skip


@pytest.mark.parametrize(
    ("needed", "least", "granted", "left"),
    [(1, 1, 125, 875), (125, 1, 125, 875), (126, 1, 126, 874), (1000, 1, 1000, 0), (5000, 1, 1000, 0),
     (5000, 1000, 1000, 0), (5000, 1001, 0, 1000), (0, 0, 0, 1000)],
)  # fmt: skip
def test_a_grant_is_a_part_of_what_is_left_or_what_is_needed(needed: int, least: int, granted: int, left: int) -> None:
    """Whichever is more, as far as it goes; nothing where it would help nobody."""
    answer = books().settle("a", a_slice(needed=needed, least=least))
    assert (answer.granted_nanos, answer.available_nanos) == (granted, left)


def test_what_others_have_or_have_spent_is_not_available() -> None:
    """Returned and written off is."""
    others = (Part("b", END, granted=300, returned=100, spent=50), Part("c", END, granted=10, spent=60),
              Part("d", END, granted=400, written_off=390, spent=10))  # fmt: skip
    answer = books(*others, fraction=1.0).settle("a", a_slice(needed=1))
    assert answer.granted_nanos == 1000 - 200 - 60 - 10


def test_what_a_host_spent_beyond_its_part_is_made_up_for_by_its_next_grant() -> None:
    """It lacks as much more; to others it is gone."""
    answer = books(Part("a", END, granted=100, spent=150), fraction=0.1).settle("a", a_slice(needed=60))
    assert answer.granted_nanos == 190
    answer = books(Part("a", END, granted=100, spent=150), fraction=1.0).settle("b", a_slice(needed=60))
    assert answer.granted_nanos == 850


@pytest.mark.parametrize("limit", [0, 500])
def test_a_host_that_does_not_know_the_limit_sets_none(limit: int) -> None:
    """It only tells: what is known of the limit stays, nothing is called back, nobody is alarmed."""
    book = books(Part("b", END, granted=400))
    if limit:
        book.budgets[KEY] = (limit, 0)
    answer = book.settle("a", a_slice(limit=0, spent_nanos=10))
    assert answer == SliceAnswer(0, 0, 0, 10, 100 if limit else 0, is_recalling=False)
    assert book.budgets.get(KEY, (0, 0))[0] == limit
    assert (book.recalled, book.alerts) == ({}, [])


def test_who_is_dead_is_asked_for_nothing() -> None:
    """Who has nothing idle neither."""
    book = books(Part("b", END, granted=500), Part("c", END, granted=300, spent=300), Part("d", END, granted=200))
    book.alive = {"b", "c"}
    assert book.settle("a", a_slice(needed=1)).is_recalling
    assert book.recalled == {KEY: ["b"]}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 400), st.integers(0, 300), st.integers(0, 300)),
                max_size=30), st.floats(0.01, 1.0))  # fmt: skip
def test_no_more_is_given_than_there_is(steps: list[tuple[str, int, int, int]], fraction: float) -> None:
    """Whoever asks for what, returns what, tells what."""
    book = books(fraction=fraction)
    for host, needed, returned, spent in steps:
        part = book.parts.get(KEY, {}).get(host, Part(host, END))
        told = a_slice(needed=needed, returned_nanos=min(returned, part.granted), spent_nanos=min(spent, part.given))
        book.settle(host, told)
        assert sum(each.given for each in book.parts[KEY].values()) <= 1000
