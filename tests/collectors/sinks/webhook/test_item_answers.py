"""The answer for each event: what it says is done, and what it does not say is asked again."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collectors.errors import Retryable
from collectors.sinks.http.client import HttpAnswer
from collectors.sinks.interface import Verdict
from collectors.sinks.webhook.item_answers import judge_items
from collectors.sinks.webhook.requests import Item

ITEMS = [Item(f"e{number}", b"{}", 0, "analytics") for number in range(5)]


def judged(body: Any, *, is_whole: bool = True) -> Verdict:
    """What an answer says of the five."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return judge_items(HttpAnswer(200, raw, {}, is_whole), ITEMS)


def results(*pairs: tuple[str, str]) -> dict[str, Any]:
    """An answer with these."""
    return {"results": [{"event_id": event_id, "status": status, "reason": "'v'"} for event_id, status in pairs]}


def test_every_status_of_an_event() -> None:
    """In any order; events of somebody else are no concern."""
    verdict = judged(
        results(("e4", "accepted"), ("e3", "rejected"), ("e0", "duplicate"), ("e1", "retry"), ("zz", "rejected"))
    )
    assert verdict.duplicates == 1
    assert list(verdict.poison) == [3]
    assert verdict.retry == [1, 2]
    assert isinstance(verdict.cause, Retryable)


def test_reasons_hold_no_values() -> None:
    """They go into logs and headers of dead letters."""
    poison = judged(results(*((f"e{number}", "rejected") for number in range(5)))).poison
    assert len(poison) == 5
    assert all("'v'" not in str(error) for error in poison.values())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        {"results": None},
        {"results": [{"event_id": "e0"}]},
        {"results": [{"event_id": "e0", "status": "maybe"}]},
        {"results": [{"event_id": 7, "status": "accepted"}]},
        {"results": []},
    ],
)
def test_an_answer_that_says_nothing_is_no_success(body: Any) -> None:
    """Whoever asked for item answers and gets none must not take that for delivery."""
    verdict = judged(body)
    assert verdict.retry == [0, 1, 2, 3, 4]
    assert not verdict.poison


def test_a_cut_answer_is_not_believed() -> None:
    """What was read of it may be a part."""
    assert judged(b'{"results": [', is_whole=False).retry == [0, 1, 2, 3, 4]
