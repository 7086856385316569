"""Errors of ours as Google's are: ``google.rpc.Status`` in JSON."""

from __future__ import annotations

from typing import Any, Final

import orjson

_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
_DOMAIN: Final = "sluice"


def error_body(status: int, message: str, code: str) -> bytes:
    """``{"error": {code, message, status, details}}``, and nothing beside it: SDKs read a ``status`` there as
    Google's. Our stable code is the reason in the details, in Google's capitals and as it is."""
    return orjson.dumps({"error": _error(status, message, code)})


def stream_error(status: int, message: str, code: str) -> bytes:
    """The same as a server-sent event, on which SDKs raise."""
    return b"data: " + error_body(status, message, code) + b"\r\n\r\n"


def array_error(status: int, message: str, code: str) -> bytes:
    """The same as the last element of an array that has begun."""
    return b",\r\n" + error_body(status, message, code) + b"\r\n]"


def _error(status: int, message: str, code: str) -> dict[str, Any]:
    kind = _STATUSES.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    text = message.encode("utf-8", "replace").decode()  # JSON carries no lone surrogate
    reason = {"@type": _ERROR_INFO, "reason": code.upper(), "domain": _DOMAIN, "metadata": {"code": code}}
    return {"code": status, "message": text, "status": kind, "details": [reason] if code else []}
