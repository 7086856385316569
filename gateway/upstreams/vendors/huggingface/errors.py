"""Errors of ours as those of text generation are. Its SDK chooses a class by ``error_type``."""

from __future__ import annotations

import orjson

_ERROR_TYPES = {400: "validation", 401: "authentication", 403: "permission", 404: "not_found", 413: "validation",
                422: "validation", 429: "overloaded"}  # fmt: skip


def error_body(status: int, message: str, code: str) -> bytes:
    """``{"error": "…", error_type, status, message, code}``."""
    error = _error(status, message, code)
    return orjson.dumps({**error, "status": status, "message": error["error"]})


def stream_error(status: int, message: str, code: str) -> bytes:
    """``data: {"error": "…", error_type, code}``, on which SDKs raise."""
    return b"data: " + orjson.dumps(_error(status, message, code)) + b"\n\n"


def _error(status: int, message: str, code: str) -> dict[str, str]:
    kind = _ERROR_TYPES.get(status, "generation" if status >= 500 else "validation")
    text = message.encode("utf-8", "replace").decode()  # JSON carries no lone surrogate
    return {"error": text, "error_type": kind, "code": code}
