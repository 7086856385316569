"""JSON that browsers read without rounding."""

from __future__ import annotations

import json

import pytest

from gateway.console.answers import answer, readable
from gateway.console.answers import refuse as refused
from gateway.control.api.problems import Problem


@pytest.mark.parametrize("number", [(1 << 53) - 1, -(1 << 53) + 1, 0])
def test_what_javascript_can_hold_stays_a_number(number: int) -> None:
    """Up to 2^53 - 1 an integer is an integer."""
    assert readable({"n": [number]}) == {"n": [number]}


@pytest.mark.parametrize("number", [1 << 53, -(1 << 53), 10**30])
def test_what_it_would_round_is_text(number: int) -> None:
    """Beyond, every digit is kept, as text; also in lists within objects."""
    assert readable({"n": [{"m": number}]}) == {"n": [{"m": str(number)}]}


def test_booleans_texts_and_bytes() -> None:
    """True is not 1, nothing is null, and bytes that are no UTF-8 do not end the page."""
    content = json.loads(bytes(answer({"a": True, "b": None, "c": b"\xff\x00ok", 7: (1.5, "x")}).body))
    assert content == {"a": True, "b": None, "c": "\ufffd\x00ok", "7": [1.5, "x"]}


async def test_a_refusal_says_what_and_keeps_its_headers() -> None:
    """Status, code, message and retry-after reach the page; a fault of ours says nothing of its inside."""
    response = await refused(None, Problem(429, "slow", "wait", headers={"retry-after": "3"}))  # type: ignore[arg-type]
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert json.loads(bytes(response.body))["message"] == "wait"
    fault = await refused(None, ZeroDivisionError("secret inside"))  # type: ignore[arg-type]
    assert fault.status_code == 500
    assert b"secret" not in bytes(fault.body)
