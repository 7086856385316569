"""Requests have bounds, and a retry has the requests that the batch had."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from collectors.sinks.http.grouping import request_numbers, runs_of


class Document(NamedTuple):
    request: int


@given(st.lists(st.integers(0, 50)), st.integers(1, 6), st.integers(1, 60), st.integers(0, 5))
def test_no_request_is_larger_than_it_may_be(sizes: list[int], max_count: int, max_bytes: int, first: int) -> None:
    """But for a single document above the bound, which is a request of its own."""
    numbers = request_numbers(sizes, first, max_count, max_bytes)
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(first, first + len(set(numbers))))
    for number in set(numbers):
        held = [size for size, at in zip(sizes, numbers, strict=True) if at == number]
        assert len(held) <= max_count
        assert len(held) == 1 or sum(held) <= max_bytes


@given(st.lists(st.integers(1, 9), min_size=1), st.data())
def test_what_is_left_is_never_regrouped(sizes: list[int], data: st.DataObject) -> None:
    """A request of which nothing was taken goes out again as it was, whichever others are settled meanwhile."""
    documents = [Document(number) for number in request_numbers(sizes, 0, 3, 12)]
    settled = data.draw(st.sets(st.sampled_from(sorted({document.request for document in documents}))))
    pending = [document for document in documents if document.request not in settled]
    runs = [[pending[at] for at in run] for run in runs_of(pending)]
    assert runs == [
        [document for document in documents if document.request == number]
        for number in sorted({document.request for document in pending})
    ]
