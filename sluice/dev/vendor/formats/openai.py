"""OpenAI's format: chat, completions, embeddings, responses, audio and images; errors, the list of models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson

from sluice.dev.vendor.asked import MAX_CHOICES, Asked, inputs_of
from sluice.dev.vendor.formats.openai_media import AUDIO, media_body, media_type, media_usage
from sluice.dev.vendor.formats.openai_responses import prompt_details, response_body, response_pieces, response_usage
from sluice.dev.vendor.parts import (
    CREATED,
    VECTOR,
    finish_reason,
    joined,
    model_of,
    reports_usage,
    sse_frame,
    texts,
    tool_calls,
    whole_text,
    with_figures,
)
from sluice.dev.vendor.script import Script
from sluice.dev.vendor.wire import Request

NAME: Final = "openai"
MODELS = ("mock-small", "mock-large", "mock-embedding")
DONE = b"data: [DONE]\n\n"

_KINDS: Final = (
    ("/chat/completions", "chat"),
    ("/completions", "completion"),
    ("/embeddings", "embedding"),
    ("/responses", "response"),
    ("/images/generations", "image"),
    ("/audio/transcriptions", "transcription"),
    ("/audio/speech", "speech"),
)
_MEDIA: Final = frozenset(("image", "transcription", "speech"))
_WITH_STREAMS: Final = frozenset(("chat", "completion", "response"))
_FORM_MODEL: Final = re.compile(rb'name="model"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)')
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    """Decoded without the rest, as benchmarks send thousands of them a second."""

    model: str = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    input: msgspec.Raw = msgspec.Raw()


_decode: Final = msgspec.json.Decoder(_Body).decode


@lru_cache(maxsize=1024)
def kind_of(path: str) -> str | None:
    """Whatever base path stands before it."""
    return next((kind for ending, kind in _KINDS if path.endswith(ending)), None)


def is_path(path: str) -> bool:
    """Those of which the end is known."""
    return kind_of(path) is not None


def ask(path: str, query: str, request: Request) -> Asked:  # noqa: ARG001 - formats differ
    """What is asked for; raises ValueError."""
    return read_body(kind_of(path) or "chat", request.body)


def read_body(kind: str, body: bytes) -> Asked:
    """What a body asks for; raises ValueError on one that is not what it should be."""
    if kind == "transcription":
        found = _FORM_MODEL.search(body)
        return Asked(kind, found[1].decode("utf-8", "replace") if found else "", False, True, 1)
    try:
        request = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"the body is not the JSON it should be: {error}"
        raise ValueError(message) from error
    is_stream = bool(request.stream) and kind in _WITH_STREAMS
    options = request.stream_options
    wants_usage = not is_stream or kind == "response" or bool(options and options.include_usage)
    choices = request.n or 1
    if kind == "embedding":
        choices = inputs_of(msgspec.json.decode(request.input) if bytes(request.input) else "")
    return Asked(kind, request.model, is_stream, wants_usage, min(max(choices, 1), MAX_CHOICES))


def whole_body(asked: Asked, script: Script) -> bytes:
    """A plain answer."""
    if asked.kind == "speech":
        return AUDIO
    body = _BUILDERS[asked.kind](asked, script)
    if reports_usage(asked, script):
        body["usage"] = usage(asked, script)
    return orjson.dumps(body)


def stream_pieces(asked: Asked, script: Script) -> list[bytes]:
    """A streamed answer: a piece for each piece of text, the frames before it in the first, and one that ends it."""
    return response_pieces(asked, script) if asked.kind == "response" else _chat_pieces(asked, script)


def content_type(asked: Asked, *, is_stream: bool) -> str:
    """Of what is answered with success."""
    return "text/event-stream; charset=utf-8" if is_stream else media_type(asked.kind)


def headers(asked: Asked, script: Script) -> tuple[tuple[str, str], ...]:  # noqa: ARG001 - formats differ
    """None."""
    return ()


def usage(asked: Asked, script: Script) -> dict[str, Any]:
    """The usage object of this kind of answer."""
    if asked.kind == "response":
        return response_usage(script)
    if asked.kind in _MEDIA:
        return media_usage(asked.kind, script)
    if asked.kind == "embedding":
        found: dict[str, Any] = {"prompt_tokens": script.prompt_tokens, "total_tokens": script.prompt_tokens}
        return with_figures(found, script)
    found = {
        "prompt_tokens": script.prompt_tokens,
        "completion_tokens": script.response_tokens,
        "total_tokens": script.prompt_tokens + script.response_tokens,
        "prompt_tokens_details": prompt_details(script),
        "completion_tokens_details": {"reasoning_tokens": script.reasoning},
    }
    return with_figures(found, script)


def error_body(status: int, message: str = "") -> bytes:
    """OpenAI's error shape."""
    return orjson.dumps({"error": _error(status, message)})


def stream_error(asked: Asked) -> bytes:
    """Within a stream: a frame of its own, or the event that the responses API has for it."""
    error = _error(500, "the script ends this stream")
    if asked.kind == "response":
        event = {"type": "error", "sequence_number": 99, "code": "server_error", "message": error["message"]}
        return sse_frame(event | {"param": None}, "error")
    return sse_frame({"error": error})


def garbage(asked: Asked) -> bytes:  # noqa: ARG001 - formats differ
    """No JSON, a comment that is no UTF-8, and JSON that is none."""
    return b'data: {not json\n\n: \xff\xfe\n\ndata: {"model":"\xff","choices":[]}\n\n'


def models_body(path: str = "/models") -> bytes | None:
    """``GET /v1/models``."""
    if not path.endswith("/models"):
        return None
    models = [{"id": model, "object": "model", "created": CREATED, "owned_by": "sluice"} for model in MODELS]
    return orjson.dumps({"object": "list", "data": models})


def _error(status: int, message: str) -> dict[str, Any]:
    return {
        "message": message or f"the script asked for status {status}",
        "type": _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
        "param": None,
        "code": _ERROR_CODES.get(status),
    }


def _chat(asked: Asked, script: Script) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": whole_text(script), "refusal": None}
    if script.tool_calls:
        message |= {"content": None, "tool_calls": tool_calls(script)}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(script)}
        for index in range(asked.choices)
    ]
    return _envelope("chatcmpl-mock", "chat.completion", asked, script) | {"choices": choices}


def _completion(asked: Asked, script: Script) -> dict[str, Any]:
    text = whole_text(script)
    choices = [
        {"index": index, "text": text, "logprobs": None, "finish_reason": _finish_reason(script)}
        for index in range(asked.choices)
    ]
    return _envelope("cmpl-mock", "text_completion", asked, script) | {"choices": choices}


def _embedding(asked: Asked, script: Script) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": VECTOR} for index in range(asked.choices)]
    return {"object": "list", "model": model_of(asked, script), "data": data}


def _media(asked: Asked, script: Script) -> dict[str, Any]:
    return media_body(asked, script)


_BUILDERS: Final = {
    "chat": _chat,
    "completion": _completion,
    "embedding": _embedding,
    "response": response_body,
    "image": _media,
    "transcription": _media,
}


def _envelope(identity: str, kind: str, asked: Asked, script: Script) -> dict[str, Any]:
    return {"id": identity, "object": kind, "created": CREATED, "model": model_of(asked, script)}


def _finish_reason(script: Script) -> str:
    return finish_reason(script, "stop", "length", "tool_calls", "content_filter")


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
