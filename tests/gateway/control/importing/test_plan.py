"""Plans say each thing once, and names are free."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.control.importing.plan import Left, Plan, PlannedToken, free_name


def test_the_same_is_said_once() -> None:
    """However often it is found."""
    plan = Plan()
    for _ in range(2):
        plan.leave("a", "b")
        plan.note("c")
    assert (plan.left, plan.notes) == ([Left("a", "b")], ["c"])


@given(st.lists(st.text("ab", max_size=3), max_size=20), st.integers(5, 9))
def test_no_two_have_one_name(wanted: list[str], max_length: int) -> None:
    """And none is too long."""
    taken: list[str] = []
    for name in wanted:
        taken.append(free_name(name, taken, max_length))
    assert len(set(taken)) == len(taken)
    assert all(len(name) <= max_length for name in taken)


def test_a_hash_is_in_no_repr() -> None:
    """Tracebacks show it."""
    assert "5ec4e7" not in repr(PlannedToken(app="a", name="n", sha256="5ec4e7"))
