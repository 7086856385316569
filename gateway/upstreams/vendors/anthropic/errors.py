"""Errors of ours as Anthropic's are. Its SDKs choose a class by the status, and show ``type`` and ``details``."""

from __future__ import annotations

from typing import Any

import orjson

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(status: int, message: str, code: str) -> bytes:
    """``{"type": "error", "error": {type, message, details}, status, message, code}``."""
    error = _error(status, message, code)
    body = {"type": "error", "error": error, "status": status, "message": error["message"], "code": code}
    return orjson.dumps(body)


def stream_error(status: int, message: str, code: str) -> bytes:
    """``event: error``, on which SDKs raise. No ``message_stop`` behind it: who skips it must not believe that the
    answer is complete."""
    return b"event: error\ndata: " + orjson.dumps({"type": "error", "error": _error(status, message, code)}) + b"\n\n"


def _error(status: int, message: str, code: str) -> dict[str, Any]:
    kind = _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    text = message.encode("utf-8", "replace").decode()  # JSON carries no lone surrogate
    return {"type": kind, "message": text, "details": {"error_code": code}}
