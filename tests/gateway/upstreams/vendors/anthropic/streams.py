"""Streams and answers as the vendor publishes them, for the tests of its dialect."""

from __future__ import annotations

import json
from typing import Any

STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
USAGE = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 40,
    "cache_read_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30},
    "output_tokens": 1,
    "service_tier": "standard",
}


def event(kind: str, **fields: Any) -> bytes:
    """One named event."""
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"), ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def start(usage: object = USAGE, **fields: Any) -> bytes:
    """The beginning of a message."""
    return event("message_start", message={**message(content=[], usage=usage), "stop_reason": None, **fields})


def block(kind: str, index: int = 0, **fields: Any) -> bytes:
    """The beginning of a block of content."""
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


def text(words: str, index: int = 0) -> bytes:
    """A piece of text."""
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": words})


def end(index: int = 0) -> bytes:
    """The end of a block."""
    return event("content_block_stop", index=index)


def delta(reason: str = "end_turn", **usage: Any) -> bytes:
    """What a message has become, with the counts so far."""
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)


def message(content: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A whole message."""
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "Hi!"}] if content is None else content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 2095, "output_tokens": 503},
        **fields,
    }


PLAIN = (
    start()
    + block("text", text="")
    + PING
    + text("Hello é漢😀")
    + text('! "message_stop" event: message_stop')
    + end()
    + delta(output_tokens=15)
    + STOP
)
TOOLS = (
    start({"input_tokens": 472, "output_tokens": 2})
    + PING
    + block("text", text="")
    + text("Okay")
    + end()
    + block("tool_use", 1, id="toolu_01", name="get_weather", input={})
    + event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"location":'})
    + event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": ' "Paris"}'})
    + end(1)
    + block("tool_use", 2, id="toolu_02", name="get_time", input={})
    + end(2)
    + delta("tool_use", output_tokens=89)
    + STOP
)
THINKING = (
    start({"input_tokens": 44, "output_tokens": 5})
    + block("thinking", thinking="", signature="")
    + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "First, 27 * 453"})
    + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "EqQBCgIYAhIM1gbc"})
    + end()
    + block("redacted_thinking", 1, data="EmwKAhgB")
    + end(1)
    + block("text", 2, text="")
    + text("12,231", 2)
    + end(2)
    + delta(output_tokens=300, output_tokens_details={"thinking_tokens": 250})
    + STOP
)
SEARCH = (
    start({"input_tokens": 2679, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 3})
    + block("text", text="")
    + text("I'll check")
    + end()
    + block("server_tool_use", 1, id="srvtoolu_014", name="web_search", input={})
    + end(1)
    + block("web_search_tool_result", 2, tool_use_id="srvtoolu_014", content=[{"type": "web_search_result"}])
    + end(2)
    + block("of_tomorrow", 3, what={"name": 7})
    + end(3)
    + delta(
        input_tokens=10682,
        cache_creation_input_tokens=0,
        cache_read_input_tokens=0,
        output_tokens=510,
        server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1},
    )
    + STOP
)
