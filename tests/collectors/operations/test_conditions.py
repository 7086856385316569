"""``--where``: what is written holds of what it says, and what is no condition says so."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.operations.conditions import conditions_of
from collectors.operations.decoding import fields_of
from collectors.operations.running import UsageError

EVENT: dict[str, Any] = {
    "app_id": 7, "user_id": None, "vendor": "openai", "outcome": "ok", "is_stream": False, "cost_nanos": 123,
    "occurred_at": "2026-11-26T08:00:00.000000Z", "labels": ["team:a", "env:prod"], "text": "it's and then",
    "attempts": [{"status": 429}], "facts": {"inner": 3}, "code": "7",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("app_id = 7", True),
        ("app_id=7", True),
        ("app_id != 7", False),
        ("app_id = 8", False),
        ("app_id > 6 and app_id <= 7", True),
        ("app_id > 6 AND cost_nanos < 100", False),
        ("vendor = openai", True),
        ("vendor = 'openai'", True),
        ('vendor = "azure"', False),
        ("vendor ~ OPEN", True),
        ("user_id = null", True),
        ("user_id != null", False),
        ("user_id > 3", False),
        ("is_stream = false", True),
        ("is_stream = 0", False),
        ("occurred_at >= 2026-11-26", True),
        ("occurred_at < '2026-11-26T08:00:00Z'", True),
        ("labels = team:a", True),
        ("labels != team:b", True),
        ("labels != team:a", False),
        ("labels ~ prod", True),
        ('text ~ "it\'s and"', True),
        ("facts.inner = 3", True),
        ("facts.absent = null", True),
        ("code = 7", True),
        ("code = '7'", True),
        ("app_id = '7'", False),
        ("vendor > 3", False),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    """Numbers by value, text as it is, lists by one of their items; what cannot be compared does not hold."""
    assert conditions_of(text).hold(EVENT) is holds


@pytest.mark.parametrize(
    "text", ["app_id", "app_id =", "= 7", "app_id = 7 or app_id = 8", "app_id = 7 and", "app_id = 'x", "a b", "1 = 1"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    """With the form, and the place from which it is none."""
    with pytest.raises(UsageError, match=r"--where: .*write FIELD = VALUE"):
        conditions_of(text)


@given(st.text())
def test_anything_is_a_condition_or_refused(text: str) -> None:
    """No other error, whatever is typed."""
    with contextlib.suppress(UsageError):
        conditions_of(text).hold(EVENT)


def test_a_typo_names_the_field_that_was_meant() -> None:
    """And what there is where nothing is near."""
    with pytest.raises(UsageError, match="did you mean app_id"):
        conditions_of("ap_id = 7").check_fields(fields_of())
    with pytest.raises(UsageError, match=r"there are .*vendor"):
        conditions_of("zzzzzz = 7").check_fields(fields_of())
    conditions_of("attempts.status = 429").check_fields(fields_of())
