"""Google's format: generateContent and its two kinds of streams, countTokens, embeddings; errors, the list of models.

Zeros are left out, as in all of Google's JSON.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote

import orjson

from sluice.dev.vendor.asked import MAX_CHOICES, Asked, choices_of, json_object, object_of, parameter
from sluice.dev.vendor.parts import (
    VECTOR,
    finish_reason,
    joined,
    model_of,
    reports_usage,
    texts,
    thoughts,
    tools,
    whole_text,
    with_figures,
)
from sluice.dev.vendor.script import Script
from sluice.dev.vendor.wire import Request

NAME: Final = "google"
MODELS: Final = ("mock-gemini-small", "mock-gemini-large")
_METHODS: Final = {
    "generateContent": "generate",
    "streamGenerateContent": "stream",
    "countTokens": "count",
    "embedContent": "embed",
    "batchEmbedContents": "embeds",
    "predict": "predict",
}
_PATH: Final = re.compile(r"/(?:models|tunedModels|endpoints)/([^/:]+):(\w+)$")
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
Element = dict[str, Any]


def is_path(path: str) -> bool:
    """``…/models/<model>:<method>`` with a method of these."""
    found = _PATH.search(unquote(path))
    return found is not None and found[2] in _METHODS


def ask(path: str, query: str, request: Request) -> Asked:
    """What is asked for; raises ValueError."""
    found = _PATH.search(unquote(path))
    model, kind = (found[1], _METHODS[found[2]]) if found else ("", "generate")
    body = json_object(request.body)
    if kind in {"embeds", "predict"}:
        many = body.get("requests" if kind == "embeds" else "instances")
        count = min(len(many), MAX_CHOICES) if isinstance(many, list) else 1
        return Asked(kind, model, False, True, count, NAME)
    choices = choices_of(object_of(body, "generationConfig"), "candidateCount") if kind in {"generate", "stream"} else 1
    variant = "sse" if parameter(query, "alt") == "sse" else "array"
    return Asked(kind, model, kind == "stream", True, choices, NAME, variant if kind == "stream" else "")


def whole_body(asked: Asked, script: Script) -> bytes:
    """A plain answer."""
    if asked.kind == "generate":
        return orjson.dumps(_element(asked, script, _parts(script), _finish_reason(script), script.response_tokens))
    if asked.kind == "count":
        return orjson.dumps(usage(asked, script))
    if asked.kind == "predict":
        counts = usage(asked, script) if reports_usage(asked, script) else {}
        first = {"embeddings": {"values": VECTOR, "statistics": {"truncated": False, **counts}}}
        other = {"embeddings": {"values": VECTOR, "statistics": {"truncated": False, "token_count": 0}}}
        return orjson.dumps({"predictions": [first, *[other] * (asked.choices - 1)]})
    vectors: Element = {"embedding": {"values": VECTOR}}
    if asked.kind == "embeds":
        vectors = {"embeddings": [{"values": VECTOR}] * asked.choices}
    return orjson.dumps(vectors | ({"usageMetadata": usage(asked, script)} if reports_usage(asked, script) else {}))


def stream_pieces(asked: Asked, script: Script) -> list[bytes]:
    """Elements that each count all that came so far; the last one of all candidates tells why they ended."""
    parts = [[{"text": thought, "thought": True}] for thought in thoughts(script)]
    middle = [[part] for part in _calls(script)] or [[{"text": piece}] for piece in texts(script)]
    done = [_element(asked, script, given, "", 1 + at) for at, given in enumerate([*parts, *middle])]
    last = _element(asked, script, [{"text": ""}], _finish_reason(script), script.response_tokens)
    if asked.variant == "sse":
        frames = [b"data: " + orjson.dumps(element) + b"\r\n\r\n" for element in (*done, last)]
    else:
        frames = [b",\r\n" * (at > 0) + orjson.dumps(element) for at, element in enumerate((*done, last))]
        frames[0] = b"[" + frames[0]
        frames[-1] += b"]\n"
    return joined(frames[: len(parts)], frames[len(parts) : -1], frames[-1:])


def content_type(asked: Asked, *, is_stream: bool) -> str:
    """Of what is answered with success."""
    return "text/event-stream" if is_stream and asked.variant == "sse" else "application/json; charset=UTF-8"


def headers(asked: Asked, script: Script) -> tuple[tuple[str, str], ...]:  # noqa: ARG001 - formats differ
    """None that tells anything."""
    return (("x-gemini-service-tier", "standard"),)


def usage(asked: Asked, script: Script) -> dict[str, Any]:
    """``usageMetadata``: thoughts are counted beside the candidates, what is cached among the prompt."""
    if asked.kind == "predict":
        return with_figures({"token_count": script.prompt_tokens}, script)
    if asked.kind == "count":
        return with_figures({"totalTokens": script.prompt_tokens, **_details("prompt", script.prompt_tokens)}, script)
    if asked.kind in {"embed", "embeds"}:
        counts = {"promptTokenCount": script.prompt_tokens, **_details("prompt", script.prompt_tokens)}
        return with_figures(counts, script)
    return _metadata(script, script.response_tokens)


def error_body(status: int, message: str = "") -> bytes:
    """Google's error shape."""
    return orjson.dumps(_error(status, message))


def stream_error(asked: Asked) -> bytes:
    """An element that is an error."""
    error = orjson.dumps(_error(503, "the script ends this stream"))
    return b"data: " + error + b"\r\n\r\n" if asked.variant == "sse" else b",\r\n" + error + b"]\n"


def garbage(asked: Asked) -> bytes:
    """No JSON, in what looks like an element; and JSON that is no UTF-8."""
    broken = b'{"candidates":[],"modelVersion":"\xff"}'
    if asked.variant == "sse":
        return b"data: {not json \xff\xfe\r\n\r\ndata: " + broken + b"\r\n\r\n"
    return b",\r\n{not json \xff\xfe},\r\n" + broken


def models_body(path: str) -> bytes | None:
    """``GET /v1beta/models``."""
    if not path.endswith("/models") or "/v1beta" not in path:
        return None
    methods = ["generateContent", "countTokens", "embedContent"]
    models = [
        {"name": f"models/{name}", "displayName": name, "version": "1", "supportedGenerationMethods": methods}
        for name in MODELS
    ]
    return orjson.dumps({"models": models})


def _error(status: int, message: str) -> Element:
    named = _STATUSES.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message or f"the script asked for status {status}", "status": named}}


def _details(name: str, tokens: int) -> Element:
    return {f"{name}TokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


def _metadata(script: Script, made: int) -> Element:
    thinking = min(script.reasoning, made)
    counts = {
        "promptTokenCount": script.prompt_tokens,
        "cachedContentTokenCount": script.cached,
        "candidatesTokenCount": made - thinking,
        "thoughtsTokenCount": thinking,
        "totalTokenCount": script.prompt_tokens + made,
    }
    told = {name: count for name, count in counts.items() if count}
    return with_figures(told | _details("prompt", script.prompt_tokens), script)


def _element(asked: Asked, script: Script, parts: list[Element], reason: str, made: int) -> Element:
    content = {"parts": parts, "role": "model"}
    candidate: Element = {"content": content, **({"finishReason": reason} if reason else {})}
    candidates = [candidate | ({"index": index} if index else {}) for index in range(asked.choices)]
    found: Element = {"candidates": candidates}
    if reports_usage(asked, script):
        found["usageMetadata"] = _metadata(script, min(made, script.response_tokens))
    return found | {"modelVersion": model_of(asked, script), "responseId": "mock"}


def _parts(script: Script) -> list[Element]:
    thinking: list[Element] = [{"text": "".join(thoughts(script)), "thought": True}] if script.reasoning else []
    return [*thinking, *(_calls(script) or [{"text": whole_text(script)}])]


def _calls(script: Script) -> list[Element]:
    return [{"functionCall": {"name": name, "args": given}} for _, name, given in tools(script)]


def _finish_reason(script: Script) -> str:
    return finish_reason(script, "STOP", "MAX_TOKENS", "STOP", "SAFETY")
