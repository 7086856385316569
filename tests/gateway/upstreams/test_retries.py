"""Retries: never behind what may have been charged, never sooner than the vendor asks, never endless."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamFault, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.snapshot import Llm
from gateway.upstreams.retries import (
    MAX_PAUSE_SECONDS,
    REFUSED_FOR_NOW,
    has_failed,
    pause_seconds,
    retry_after_seconds,
)
from tests.gateway.test_exchange import Upstream, a_snapshot

_, LLM = a_snapshot()
BILLABLE = [UpstreamTimeout("first_byte", 1), UpstreamTimeout("total", 1), UpstreamProtocolError("no HTTP")]
UNREACHABLE = UpstreamUnreachable("refused")


def answer(status: int, retry_after: bytes | None = None) -> Upstream:
    """An answer with this head."""
    made = Upstream()
    made.status = status
    made.headers = [] if retry_after is None else [(b"retry-after", retry_after)]
    return made


def llm(retry_count: int | None) -> Llm:
    """An LLM with retries of its own, or without."""
    return dataclasses.replace(LLM, retry_count=retry_count)


@given(st.integers(200, 599))
def test_which_answers_have_failed(status: int) -> None:
    """Those that say that a repetition may succeed; every other one is the client's, refusals too."""
    assert has_failed(answer(status)) == (status in {429, 500, 502, 503, 504, 529}) == (status in REFUSED_FOR_NOW)


@pytest.mark.parametrize("fault", [*BILLABLE, UNREACHABLE])
def test_every_fault_has_failed(fault: UpstreamFault) -> None:
    """There is nothing to pass on."""
    assert has_failed(fault)


@pytest.mark.parametrize("fault", BILLABLE)
@pytest.mark.parametrize("retry_count", [None, 5])
def test_what_may_have_been_charged_is_never_repeated(fault: UpstreamFault, retry_count: int | None) -> None:
    """Whatever is configured: the vendor may be answering the first request still."""
    assert pause_seconds(llm(retry_count), 5, 0, fault) is None


@pytest.mark.parametrize(("retry_count", "default", "retries"), [(None, 2, 2), (0, 2, 0), (3, 2, 3), (3, 0, 3)])
def test_an_unreachable_vendor_is_tried_as_often_as_its_llm_says(
    retry_count: int | None, default: int, retries: int
) -> None:
    """Else as often as the gateway says; 0 is none at all, not the default."""
    pauses = [pause_seconds(llm(retry_count), default, made, UNREACHABLE) for made in range(5)]
    assert [pause is not None for pause in pauses] == [made < retries for made in range(5)]


@pytest.mark.parametrize(("retry_count", "retries"), [(None, 0), (0, 0), (2, 2)])
def test_a_refusal_is_repeated_only_where_its_llm_says_so(retry_count: int | None, retries: int) -> None:
    """The gateway's default is for connections alone: an SDK repeats refusals by itself."""
    pauses = [pause_seconds(llm(retry_count), 5, made, answer(503)) for made in range(4)]
    assert [pause is not None for pause in pauses] == [made < retries for made in range(4)]


@given(st.integers(0, 5), st.sampled_from(["unreachable", "refused"]))
def test_pauses_grow_and_are_spread(made: int, kind: str) -> None:
    """Doubled with each retry and bounded; half of a pause is chance, so that not all come back at once."""
    end: Any = UNREACHABLE if kind == "unreachable" else answer(429)
    pause = pause_seconds(llm(6), 0, made, end)
    whole = min(0.1 * 2**made, MAX_PAUSE_SECONDS)
    assert pause is not None
    assert whole / 2 <= pause <= whole


def test_no_two_workers_pause_alike() -> None:
    """Chance is chance."""
    assert len({pause_seconds(llm(6), 0, 3, UNREACHABLE) for _ in range(50)}) > 40


@pytest.mark.parametrize("asked", [b"0", b"1", b"2", b"1.5"])
def test_a_pause_is_never_shorter_than_the_vendor_asks(asked: bytes) -> None:
    """Within the bound."""
    pause = pause_seconds(llm(1), 0, 0, answer(429, asked))
    assert pause is not None
    assert float(asked) <= pause <= MAX_PAUSE_SECONDS


@pytest.mark.parametrize(
    "asked", [b"2.01", b"30", b"1e999", b"inf", b"nan", b"-1", b"soon", b"", b"Wed, 21 Oct 2015 07:28:00 GMT", b"\xff"]
)
def test_a_vendor_that_asks_for_more_is_not_asked_again(asked: bytes) -> None:
    """Nor one whose wish cannot be read: sooner than it asks is worse than not at all."""
    assert pause_seconds(llm(5), 5, 0, answer(429, asked)) is None


@given(st.none() | st.binary(max_size=12))
def test_any_retry_after_is_a_time(value: bytes | None) -> None:
    """A vendor writes what it likes; never negative, never not a number."""
    seconds = retry_after_seconds([] if value is None else [(b"retry-after", value)])
    assert seconds >= 0
