"""Tests of ``sluice.usage.plain_counts``: counts are numbers that can be true, or none."""

from __future__ import annotations

import msgspec
import pytest

from sluice.usage.plain_counts import PlainCounts, decode_members, text_of_counts


@pytest.mark.parametrize(
    ("raw", "count", "problem", "is_impossible"),
    [
        (None, None, "", False),
        (b"", None, "", False),
        (b"null", None, "", False),
        (b"0", 0, "", False),
        (b"26", 26, "", False),
        (b"1099511627776", 1 << 40, "", False),
        (b"1099511627777", (1 << 40) + 1, "absurd_tokens", True),
        (b"1" + b"0" * 30, 10**30, "absurd_tokens", True),
        (b"-1", -1, "negative_tokens", True),
        (b"26.0", None, "wrong_type", False),
        (b"1e400", None, "wrong_type", False),
        (b"true", None, "wrong_type", False),
        (b'"26"', None, "wrong_type", False),
        (b"[26]", None, "wrong_type", False),
        (b"{}", None, "wrong_type", False),
    ],
)
def test_a_count_is_a_number_that_can_be_true(
    raw: bytes | None, count: int | None, problem: str, is_impossible: bool
) -> None:
    """Absent is no problem; what is there and is no such number is one."""
    counts = PlainCounts()
    assert counts.read(msgspec.Raw(raw) if raw is not None else None) == count
    assert (counts.problem, counts.is_impossible) == (problem, is_impossible)


def test_the_first_problem_is_kept_and_one_lie_is_enough() -> None:
    """Whatever comes behind it."""
    counts = PlainCounts()
    for raw in (b'"x"', b"-1", b"5"):
        counts.read(msgspec.Raw(raw))
    assert (counts.problem, counts.is_impossible) == ("wrong_type", True)


def test_members_are_kept_as_the_vendor_wrote_them() -> None:
    """Numbers that no machine can hold too; nothing of nothing."""
    members = decode_members(b'{"a": 1e400, "b":[ 1 ]}')
    assert members is not None
    assert text_of_counts(members) == '{"a":1e400,"b":[ 1 ]}'
    assert text_of_counts({}) is None
    assert text_of_counts({"a": msgspec.Raw(b"1" * 10_000)}) == "{}"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b'{"a":' * 100_000])
def test_what_is_no_object_has_no_members(body: bytes) -> None:
    """Never raises."""
    assert decode_members(body) is None
