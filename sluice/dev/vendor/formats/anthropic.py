"""Anthropic's format: messages, their streams, counts of tokens; errors, the list of models."""

from __future__ import annotations

from typing import Any, Final

import orjson

from sluice.dev.vendor.asked import Asked, flag_of, json_object, text_of
from sluice.dev.vendor.parts import (
    CREATED_TEXT,
    finish_reason,
    joined,
    model_of,
    reports_usage,
    sse_frame,
    texts,
    thoughts,
    tools,
    uncached,
    whole_text,
    with_figures,
)
from sluice.dev.vendor.script import Script
from sluice.dev.vendor.wire import Request

NAME: Final = "anthropic"
MODELS: Final = ("mock-claude-small", "mock-claude-large")
_COUNT: Final = "/messages/count_tokens"
_SIGNATURE: Final = "bW9jayBzaWduYXR1cmU="
_ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
Event = dict[str, Any]


def is_path(path: str) -> bool:
    """Messages and counts of them, whatever base path stands before."""
    return path.endswith(("/messages", _COUNT))


def ask(path: str, query: str, request: Request) -> Asked:  # noqa: ARG001 - formats differ
    """What is asked for; raises ValueError."""
    body = json_object(request.body)
    kind = "count" if path.endswith(_COUNT) else "message"
    return Asked(kind, text_of(body, "model"), kind == "message" and bool(flag_of(body, "stream")), True, 1, NAME)


def whole_body(asked: Asked, script: Script) -> bytes:
    """A plain answer."""
    return orjson.dumps(message_of(asked, script) if asked.kind == "message" else usage(asked, script))


def message_of(asked: Asked, script: Script) -> dict[str, Any]:
    """A whole message."""
    message = _message(asked, script, _blocks(script), stop_reason_of(script))
    if reports_usage(asked, script):
        message["usage"] = usage(asked, script)
    return message


def stream_pieces(asked: Asked, script: Script) -> list[bytes]:
    """A streamed answer, event by event."""
    opening, middle, closing = events_of(asked, script)
    return joined(*([sse_frame(event, event["type"]) for event in events] for events in (opening, middle, closing)))


def events_of(asked: Asked, script: Script) -> tuple[list[Event], list[Event], list[Event]]:
    """What stands before the first piece, the pieces, what ends them."""
    blocks = _blocks(script)
    start = _message(asked, script, [], None)
    last: Event = {"type": "message_delta", "delta": {"stop_reason": stop_reason_of(script), "stop_sequence": None}}
    if reports_usage(asked, script):
        counts = usage(asked, script)
        start["usage"] = counts | with_figures({"output_tokens": 1}, script)
        last["usage"] = {name: value for name, value in counts.items() if name != "cache_creation"}
    events = [event for index, block in enumerate(blocks) for event in _block_events(index, block, script)]
    deltas = [place for place, event in enumerate(events) if event["type"] == "content_block_delta"]
    first, after = (deltas[0], deltas[-1] + 1) if deltas else (0, 0)
    opening: list[Event] = [{"type": "message_start", "message": start}, {"type": "ping"}, *events[:first]]
    return opening, events[first:after], [*events[after:], last, {"type": "message_stop"}]


def stop_reason_of(script: Script) -> str:
    """Why the message ends."""
    return finish_reason(script, "end_turn", "max_tokens", "tool_use", "refusal")


def content_type(asked: Asked, *, is_stream: bool) -> str:  # noqa: ARG001 - formats differ
    """Of what is answered with success."""
    return "text/event-stream; charset=utf-8" if is_stream else "application/json"


def headers(asked: Asked, script: Script) -> tuple[tuple[str, str], ...]:  # noqa: ARG001 - formats differ
    """The id under which Anthropic finds a request again."""
    return (("request-id", "req_mock"),)


def usage(asked: Asked, script: Script) -> dict[str, Any]:
    """What is neither read from nor written to the cache is counted as input; all three make the prompt."""
    if asked.kind == "count":
        return with_figures({"input_tokens": script.prompt_tokens}, script)
    found: dict[str, Any] = {
        "input_tokens": uncached(script),
        "cache_creation_input_tokens": script.cache_write,
        "cache_read_input_tokens": script.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": script.cache_write - script.cache_write_1h,
            "ephemeral_1h_input_tokens": script.cache_write_1h,
        },
        "output_tokens": script.response_tokens,
        "service_tier": "standard",
    }
    if script.reasoning:
        found["output_tokens_details"] = {"thinking_tokens": script.reasoning}
    return with_figures(found, script)


def error_body(status: int, message: str = "") -> bytes:
    """Anthropic's error shape."""
    return orjson.dumps({**_error(status, message), "request_id": "req_mock"})


def stream_error(asked: Asked) -> bytes:  # noqa: ARG001 - formats differ
    """An ``error`` event, behind which nothing comes."""
    return sse_frame(_error(529, "the script ends this stream"), "error")


def garbage(asked: Asked) -> bytes:  # noqa: ARG001 - formats differ
    """No JSON, in an event that nobody knows; and JSON that is no UTF-8."""
    broken = (
        b'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"\xfftool_use"}}\n\n'
    )
    return b"event: mock\ndata: {not json \xff\xfe\n\n" + broken


def models_body(path: str) -> bytes | None:
    """``GET /v1/models`` of somebody who names a version of this API; see ``server``."""
    if not path.endswith("/models"):
        return None
    models = [{"type": "model", "id": name, "display_name": name, "created_at": CREATED_TEXT} for name in MODELS]
    return orjson.dumps({"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})


def _error(status: int, message: str) -> dict[str, Any]:
    kind = _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message or f"the script asked for status {status}"}}


def _message(asked: Asked, script: Script, content: list[Event], stop_reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_mock",
        "type": "message",
        "role": "assistant",
        "model": model_of(asked, script),
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }


def _blocks(script: Script) -> list[Event]:
    found: list[Event] = []
    if script.reasoning:
        found.append({"type": "thinking", "thinking": "".join(thoughts(script)), "signature": _SIGNATURE})
    if not script.tool_calls:
        return [*found, {"type": "text", "text": whole_text(script)}]
    return [*found, *({"type": "tool_use", "id": i, "name": name, "input": given} for i, name, given in tools(script))]


def _block_events(index: int, block: Event, script: Script) -> list[Event]:
    """Its start, its deltas, its stop."""
    kind = block["type"]
    if kind == "thinking":
        empty: Event = {"type": kind, "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": thought} for thought in thoughts(script)]
        deltas.append({"type": "signature_delta", "signature": _SIGNATURE})
    elif kind == "text":
        empty = {"type": kind, "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in texts(script)]
    else:
        empty = {**block, "input": {}}
        pieces = ("", '{"n":', "1}")
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    begin = {"type": "content_block_start", "index": index, "content_block": empty}
    middle: list[Event] = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [begin, *middle, {"type": "content_block_stop", "index": index}]
