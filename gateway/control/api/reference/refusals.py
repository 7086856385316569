"""Refusals as the reference says them: ``error`` and ``message``, with its statuses, but 409 for what is taken.

The reference answers 500 for a name that is taken and for values that cannot be; scripts that look at the status look
for failure, which 409 and 400 are too, and only a fault of ours is a 500.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.control.api.problems import NOUNS
from gateway.control.errors import DuplicateError, NotFoundError

if TYPE_CHECKING:
    from gateway.control.api.problems import Problem

_VERBS = {"created": "create", "updated": "update", "deleted": "delete", "generated": "create"}
_LOWER = {"price": "model price"}
_FIXED = {
    401: ("Unauthorized", "Missing or invalid authorization token"),
    403: ("Forbidden", "Insufficient permissions"),
}


def refusal_body(operation: str, problem: Problem) -> dict[str, Any]:
    """The body; its status is the problem's."""
    if operation == "token.validated" and problem.status == 401:
        return {"error": "Invalid token", "message": "Invalid token", "valid": False}
    error, message = _said(operation, problem)
    return {"error": error, "message": message}


def _said(operation: str, problem: Problem) -> tuple[str, str]:
    cause = problem.cause
    if problem.code in {"address_denied", "insufficient_scope", "missing_token", "invalid_token"}:
        return _FIXED[problem.status]
    if isinstance(cause, NotFoundError):
        return _not_found(operation, cause)
    if isinstance(cause, DuplicateError):
        return f"Failed to {_verb(operation)} {_noun(cause.kind)}", _taken(cause)
    if problem.status == 400:
        return _invalid(operation, problem)
    return problem.error, problem.message


def _not_found(operation: str, cause: NotFoundError) -> tuple[str, str]:
    if cause.kind == "app" and operation in {"token.created", "token.generated"}:
        return "App not found", "app not found or inactive"
    return f"{NOUNS[cause.kind]} not found", f"{_noun(cause.kind)} not found: {cause.id}"


def _taken(cause: DuplicateError) -> str:
    return f"{_noun(cause.kind)} with {cause.field} '{cause.value}' already exists"


def _invalid(operation: str, problem: Problem) -> tuple[str, str]:
    if problem.field == "command" and operation.startswith("plugin."):
        return "Security validation failed", problem.message
    return "Invalid request format", problem.message


def _verb(operation: str) -> str:
    return _VERBS.get(operation.rpartition(".")[2], "update")


def _noun(kind: str) -> str:
    """In the middle of a sentence."""
    if kind == "llm":
        return NOUNS[kind]
    return _LOWER.get(kind, kind)
