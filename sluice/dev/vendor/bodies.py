"""Bodies in OpenAI's dialect: whole answers, the pieces of streamed ones, errors, the list of models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.parts import CREATED, joined, model_of, reports_usage, sse_frame, texts, tool_calls, usage
from sluice.dev.vendor.responses import response_body, response_pieces
from sluice.dev.vendor.script import Script

MODELS = ("mock-small", "mock-large", "mock-embedding")
DONE = b"data: [DONE]\n\n"

_VECTOR = [index / 8 for index in range(8)]
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def whole_body(asked: Asked, script: Script) -> bytes:
    """A plain answer."""
    build = {"chat": _chat, "completion": _completion, "embedding": _embedding, "response": response_body}[asked.kind]
    body = build(asked, script)
    if reports_usage(asked, script):
        body["usage"] = usage(asked, script)
    return orjson.dumps(body)


def stream_pieces(asked: Asked, script: Script) -> list[bytes]:
    """A streamed answer: a piece for each piece of text, the frames before it in the first, and one that ends it."""
    return response_pieces(asked, script) if asked.kind == "response" else _chat_pieces(asked, script)


def error_body(status: int, message: str = "") -> bytes:
    """OpenAI's error shape."""
    error = {
        "message": message or f"the script asked for status {status}",
        "type": _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
        "param": None,
        "code": _ERROR_CODES.get(status),
    }
    return orjson.dumps({"error": error})


def models_body() -> bytes:
    """``GET /v1/models``."""
    models = [{"id": model, "object": "model", "created": CREATED, "owned_by": "sluice"} for model in MODELS]
    return orjson.dumps({"object": "list", "data": models})


def _chat(asked: Asked, script: Script) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts(script)), "refusal": None}
    if script.tool_calls:
        message |= {"content": None, "tool_calls": tool_calls(script)}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(script)}
        for index in range(asked.choices)
    ]
    return _envelope("chatcmpl-mock", "chat.completion", asked, script) | {"choices": choices}


def _completion(asked: Asked, script: Script) -> dict[str, Any]:
    text = "".join(texts(script))
    choices = [
        {"index": index, "text": text, "logprobs": None, "finish_reason": "stop"} for index in range(asked.choices)
    ]
    return _envelope("cmpl-mock", "text_completion", asked, script) | {"choices": choices}


def _embedding(asked: Asked, script: Script) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": _VECTOR} for index in range(asked.choices)]
    return {"object": "list", "model": model_of(asked, script), "data": data}


def _envelope(identity: str, kind: str, asked: Asked, script: Script) -> dict[str, Any]:
    return {"id": identity, "object": kind, "created": CREATED, "model": model_of(asked, script)}


def _finish_reason(script: Script) -> str:
    return "tool_calls" if script.tool_calls else "stop"


def _chat_pieces(asked: Asked, script: Script) -> list[bytes]:
    """Chat and completions. With usage asked for, each chunk but the last says ``"usage":null``, as OpenAI's do."""
    is_chat = asked.kind == "chat"
    identity, kind = ("chatcmpl-mock", "chat.completion.chunk") if is_chat else ("cmpl-mock", "text_completion")
    envelope = _envelope(identity, kind, asked, script)
    if reports_usage(asked, script):
        envelope["usage"] = None
    indexes = range(asked.choices)
    opening = [_frame(envelope, index, {"delta": {"role": "assistant", "content": ""}}) for index in indexes if is_chat]
    middle = [_frame(envelope, index, delta) for index in indexes for delta in _deltas(asked, script)]
    last: dict[str, Any] = {"delta": {}} if is_chat else {"text": ""}
    closing = [_frame(envelope, index, last, _finish_reason(script)) for index in indexes]
    if reports_usage(asked, script):
        closing.append(sse_frame(envelope | {"choices": [], "usage": usage(asked, script)}))
    return joined(opening, middle, [*closing, DONE])


def _frame(envelope: dict[str, Any], index: int, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    return sse_frame(envelope | {"choices": [{"index": index, **delta, "finish_reason": finish_reason}]})


def _deltas(asked: Asked, script: Script) -> list[dict[str, Any]]:
    if asked.kind == "completion":
        return [{"text": piece} for piece in texts(script)]
    if script.tool_calls:
        return [{"delta": {"tool_calls": [part]}} for part in _tool_call_parts(script)]
    return [{"delta": {"content": piece}} for piece in texts(script)]


def _tool_call_parts(script: Script) -> Iterator[dict[str, Any]]:
    """Each call in two: its id and name, then its arguments, as real streams do."""
    for index, call in enumerate(tool_calls(script)):
        function = call["function"]
        yield {"index": index, **call, "function": function | {"arguments": ""}}
        yield {"index": index, "function": {"arguments": function["arguments"]}}
