"""Boots have numbers, the same wherever they turn up."""

from __future__ import annotations

import polars as pl

from collectors.services.reconcile.boots import NAMES, Boots
from sluice.eventlog.interface import Boot


def test_numbers_are_the_same_in_every_frame() -> None:
    """In the order of rows, whatever else stands in them; a name is its own and no part of another."""
    boots = Boots()
    rows = pl.DataFrame(
        {"gateway_id": ["a", "a", "ab", "a"], "worker": ["b", "bc", "c", "b"], "boot_id": ["c", "", "", "c"]}
    )
    first = boots.numbered(rows).to_list()
    assert first[0] == first[3]
    assert len(set(first)) == len(boots) == 3
    assert boots.numbered(rows.reverse()).to_list() == first[::-1]
    assert boots[first[1]] == Boot("a", "bc", "")
    assert boots.number(Boot("ab", "c", "")) == first[2]


def test_no_rows_are_no_boots() -> None:
    """An empty frame is one."""
    boots = Boots()
    assert boots.numbered(pl.DataFrame(schema=dict.fromkeys(NAMES, pl.String))).to_list() == []
    assert len(boots) == 0
