"""JSON as browsers can read it: integers beyond 2^53 as text, bytes as text that says whether it is all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request, Response

from gateway.control.api.problems import Problem, problem_of

_SAFE = (1 << 53) - 1
"""The largest integer that JavaScript's numbers hold with all below it."""


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of this content."""
    body = orjson.dumps(readable(content), option=orjson.OPT_NON_STR_KEYS)
    return Response(body, status, dict(headers or {}), "application/json")


def readable(value: Any) -> Any:
    """The same, with whatever JavaScript would round written as text; the pages read both."""
    if isinstance(value, bool | str | float) or value is None:
        return value
    if isinstance(value, int):
        return value if -_SAFE <= value <= _SAFE else str(value)
    if isinstance(value, Mapping):
        return {key: readable(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return [readable(each) for each in value]


async def refuse(_request: Request, error: Exception) -> Response:
    """What is wrong, in the form that every page shows."""
    problem: Problem = problem_of(error)
    content = {"error": problem.error, "code": problem.code, "message": problem.message, "field": problem.field}
    return answer(content, problem.status, problem.headers)
