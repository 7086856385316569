"""A large immutable mapping: it is a dict to whoever reads it, and a change leaves the one before as it was."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sharded_map import ShardedMap

KEYS = st.one_of(st.integers(-1_000, 1_000), st.text(max_size=3))
CHANGES = st.lists(st.dictionaries(KEYS, st.one_of(st.none(), st.integers())), max_size=6)


@given(CHANGES)
def test_it_is_what_a_dict_would_be(steps: list[dict[int | str, int | None]]) -> None:
    """After any changes; every state before stays what it was."""
    expected: dict[int | str, int] = {}
    made: ShardedMap[int | str, int] = ShardedMap()
    states = []
    for changes in steps:
        made = made.changed(changes)
        expected = {key: value for key, value in {**expected, **changes}.items() if value is not None}
        states.append((made, dict(expected)))
    for state, values in states:
        assert dict(state.items()) == values
        assert len(state) == len(values)
        assert all(state.get(key) == state[key] == value and key in state for key, value in values.items())


def test_what_is_not_there_is_said_as_by_a_dict() -> None:
    """``None`` or what is asked for instead; a look-up without one raises."""
    made = ShardedMap[int, int]().changed({1: 2})
    assert (made.get(3), made.get(3, 4), 3 in made) == (None, 4, False)
    with pytest.raises(KeyError):
        made[3]


def test_without_changes_nothing_is_made() -> None:
    """Whoever compares states by identity sees that they are one."""
    made = ShardedMap[int, int]().changed({1: 2})
    assert made.changed({}) is made


def test_a_change_of_many_costs_little() -> None:
    """A hundred changes, one after the other, of 100,000 entries: less than ten copies of them would take."""
    large = dict.fromkeys(range(100_000), 0)
    made = ShardedMap[int, int]().changed(dict(large))
    started = time.process_time()
    for at in range(100):
        made = made.changed({at: 1})
    changing = time.process_time() - started
    started = time.process_time()
    for _ in range(100):
        dict(large)
    assert changing < (time.process_time() - started) / 3
