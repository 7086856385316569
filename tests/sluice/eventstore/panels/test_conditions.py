"""Values that no store can hold match nothing, and never reach one."""

from __future__ import annotations

import pytest

from sluice.eventstore.panels.conditions import bounds_of, condition_of, is_storable
from sluice.eventstore.panels.fields import field_of
from sluice.eventstore.panels.query import Filter, Scalar

TEXT, NUMBER = field_of("analytics", "model_name", ""), field_of("analytics", "llm_id", "")


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 1_025, "🙂" * 513, 2**63, -(2**63) - 1])
def test_what_no_index_holds_is_left_out(value: Scalar) -> None:
    """NUL, half characters, long texts and integers beyond 64 bits."""
    assert not is_storable(value, TEXT)
    found = condition_of("analytics", Filter("model_name" if isinstance(value, str) else "llm_id", "in", (value, None)))
    assert (found.values, found.with_missing) == ((), True)


@pytest.mark.parametrize("value", ["", "x" * 1_024, "🙂" * 512, 2**63 - 1, -(2**63), True])
def test_what_an_index_holds_stays(value: Scalar) -> None:
    """Up to the bound itself."""
    assert is_storable(value, TEXT)


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ((1, 5), (1, 5)),
        ((5, 1), None),
        ((5, 5), None),
        ((2**63, None), None),
        ((None, -(2**63)), None),
        ((-(2**70), 2**70), (None, None)),
        ((None, None), (None, None)),
    ],
)
def test_bounds_are_within_64_bits(given: tuple[int | None, int | None], bounds: object) -> None:
    """A bound beyond is no bound, or leaves nothing."""
    assert bounds_of(condition_of("analytics", Filter("llm_id", "range", given))) == bounds


def test_is_and_in_are_one() -> None:
    """A store knows four operators."""
    assert condition_of("analytics", Filter("llm_id", "is", (1,))).operator == "in"
    assert condition_of("analytics", Filter("llm_id", "not", (1,))).operator == "not"
    assert NUMBER.type == "number"
