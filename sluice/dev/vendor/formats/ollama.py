"""Ollama's own format: chat, generate, embeddings; a stream is a line each, unless the request says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from sluice.dev.vendor.asked import Asked, flag_of, inputs_of, json_object, text_of
from sluice.dev.vendor.parts import (
    CREATED_TEXT,
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

NAME: Final = "ollama"
MODELS: Final = ("mock-llama:latest", "mock-embed:latest")
_KINDS: Final = {
    "/api/chat": "chat",
    "/api/generate": "generate",
    "/api/embed": "embed",
    "/api/embeddings": "embedding",
}
Line = dict[str, Any]


def kind_of(path: str) -> str | None:
    """Whatever base path stands before it."""
    return next((kind for ending, kind in _KINDS.items() if path.endswith(ending)), None)


def is_path(path: str) -> bool:
    """Those below ``/api``."""
    return kind_of(path) is not None


def ask(path: str, query: str, request: Request) -> Asked:  # noqa: ARG001 - formats differ
    """What is asked for; raises ValueError. Streams are what Ollama does where nobody says otherwise."""
    kind = kind_of(path) or "chat"
    body = json_object(request.body)
    is_stream = kind in {"chat", "generate"} and flag_of(body, "stream") is not False
    choices = inputs_of(body.get("input")) if kind == "embed" else 1
    return Asked(kind, text_of(body, "model"), is_stream, kind != "embedding", choices, NAME)


def whole_body(asked: Asked, script: Script) -> bytes:
    """A plain answer."""
    if asked.kind == "embedding":
        return orjson.dumps({"embedding": VECTOR})
    if asked.kind == "embed":
        counts = usage(asked, script) if reports_usage(asked, script) else {}
        vectors = [VECTOR] * asked.choices
        return orjson.dumps({"model": model_of(asked, script), "embeddings": vectors, **counts})
    text = "" if script.tool_calls else whole_text(script)
    return orjson.dumps(_line(asked, script, text, "".join(thoughts(script)), _calls(script)) | _end(asked, script))


def stream_pieces(asked: Asked, script: Script) -> list[bytes]:
    """A line each; the last one has no text and counts."""
    opening = [_line(asked, script, "", thought, []) for thought in thoughts(script)]
    middle = [_line(asked, script, "", "", [call]) for call in _calls(script)]
    middle = middle or [_line(asked, script, piece, "", []) for piece in texts(script)]
    last = _line(asked, script, "", "", []) | _end(asked, script)
    return joined(*([_dumped(line) for line in lines] for lines in (opening, middle, [last])))


def content_type(asked: Asked, *, is_stream: bool) -> str:  # noqa: ARG001 - formats differ
    """Of what is answered with success."""
    return "application/x-ndjson" if is_stream else "application/json; charset=utf-8"


def headers(asked: Asked, script: Script) -> tuple[tuple[str, str], ...]:  # noqa: ARG001 - formats differ
    """None."""
    return ()


def usage(asked: Asked, script: Script) -> dict[str, Any]:
    """The figures that stand beside the answer; thinking is among ``eval_count``. Durations are nanoseconds."""
    counts = {"prompt_eval_count": script.prompt_tokens}
    durations = {"total_duration": 5_000_000, "load_duration": 1_000_000}
    if asked.kind in {"embed", "embedding"}:
        return durations | with_figures(counts, script)
    durations |= {"prompt_eval_duration": 1_500_000, "eval_duration": 2_500_000}
    return durations | with_figures(counts | {"eval_count": script.response_tokens}, script)


def error_body(status: int, message: str = "") -> bytes:
    """Ollama's error shape: text."""
    return orjson.dumps({"error": message or f"the script asked for status {status}"})


def stream_error(asked: Asked) -> bytes:  # noqa: ARG001 - formats differ
    """A line that is an error."""
    return error_body(500, "the script ends this stream") + b"\n"


def garbage(asked: Asked) -> bytes:  # noqa: ARG001 - formats differ
    """A line that is no JSON, and one that is no UTF-8."""
    return b'{not json \xff\xfe\n{"model":"\xff","done":false}\n'


def models_body(path: str) -> bytes | None:
    """``GET /api/tags``."""
    if not path.endswith("/api/tags"):
        return None
    models: list[Line] = [
        {"name": name, "model": name, "modified_at": CREATED_TEXT, "size": 1, "details": {}} for name in MODELS
    ]
    return orjson.dumps({"models": models})


def _dumped(line: Line) -> bytes:
    return orjson.dumps(line) + b"\n"


def _calls(script: Script) -> list[Line]:
    return [{"function": {"name": name, "arguments": given}} for _, name, given in tools(script)]


def _line(asked: Asked, script: Script, text: str, thought: str, calls: list[Line]) -> Line:
    shown: Mapping[str, Any] = {"thinking": thought} if thought else {}
    found: Line = {"model": model_of(asked, script), "created_at": CREATED_TEXT}
    if asked.kind == "generate":
        return found | {"response": text, **shown, "done": False}
    message = {"role": "assistant", "content": text, **shown, **({"tool_calls": calls} if calls else {})}
    return found | {"message": message, "done": False}


def _end(asked: Asked, script: Script) -> Line:
    counts = usage(asked, script) if reports_usage(asked, script) else {"total_duration": 5_000_000}
    return {"done": True, "done_reason": finish_reason(script, "stop", "length", "stop", "stop"), **counts}
