"""Two places that hold the same events have the same sums, however these were made; any difference shows."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.jobs.sums import DAY_MICROS, Day, Sums, differences, id_hashes

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
EVENTS = st.lists(
    st.tuples(
        st.text("abc019-._:", min_size=1, max_size=40), st.integers(0, 4 * DAY_MICROS), st.none() | LONGS,
        st.sampled_from(["USD", "EUR"]),
    ),
    max_size=30,
)  # fmt: skip


def rows(events: Any) -> pl.DataFrame:
    """A frame's columns that count."""
    schema = {"event_id": pl.String, "occurred_at": pl.Int64, "cost_nanos": pl.Int64, "currency": pl.String}
    return pl.DataFrame([list(each) for each in events], schema=schema, orient="row")


@given(EVENTS, st.integers(0, 30), st.randoms())
def test_order_and_cuts_do_not_matter(events: Any, cut: int, chance: random.Random) -> None:
    """One frame or several, in any order; and as JSON and back."""
    whole, parts = Sums(), Sums()
    whole.add("analytics", rows(events))
    shuffled = list(events)
    chance.shuffle(shuffled)
    parts.add("analytics", rows(shuffled[cut:]))
    rest = Sums()
    rest.add("analytics", rows(shuffled[:cut]))
    parts.merge(rest)
    assert list(differences(whole, parts)) == []
    assert Sums.of(whole.as_dict()) == whole
    assert whole.events == len(events)


@given(EVENTS)
def test_money_is_exact_however_much(events: Any) -> None:
    """To the nano, beyond 64 bits, by day and currency; what has no cost is counted."""
    sums = Sums()
    sums.add("budget", rows(events))
    for currency in ("USD", "EUR"):
        wanted = sum(each[2] for each in events if each[2] is not None and each[3] == currency)
        assert sums.nanos("budget")[currency] == wanted
    assert sum(day.unpriced for day in sums.days.values()) == sum(each[2] is None for each in events)
    dates = {datetime.fromtimestamp(each[1] // 1_000_000, UTC).date().isoformat() for each in events}
    assert {day.date for day in sums.days} == dates


@pytest.mark.parametrize(
    "changed",
    [
        [("a", 1, 5, "USD")],
        [("a", 1, 5, "USD"), ("b", 1, 5, "USD"), ("b", 1, 5, "USD")],
        [("a", 1, 5, "USD"), ("c", 1, 5, "USD")],
        [("a", 1, 5, "USD"), ("b", 1, 6, "USD")],
        [("a", 1, 5, "USD"), ("b", 1, 5, "EUR")],
        [("a", 1, 5, "USD"), ("b", DAY_MICROS, 5, "USD")],
        [("a", 1, 5, "USD"), ("b", 1, None, "USD")],
        [("a", 1, 5, "USD"), ("a", 1, 5, "USD")],
    ],
)
def test_every_difference_shows(changed: Any) -> None:
    """One missing, twice, another, dearer, in another currency, on another day, without a cost."""
    wanted, found = Sums(), Sums()
    wanted.add("analytics", rows([("a", 1, 5, "USD"), ("b", 1, 5, "USD")]))
    found.add("analytics", rows(changed))
    assert next(differences(wanted, found))[0] == Day("analytics", "1970-01-01")


def test_a_hash_is_of_the_id_alone() -> None:
    """Not of what lies beside it, nor of the version of a library: written down here, it stays."""
    ids = ["01900000-0000-7000-8000-000000000001-a", "a", "b" * 200, "é"]
    together = id_hashes(pl.Series(ids)).to_list()
    assert together == [id_hashes(pl.Series([each])).to_list()[0] for each in ids]
    assert len(set(together)) == 4
    assert f"{together[0]:016x}" == "f94ab7732098cd78"


def test_kinds_without_cost_have_none() -> None:
    """Proxy logs are counted alone."""
    sums = Sums()
    sums.add("proxy_log", rows([("a", 1, 5, "USD")]).select("event_id", "occurred_at"))
    sums.add("proxy_log", rows([]))
    assert sums.as_dict()["proxy_log"]["1970-01-01"]["nanos"] == {}
