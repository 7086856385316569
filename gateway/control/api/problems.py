"""What the API refuses, as one exception with one shape; foreign errors are translated here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway.control.errors import (
    ControlDatabaseError,
    ControlError,
    DuplicateError,
    FileConflictError,
    FileManagedError,
    InvalidError,
    NotFoundError,
    StaleVersionError,
    UnknownReferenceError,
)
from sluice.eventstore.queries import EventStoreError
from sluice.secrets import SecretError

logger = structlog.get_logger(__name__)

NOUNS = {"llm": "LLM", "app": "App", "token": "Token", "price": "Model price", "plugin": "Plugin"}
"""What people call each kind of entity."""
_MAX_SHOWN_PROBLEMS = 20
_SUMMARIES = {
    400: "Invalid request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    413: "Request too large",
    429: "Too many failed attempts",
}
_REFUSALS: dict[type[ControlError], tuple[int, str, str]] = {
    NotFoundError: (404, "not_found", "{} not found"),
    DuplicateError: (409, "duplicate", "{} exists already"),
    FileConflictError: (409, "file_conflict", "{} exists already"),
    FileManagedError: (409, "managed_by_file", "{} is managed by the settings file"),
    StaleVersionError: (412, "stale_version", "Changed meanwhile"),
    UnknownReferenceError: (400, "unknown_reference", "Invalid request"),
    InvalidError: (400, "invalid", "Invalid request"),
}
_UNAVAILABLE: dict[type[Exception], tuple[str, str]] = {
    ControlDatabaseError: ("database_unavailable", "the control database cannot be used now; try again"),
    SecretError: ("secret_unavailable", "a vendor key cannot be decrypted; see control.secret_key"),
    EventStoreError: ("events_unavailable", "the event store cannot be asked now; try again, or see control.events"),
}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}


class Problem(Exception):  # noqa: N818 - it is an answer, not an error
    """An answer that says what is wrong: a summary, the detail with its remedy, a stable code, the field if any."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        error: str = "",
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        problems: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.error = error or _SUMMARIES.get(status, "Request refused")
        self.field = field
        self.headers = dict(headers or {})
        self.problems = problems
        """Field and reason of each thing that is wrong, where there are several."""
        self.kind: str | None = None
        """The entity's, where it is about one."""
        self.cause: ControlError | None = None
        """What the store refused, where it did."""


def invalid(field: str, message: str) -> Problem:
    """400 for one field."""
    return Problem(400, "invalid", f"{field}: {message}", field=field)


def not_in_this_version(message: str, code: str = "not_implemented") -> Problem:
    """501: the reference has it, we have another way, which the message names."""
    return Problem(501, code, message, error="Not implemented")


def problem_of(error: Exception) -> Problem:
    """The answer to any exception; what is a fault of ours is logged, without a word of the request."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _of_validation(error.errors())
    if isinstance(error, ControlError) and not isinstance(error, ControlDatabaseError):
        return _of_control(error)
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "request_invalid")
        return Problem(error.status_code, code, str(error.detail), headers=error.headers)
    return _of_fault(error)


def _of_fault(error: Exception) -> Problem:
    unavailable = next((found for cls, found in _UNAVAILABLE.items() if isinstance(error, cls)), None)
    if unavailable is None:
        logger.error("control request failed", exc_info=error)
        return Problem(500, "gateway_error", "a fault of the gateway; its log says more", error="Internal error")
    code, message = unavailable
    logger.error("control request found something away", code=code, error=str(error))
    return Problem(503, code, message, error="Unavailable", headers={"retry-after": "1"})


def _of_control(error: ControlError) -> Problem:
    kind = getattr(error, "kind", None)
    status, code, error_text = next(
        (found for cls, found in _REFUSALS.items() if isinstance(error, cls)), (400, "invalid", _SUMMARIES[400])
    )
    problem = Problem(
        status,
        code,
        str(error),
        error=error_text.format(NOUNS.get(kind or "", "Entity")),
        field=getattr(error, "field", None),
        headers={"etag": f'"{error.current}"'} if isinstance(error, StaleVersionError) else None,
    )
    problem.kind = kind
    problem.cause = error
    return problem


def _of_validation(errors: Any) -> Problem:
    found = tuple((_field(each["loc"]), _reason(each)) for each in errors[:_MAX_SHOWN_PROBLEMS])
    message = "; ".join(f"{field}: {reason}" if field else reason for field, reason in found)
    return Problem(400, "invalid", message, field=found[0][0] or None, problems=found if len(found) > 1 else ())


def _field(location: tuple[int | str, ...]) -> str:
    """``endpoint``, ``allowed_models[2]``: where in the request; a body that is wrong as a whole is ``body``."""
    named = location[1:] if len(location) > 1 else location
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in named]
    return "".join(parts).lstrip(".")[:200]


def _reason(found: Any) -> str:
    kind = found["type"]
    if kind == "extra_forbidden":
        return "is not known here; remove it"
    if kind == "missing":
        return "is required; add it"
    message: str = found["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
