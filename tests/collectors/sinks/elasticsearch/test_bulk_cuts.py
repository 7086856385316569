"""Smaller bulks: nothing is lost between runs, and a cut document says so and is otherwise the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.documents import bulk_lines
from collectors.sinks.elasticsearch.bulk_cuts import KEPT_CHARACTERS, cut_bodies, split_by_bytes
from schemas.codec import SchemaBook
from tests.collectors.events import make_record
from tests.collectors.frames import frame_of_records

LINES = st.lists(st.integers(1, 60).map(lambda size: b"x" * size), max_size=40)


def lines_of(kind: Any = "proxy_log", **changes: Any) -> bytes:
    """The two lines of one event."""
    [lines] = bulk_lines(kind, frame_of_records(SchemaBook(), [make_record(kind, **changes)]).rows, "s")
    return lines


def document_in(lines: bytes) -> dict[str, Any]:
    """The document behind the action."""
    action, text, rest = lines.split(b"\n")
    assert set(orjson.loads(action)) == {"create"}
    assert rest == b""
    found: dict[str, Any] = orjson.loads(text)
    return found


@settings(deadline=None)
@given(LINES, st.integers(1, 200))
def test_runs_are_bounded_and_lose_nothing(lines: list[bytes], max_bytes: int) -> None:
    """Joined they are what was split, in order; only a document that is above the bound by itself is above it."""
    runs = list(split_by_bytes(lines, max_bytes))
    assert [line for run in runs for line in run] == lines
    for run in runs:
        assert run
        assert sum(map(len, run)) <= max_bytes or len(run) == 1


@settings(deadline=None)
@given(LINES, st.integers(1, 200))
def test_runs_are_as_few_as_can_be(lines: list[bytes], max_bytes: int) -> None:
    """No run could have taken the first document of the next."""
    runs = list(split_by_bytes(lines, max_bytes))
    for run, following in pairwise(runs):
        assert sum(map(len, run)) + len(following[0]) > max_bytes


def test_the_usual_bulk_is_not_copied() -> None:
    """Within the bound, at the bound, and nothing at all."""
    lines = [b"xx", b"xxx"]
    [run] = split_by_bytes(lines, 5)
    assert run is lines
    assert [list(run) for run in split_by_bytes(lines, 4)] == [[b"xx"], [b"xxx"]]
    assert list(split_by_bytes([], 5)) == []


@pytest.mark.parametrize("size", [0, 1, KEPT_CHARACTERS - 1, KEPT_CHARACTERS])
def test_short_bodies_are_left_alone(size: int) -> None:
    """Byte for byte: the writer knows by the length that nothing more can be done."""
    lines = lines_of(request_body=b"x" * size, response_body=b"y" * size)
    assert cut_bodies(lines) is lines


@pytest.mark.parametrize("name", ["request_body", "response_body"])
def test_one_long_body_is_cut_and_flagged(name: str) -> None:
    """One character too many; the other body, its flag, and the true size stay as they were."""
    lines = lines_of(**{name: b"x" * (KEPT_CHARACTERS + 1)})
    before, after = document_in(lines), document_in(cut_bodies(lines))
    assert after[name] == "x" * KEPT_CHARACTERS
    assert after[f"{name}_truncated"] is True
    for changed in (name, f"{name}_truncated"):
        del before[changed], after[changed]
    assert after == before


@settings(deadline=None, max_examples=30)
@given(st.text('a"\\\n\x00\x1fé日🙂', min_size=1, max_size=50), st.integers(2, 40))
def test_bodies_of_any_text_are_cut_at_characters(text: str, times: int) -> None:
    """Escapes, quotes and emoji: what is left is whole characters, the beginning, and never more than before."""
    body = text * (times * KEPT_CHARACTERS // (20 * len(text)) + 1)
    lines = lines_of(request_body=body.encode(), response_body=body.encode())
    cut = cut_bodies(lines)
    found = document_in(cut)
    assert found["request_body"] == found["response_body"] == body[:KEPT_CHARACTERS]
    assert (len(cut) < len(lines)) == (len(body) > KEPT_CHARACTERS)
    assert found["request_body_truncated"] is (len(body) > KEPT_CHARACTERS)


def test_a_document_can_be_cut_once() -> None:
    """The second time nothing is left to cut: an endless loop would end here."""
    once = cut_bodies(lines_of(request_body=b"x" * 100_000, response_body=b"\xff" * 100_000))
    assert cut_bodies(once) is once
    assert len(once) < 20_000


def test_the_action_is_kept_to_the_byte() -> None:
    """The index and the id are what they were: a second write is still known by them."""
    lines = lines_of(request_body=b"x" * 100_000)
    assert cut_bodies(lines).split(b"\n")[0] == lines.split(b"\n")[0]


@pytest.mark.parametrize("kind", ["analytics", "budget"])
def test_events_without_bodies_cannot_be_cut(kind: str) -> None:
    """However large another field is, it is not for us to shorten."""
    lines = lines_of(kind, labels=["x" * 50_000])
    assert cut_bodies(lines) is lines


def test_exact_integers_survive_the_cut() -> None:
    """What is parsed and written again has the same digits at both ends of 64 bits, and unknown stays unknown."""
    lines = lines_of(request_body=b"x" * 5_000, total_micros=2**63 - 1, app_id=-(2**63), first_byte_micros=None)
    found = document_in(cut_bodies(lines))
    assert (found["total_micros"], found["app_id"], found["first_byte_micros"]) == (2**63 - 1, -(2**63), None)


def test_a_body_that_is_absent_is_none_to_cut() -> None:
    """``null`` and a missing key are left as they are."""
    for document in ({"request_body": None}, {}):
        lines = b'{"create":{}}\n' + orjson.dumps(document) + b"\n"
        assert cut_bodies(lines) is lines
