"""Selection: exactly the rows that are meant, whatever stands in them; a sample that is the same for ever."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.criteria import Criteria
from collectors.deliveries import Delivery, Frame
from collectors.selection import Selection, shares_of
from collectors.tracker import Lane
from schemas.events import KINDS
from schemas.ids import new_exchange_id
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import partition_of

NAMES = st.text(alphabet="abG*?.-\n\\[é", max_size=5)
ROW = st.fixed_dictionaries(
    {
        "app_id": st.none() | st.integers(0, 4),
        "llm_id": st.none() | st.integers(0, 4),
        "llm_slug": NAMES,
        "vendor": NAMES,
        "outcome": NAMES,
        "exchange_id": st.text(max_size=40),
    }
)
GLOBS = st.lists(st.text(alphabet="abG*?.-\n\\[é", min_size=1, max_size=5), max_size=3)
IDS = st.lists(st.integers(0, 4), max_size=3)
CRITERIA = st.builds(
    lambda apps, llms, vendors, outcomes: {"apps": apps, "llms": llms, "vendors": vendors, "outcomes": outcomes},
    IDS,
    st.lists(st.integers(0, 4) | st.text(alphabet="abG*?.-\n\\[é", min_size=1, max_size=5), max_size=3),
    GLOBS,
    GLOBS,
).filter(lambda found: any(found.values()))
SCHEMA = {"app_id": pl.Int64, "llm_id": pl.Int64} | dict.fromkeys(
    ("llm_slug", "vendor", "outcome", "exchange_id"), pl.String
)


def frame(rows: list[dict[str, Any]]) -> Frame:
    """A frame with what a selection looks at."""
    lane, delivery = Lane(partition_of()), Delivery()
    for offset in range(len(rows)):
        delivery.add(StoredRecord("t", 0, offset, 0, None, b""), lane)
    return Frame("analytics", pl.DataFrame(rows, schema=SCHEMA), delivery)


def named(globs: list[Any], value: str) -> bool:
    """The same rule, written otherwise: without classes, in which fnmatch would see more than ``*`` and ``?``."""
    texts = [re.sub(r"([\[\]])", r"[\1]", each) for each in globs if isinstance(each, str)]
    return any(re.fullmatch(fnmatch.translate(text), value) for text in texts)


def fits(criteria: dict[str, list[Any]], row: dict[str, Any]) -> list[bool]:
    """Whether a row fits, for each key that is given."""
    ids = [each for each in criteria["llms"] if isinstance(each, int)]
    found = {
        "apps": (row["app_id"] or 0) in criteria["apps"],
        "llms": (row["llm_id"] or 0) in ids or named(criteria["llms"], row["llm_slug"]),
        "vendors": named(criteria["vendors"], row["vendor"]),
        "outcomes": named(criteria["outcomes"], row["outcome"]),
    }
    return [fit for key, fit in found.items() if criteria[key]]


@settings(deadline=None, max_examples=200)
@given(st.lists(ROW, max_size=8), st.none() | CRITERIA, st.none() | CRITERIA)
def test_a_row_is_wanted_as_its_keys_say(
    rows: list[dict[str, Any]], include: dict[str, Any] | None, exclude: dict[str, Any] | None
) -> None:
    """All keys of ``include``, none of ``exclude``; globs are no regular expressions, whatever stands in them."""
    wants, refuses = (None if each is None else Criteria.model_validate(each) for each in (include, exclude))
    wanted = [
        at
        for at, row in enumerate(rows)
        if (include is None or all(fits(include, row))) and (exclude is None or not any(fits(exclude, row)))
    ]
    assert list(Selection(KINDS, wants, refuses).positions(frame(rows))) == wanted


def test_other_kinds_are_not_wanted() -> None:
    """``hook_types``, before anything is looked at; without anything else all rows are, and no list is made of them."""
    found = frame([{"exchange_id": "x"}] * 3)
    assert list(Selection(["budget"]).positions(found)) == []
    assert Selection(["analytics"]).positions(found) == range(3)


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=10), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_smaller_share_is_part_of_a_larger(ids: list[str], one: float, other: float) -> None:
    """Whatever the ids are; and of the whole, all."""
    found = frame([{"exchange_id": each} for each in ids])
    smaller, larger = (set(Selection(KINDS, sample=share).positions(found)) for share in sorted((one, other)))
    assert smaller <= larger <= set(Selection(KINDS, sample=1.0).positions(found))


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.99])
def test_a_sample_has_its_share(share: float) -> None:
    """Of our ids, and of ids that differ in their last characters only."""
    for ids in ([new_exchange_id() for _ in range(20_000)], [f"exchange-{at}" for at in range(20_000)]):
        found = frame([{"exchange_id": each} for each in ids])
        assert len(Selection(KINDS, sample=share).positions(found)) / len(ids) == pytest.approx(share, abs=0.015)


def test_the_hash_never_changes() -> None:
    """Members of a group may run different versions of this and of polars: these numbers stand."""
    ids = pl.Series(["x-0", "x-1", "", "é", "019aab7c-2f1d-7c3e-9d7a-0f3b5a1c2d4e"])
    assert shares_of(ids).to_list() == [_reference(each) for each in ids]
    assert shares_of(ids).to_list()[:2] == [515_828_756, 236_565_541]


def _reference(text: str) -> int:
    """The same hash in plain integers."""
    whole = (1 << 64) - 1

    def mixed(value: int) -> int:
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            value = ((value ^ (value >> 32)) * factor) & whole
        return value ^ (value >> 32)

    tail = (b"\0" * 16 + text.encode())[-16:]
    first, last = int.from_bytes(tail[:8], "little"), int.from_bytes(tail[8:], "little")
    return mixed(mixed(first) ^ last) >> 33
