"""Errors of ours as Ollama's are: a text under ``error``, whole and as a line of a stream."""

from __future__ import annotations

import orjson


def error_body(message: str, code: str) -> bytes:
    """``{"error": "…", message, code}``. Without ``status``, unlike elsewhere: Ollama's own client would take that for
    the text of the status, and a number there for no error of Ollama's."""
    text = _printable(message)
    return orjson.dumps({"error": text, "message": text, "code": code})


def stream_error(message: str, code: str) -> bytes:
    """``{"error": "…", code}``, on which clients raise, as the last line of a stream."""
    return orjson.dumps({"error": _printable(message), "code": code}) + b"\n"


def _printable(message: str) -> str:
    return message.encode("utf-8", "replace").decode()  # JSON carries no lone surrogate
