"""Errors of ours as OpenAI's are."""

from __future__ import annotations

import orjson

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def error_body(status: int, message: str, code: str) -> bytes:
    """``{"error": {message, type, param, code}, status, message, code}``."""
    error = _error(status, message, code)
    return orjson.dumps({"error": error, "status": status, "message": error["message"], "code": code})


def stream_error(status: int, message: str, code: str) -> bytes:
    """``data: {"error": {…}}``, on which SDKs raise. No ``[DONE]`` behind it: who skips it must not believe that the
    answer is complete."""
    return b"data: " + orjson.dumps({"error": _error(status, message, code)}) + b"\n\n"


def _error(status: int, message: str, code: str) -> dict[str, str | None]:
    kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    text = message.encode("utf-8", "replace").decode()  # JSON carries no lone surrogate
    return {"message": text, "type": kind, "param": None, "code": code}
