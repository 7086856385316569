"""Refusals have two keys and the reference's words, and none is a 500 that is no fault of ours."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.api.problems import Problem, problem_of
from gateway.control.api.reference.refusals import refusal_body
from gateway.control.errors import DuplicateError, FileManagedError, NotFoundError, StaleVersionError
from tests.gateway.control.api.harness import Api

LLM = {"name": "Mock GPT", "vendor": "openai", "endpoint": "http://127.0.0.1:19001/v1"}


@pytest.mark.parametrize(
    ("operation", "error", "said"),
    [
        ("llm.read", NotFoundError("llm", 999), ("LLM not found", "LLM not found: 999")),
        ("app.read", NotFoundError("app", 7), ("App not found", "app not found: 7")),
        ("token.created", NotFoundError("app", 7), ("App not found", "app not found or inactive")),
        ("price.read", NotFoundError("price", 7), ("Model price not found", "model price not found: 7")),
        (
            "llm.created",
            DuplicateError("llm", "name", "Mock GPT"),
            ("Failed to create LLM", "LLM with name 'Mock GPT' already exists"),
        ),
        (
            "plugin.updated",
            DuplicateError("plugin", "slug", "x"),
            ("Failed to update plugin", "plugin with slug 'x' already exists"),
        ),
    ],
)
def test_what_the_store_refuses(operation: str, error: Exception, said: tuple[str, str]) -> None:
    """In its words."""
    assert tuple(refusal_body(operation, problem_of(error)).values()) == said


@pytest.mark.parametrize("error", [FileManagedError("app", 1, "apps[name=a]"), StaleVersionError(3)])
def test_what_the_reference_does_not_know_says_ours(error: Exception) -> None:
    """With the remedy."""
    problem = problem_of(error)
    assert refusal_body("app.updated", problem) == {"error": problem.error, "message": problem.message}


def test_too_many_attempts_are_no_wrong_token() -> None:
    """Who waits must be told so."""
    problem = Problem(429, "too_many_attempts", "try again in 3 s")
    assert refusal_body("llm.listed", problem)["message"] == "try again in 3 s"


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/llms", {"name": "x"}, 400, "Invalid request format"),
        ("/llms", {**LLM, "vendor": "cohere"}, 400, "Invalid request format"),
        ("/llms", LLM, 409, "Failed to create LLM"),
        ("/plugins", {"name": "p", "command": "python://a:B", "hook_type": "nope"}, 400, "Invalid request format"),
        ("/plugins", {"name": "p", "command": "/bin/x;rm"}, 400, "Security validation failed"),
        ("/tokens", {"app_id": 99, "name": "t"}, 404, "App not found"),
        ("/nothing", {}, 404, "Not found"),
    ],
)
async def test_calls_that_were_observed_to_fail(
    api: Api, path: str, body: dict[str, Any], status: int, error: str
) -> None:
    """With their statuses, where those are no 500 of a client's mistake."""
    await api.post("/llms", LLM)
    refused = await api.post(path, body, status)
    assert refused.keys() == {"error", "message"}
    assert refused["error"] == error
    assert refused["message"]
