"""Hugging Face's format: text generation servers, and inference of the model that a path names.

What those servers offer under ``/v1`` is OpenAI's format. Counts come where ``parameters.details`` asks for them.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from sluice.dev.vendor.asked import Asked, flag_of, inputs_of, json_object, object_of, text_of
from sluice.dev.vendor.parts import VECTOR, finish_reason, joined, reports_usage, texts, whole_text, with_figures
from sluice.dev.vendor.script import Script
from sluice.dev.vendor.wire import Request

NAME: Final = "huggingface"
_MODEL: Final = re.compile(r"/(?:models|pipeline/[\w-]+)/(.+)$")
_EXTRACTION: Final = "/feature-extraction/"
_ERROR_TYPES: Final = {422: "validation", 429: "overloaded", 424: "generation"}


def is_path(path: str) -> bool:
    """Two of its own, a model's, and the root of a model's own server."""
    return path == "/" or path.endswith(("/generate", "/generate_stream")) or _MODEL.search(path) is not None


def ask(path: str, query: str, request: Request) -> Asked:  # noqa: ARG001 - formats differ
    """What is asked for; raises ValueError."""
    body = json_object(request.body)
    found = _MODEL.search(path)
    model = found[1] if found else text_of(body, "model")
    if _EXTRACTION in path:
        return Asked("embedding", model, False, False, inputs_of(body.get("inputs")), NAME)
    has_own_path = path.endswith("/generate")
    is_stream = path.endswith("/generate_stream") or (not has_own_path and bool(flag_of(body, "stream")))
    wants_details = bool(flag_of(object_of(body, "parameters"), "details"))
    return Asked("generate", model, is_stream, wants_details, 1, NAME, "object" if has_own_path else "list")


def whole_body(asked: Asked, script: Script) -> bytes:
    """A plain answer: one result on the server's own path, a list of them on a model's."""
    if asked.kind == "embedding":
        return orjson.dumps([VECTOR] * asked.choices)
    result: dict[str, Any] = {"generated_text": whole_text(script)}
    if reports_usage(asked, script):
        result["details"] = {**_details(asked, script), "prefill": [], "tokens": []}
    return orjson.dumps(result if asked.variant == "object" else [result])


def stream_pieces(asked: Asked, script: Script) -> list[bytes]:
    """A token each; the last one has all of the text."""
    pieces = texts(script)
    told = _details(asked, script) if reports_usage(asked, script) else None
    middle = [_frame(_token(at + 1, piece)) for at, piece in enumerate(pieces)]
    last = _token(len(pieces) + 1, "</s>", special=True) | {"generated_text": "".join(pieces), "details": told}
    return joined([], middle, [_frame(last)])


def content_type(asked: Asked, *, is_stream: bool) -> str:  # noqa: ARG001 - formats differ
    """Of what is answered with success."""
    return "text/event-stream" if is_stream else "application/json"


def headers(asked: Asked, script: Script) -> tuple[tuple[str, str], ...]:
    """What these servers tell of a plain answer, whether it was asked for or not."""
    if asked.is_stream or asked.kind != "generate" or asked.variant != "object" or script.usage == "none":
        return ()
    counts = {"x-prompt-tokens": script.prompt_tokens, "x-generated-tokens": script.response_tokens}
    return tuple((name, str(count)) for name, count in with_figures(counts, script).items())


def usage(asked: Asked, script: Script) -> dict[str, Any]:
    """The counts among ``details``."""
    return {} if asked.kind == "embedding" else _details(asked, script)


def error_body(status: int, message: str = "") -> bytes:
    """The shape of text generation's errors."""
    kind = _ERROR_TYPES.get(status, "generation" if status >= 500 else "validation")
    return orjson.dumps({"error": message or f"the script asked for status {status}", "error_type": kind})


def stream_error(asked: Asked) -> bytes:  # noqa: ARG001 - formats differ
    """An event that is an error."""
    return b"data:" + error_body(500, "the script ends this stream") + b"\n\n"


def garbage(asked: Asked) -> bytes:  # noqa: ARG001 - formats differ
    """No JSON, a comment, and JSON that is no UTF-8."""
    return b'data:{not json\n\n: \xff\xfe\n\ndata:{"generated_text":null,"details":null,"error":null,"x":"\xff"}\n\n'


def models_body(path: str) -> bytes | None:
    """``GET /info``: such a server has one model."""
    return orjson.dumps({"model_id": "mock-text", "version": "3"}) if path.endswith("/info") else None


def _details(asked: Asked, script: Script) -> dict[str, Any]:  # noqa: ARG001 - as usage
    reason = finish_reason(script, "eos_token", "length", "eos_token", "stop_sequence")
    counts = with_figures({"generated_tokens": script.response_tokens, "input_length": script.prompt_tokens}, script)
    return {"finish_reason": reason, **counts, "seed": None}


def _token(index: int, text: str, *, special: bool = False) -> dict[str, Any]:
    token = {"id": index, "text": text, "logprob": -0.5, "special": special}
    return {"index": index, "token": token, "generated_text": None, "details": None}


def _frame(event: dict[str, Any]) -> bytes:
    return b"data:" + orjson.dumps(event) + b"\n\n"
