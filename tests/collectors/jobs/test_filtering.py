"""`--filter` is a condition on one event and nothing else, and who errs is told what was meant."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.deliveries import Frame
from collectors.jobs.filtering import MAX_CHARACTERS, Filter
from collectors.jobs.interface import UsageError
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from tests.collectors.events import make_record
from tests.collectors.frames import frame_of_records


def frame(kind: Kind = "analytics", *changes: dict[str, Any]) -> Frame:
    """Events with these changes."""
    rows = [make_record(kind, offset=at, **each) for at, each in enumerate(changes)]
    return frame_of_records(SchemaBook(), rows)


APPS: list[dict[str, Any]] = [
    {"app_id": 7, "cost_nanos": 5},
    {"app_id": 7, "cost_nanos": 2_000_000},
    {"app_id": 8, "cost_nanos": None},
]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("app_id = 7 and cost_nanos > 1000000", [1]),
        ("app_id = 7", [0, 1]),
        ("cost_nanos IS NULL", [2]),
        ("not (app_id in (7, 9))", [2]),
        ("app_id NOT IN (8)", [0, 1]),
        ("app_id BETWEEN 8 AND 9 OR cost_nanos = 5", [0, 2]),
        ("COALESCE(cost_nanos, 0) = 0", [2]),
        ("true", [0, 1, 2]),
        ("1 = 2", []),
        ("CASE WHEN app_id = 8 THEN true ELSE false END", [2]),
        ("app_id % 2 = 0", [2]),
        ("vendor LIKE 'open%' AND app_id = 8", [2]),
        ("cost_nanos > 0", [0, 1]),  # what is null is not meant
        ("LENGTH(vendor) > 3", [0, 1, 2]),
        ("occurred_at > TIMESTAMP '2020-01-01 00:00:00'", [0, 1, 2]),
        ("occurred_at < TIMESTAMP '2020-01-01 00:00:00'", []),
    ],
)
def test_which_events_are_meant(text: str, wanted: list[int]) -> None:
    """SQL as people know it, over the columns of the frame."""
    assert list(Filter(text, ["analytics"]).positions(frame("analytics", *APPS))) == wanted


@pytest.mark.parametrize("text", ["app_id = 7", "outcome = 'ok'", "true"])
def test_common_columns_are_asked_of_every_kind(text: str) -> None:
    """And a frame of which all rows are meant costs no copy: a range says so."""
    asked = Filter(text)
    for kind in KINDS:
        assert asked.positions(frame(kind, {"app_id": 7, "outcome": "ok"})) == range(1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("app_idd = 1", "no column 'app_idd'; did you mean app_id?"),
        ("cost_nano > 1", "did you mean cost_nanos?"),
        ("zzzzzz = 1", "there are "),
        ('vendor = "openai"', "no column 'openai'"),
        ("app_id", "Int64 and not true or false"),
        ("app_id = 'seven'", "cannot be asked of analytics"),
        ("outcome ~ '('", "cannot be asked of analytics"),
        ("occurred_at > '2026-01-01'", "TIMESTAMP '"),
        ("app_id = ", "is no condition"),
        ("", "is no condition"),
        ("app_id = 1; drop table x", "is no condition"),
        ("app_id = 1, app_id = 2", "is no condition"),
        ("*", "is no condition"),
        ("read_csv('/etc/passwd') is null", "is no condition"),
        ("app_id = (select 1)", "more than one event"),
        ("exists (select 1)", "more than one event"),
        ("app_id in (select app_id from x)", "is no condition"),
        ("cost_nanos = MAX(cost_nanos)", "more than one event"),
        ("count(*) > 1", "more than one event"),
        ("SUM(cost_nanos) > 1", "more than one event"),
        ("FIRST(app_id) = 1", "more than one event"),
        ("CORR(app_id, user_id) > 1", "more than one event"),
        ("quantile_cont(app_id, 0.5) > 1", "more than one event"),
        ("row_number() over (order by app_id) > 1", "more than one event"),
        ("unnest(labels) = 'a'", "more than one event"),
        ("RPAD(vendor, 1000000000, 'x') = ''", "memory without a bound"),
        ("LPAD(vendor, 1000000000, 'x') = ''", "memory without a bound"),
        ("x" * (MAX_CHARACTERS + 1), "characters are too many"),
        ("(" * 1_900 + "true" + ")" * 1_900, "is no condition"),
    ],
)
def test_what_is_none_is_refused_with_what_would_be_one(text: str, words: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match=r"^--filter: ") as refused:
        Filter(text, ["analytics"])
    assert words in str(refused.value)


def test_a_column_of_some_kinds_asks_for_their_topics() -> None:
    """Nothing is left out in silence because its kind lacks a column."""
    with pytest.raises(UsageError, match=r"cost_nanos is a column of analytics, budget alone.*--topic analytics"):
        Filter("cost_nanos > 1")
    assert Filter("cost_nanos > 1", ["analytics", "budget"]).text == "cost_nanos > 1"


def test_as_long_as_is_allowed_is_answered() -> None:
    """The deepest nesting that fits does not end the process."""
    text = " and ".join(["app_id=7"] * (MAX_CHARACTERS // 13))
    assert Filter(text, ["analytics"]).positions(frame("analytics", {"app_id": 7})) == range(1)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_rows_are_asked_one_by_one(size: int) -> None:
    """A row is meant or not whatever lies beside it."""
    whole = frame("analytics", *[{"app_id": at % 3, "cost_nanos": at} for at in range(10)])
    asked = Filter("app_id = 1 or cost_nanos > 7", ["analytics"])
    parts = [at + found for at in range(0, 10, size) for found in asked.positions(whole.slice(at, min(10, at + size)))]
    assert parts == list(asked.positions(whole))


def test_what_some_events_cannot_be_asked_is_said() -> None:
    """A condition may be sound and still fail by what clients wrote: the remedy is said, and no value of theirs."""
    strict = Filter("CAST(model_name AS INT) = 4", ["analytics"])
    events = frame("analytics", {"model_name": "4"}, {"model_name": "private"})
    with pytest.raises(UsageError, match=r"^--filter: .*TRY_CAST") as refused:
        strict.positions(events)
    assert "private" not in str(refused.value)
    assert list(Filter("TRY_CAST(model_name AS INT) = 4", ["analytics"]).positions(events)) == [0]
