"""What was asked and answered, and the vendor's own words on usage: short, and of each vendor's shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from sluice.dev.demo.history.happening import Happened

_PARTS = ("The mock vendor answers every prompt ", "with the same calm sentence.")
JSON_TYPE = "application/json"
STREAM_TYPE = "text/event-stream; charset=utf-8"
_MADE_AT = 1_767_225_600


class Refusal(NamedTuple):
    """How the gateway tells a client, and its operators, that it did not get an answer."""

    status: int
    error_kind: str
    message: str


REFUSALS = {
    "rate_limited": Refusal(429, "rate_limited", "app 'nightly-reports' may have 3 requests a minute and has 0 left"),
    "budget_exceeded": Refusal(403, "budget_exceeded", "Budget limit exceeded"),
    "blocked_post_auth": Refusal(403, "blocked_post_auth", "the prompt is not allowed here"),
    "auth_failed": Refusal(401, "invalid_token", "the token is not known"),
    "upstream_timeout": Refusal(504, "timeout_first_byte", "the vendor sent no first byte within 30 s"),
    "upstream_unreachable": Refusal(502, "unreachable", "cannot connect to the vendor: connection refused"),
}
VENDOR_FAILURE_STATUS = 503


def request_body(each: Happened) -> bytes:
    """In OpenAI's dialect, which teams speak to every vendor."""
    message = {"role": "user", "content": each.prompt}
    return orjson.dumps({"model": each.model.name, "messages": [message], "stream": each.is_stream})


def response_body(each: Happened) -> bytes:
    """What the client got."""
    if each.outcome == "upstream_error":
        return orjson.dumps({"error": {"message": "the vendor is overloaded", "type": "server_error"}})
    if refusal := REFUSALS.get(each.outcome):
        return orjson.dumps({"error": {"message": refusal.message, "code": each.outcome}})
    if each.is_stream:
        return b"".join(_frames(each))
    choice = {"index": 0, "message": {"role": "assistant", "content": "".join(_PARTS)}, "finish_reason": "stop"}
    return orjson.dumps({**_head(each, "chat.completion"), "choices": [choice], "usage": _openai(each)})


def chunk_count(each: Happened) -> int:
    """How many pieces the body came in."""
    return response_body(each).count(b"\n\n") if each.is_stream else 1


def raw_usage(each: Happened) -> str:
    """The vendor's own usage object, as JSON text."""
    made = _USAGES.get(each.model.llm.vendor, _openai)(each)
    return orjson.dumps(made).decode()


def _frames(each: Happened) -> list[bytes]:
    parts = [{"index": 0, "delta": {"content": part}, "finish_reason": None} for part in _PARTS]
    frames = [b"data: " + orjson.dumps({**_head(each, "chat.completion.chunk"), "choices": [one]}) for one in parts]
    if each.outcome == "client_closed":
        return [frames[0] + b"\n\n"]
    return [frame + b"\n\n" for frame in (*frames, b"data: [DONE]")]


def _head(each: Happened, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{each.exchange_id}", "object": kind, "created": _MADE_AT, "model": each.model.name}


def _openai(each: Happened) -> dict[str, Any]:
    return {
        "prompt_tokens": each.prompt_tokens,
        "completion_tokens": each.response_tokens,
        "total_tokens": each.prompt_tokens + each.response_tokens,
        "prompt_tokens_details": {"cached_tokens": each.cached_tokens},
    }


def _anthropic(each: Happened) -> dict[str, Any]:
    return {
        "input_tokens": each.prompt_tokens - each.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": each.cached_tokens,
        "output_tokens": each.response_tokens,
    }


def _google(each: Happened) -> dict[str, Any]:
    return {
        "promptTokenCount": each.prompt_tokens,
        "cachedContentTokenCount": each.cached_tokens,
        "candidatesTokenCount": each.response_tokens - each.reasoning_tokens,
        "thoughtsTokenCount": each.reasoning_tokens,
        "totalTokenCount": each.prompt_tokens + each.response_tokens,
    }


def _ollama(each: Happened) -> dict[str, Any]:
    return {"prompt_eval_count": each.prompt_tokens, "eval_count": each.response_tokens}


_USAGES: dict[str, Callable[[Happened], dict[str, Any]]] = {
    "anthropic": _anthropic,
    "google_ai": _google,
    "ollama": _ollama,
}
