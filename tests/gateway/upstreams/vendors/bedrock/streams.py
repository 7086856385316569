"""Answers and event streams as Bedrock publishes them, for the tests of its dialect."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

USAGE = {
    "inputTokens": 12,
    "outputTokens": 30,
    "totalTokens": 1442,
    "cacheReadInputTokens": 1000,
    "cacheWriteInputTokens": 400,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 150}, {"ttl": "5m", "inputTokens": 250}],
}
METRICS = {
    "inputTokenCount": 7,
    "outputTokenCount": 126,
    "invocationLatency": 4069,
    "firstByteLatency": 1117,
    "cacheReadInputTokenCount": 14486,
    "cacheWriteInputTokenCount": 2238,
}
METRICS_NAME = "amazon-bedrock-invocationMetrics"


def dumps(value: object) -> bytes:
    """JSON as the vendor writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def message(payload: bytes, **headers: str) -> bytes:
    """One binary message; names are given without their colon, with an underscore for each dash."""
    head = b"".join(
        bytes([len(name) + 1]) + b":" + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
        for name, value in ((name.replace("_", "-"), value) for name, value in headers.items())
    )
    prelude = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(kind: str, **members: Any) -> bytes:
    """One event, padded as the vendor does it."""
    payload = dumps({**members, "p": "abcdefgh"})
    return message(payload, event_type=kind, content_type="application/json", message_type="event")


def exception(kind: str, text: str = "slow down") -> bytes:
    """What a stream breaks off with."""
    return message(
        dumps({"message": text}), exception_type=kind, content_type="application/json", message_type="exception"
    )


def chunk(value: object) -> bytes:
    """A model's own words, in a chunk of ``invoke-with-response-stream``."""
    return event("chunk", bytes=base64.b64encode(value if isinstance(value, bytes) else dumps(value)).decode())


def metadata(usage: object = USAGE, **more: Any) -> bytes:
    """The last event of a stream of converse."""
    return event("metadata", usage=usage, metrics={"latencyMs": 1275}, **more)


def converse_stream(*calls: str, usage: object = USAGE) -> bytes:
    """A whole stream of converse, with calls of these tools."""
    frames = [
        event("messageStart", role="assistant"),
        event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Grüße, 漢 metadata"}),
        event("contentBlockStop", contentBlockIndex=0),
    ]
    for at, name in enumerate(calls, 1):
        start = {"toolUse": {"toolUseId": f"tooluse_{at}", "name": name}}
        frames += [
            event("contentBlockStart", contentBlockIndex=at, start=start),
            event("contentBlockDelta", contentBlockIndex=at, delta={"toolUse": {"input": '{"a":1}'}}),
            event("contentBlockStop", contentBlockIndex=at),
        ]
    return b"".join((*frames, event("messageStop", stopReason="end_turn"), metadata(usage)))


def converse(content: list[dict[str, Any]] | None = None, usage: object = USAGE, **more: Any) -> bytes:
    """A whole answer of converse."""
    said = [{"text": "Hi!"}] if content is None else content
    output = {"message": {"role": "assistant", "content": said}}
    return dumps({"output": output, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 551}, **more})


CLAUDE_USAGE: dict[str, Any] = {
    "input_tokens": 7,
    "cache_creation_input_tokens": 2238,
    "cache_read_input_tokens": 14486,
    "cache_creation": {"ephemeral_5m_input_tokens": 238, "ephemeral_1h_input_tokens": 2000},
    "output_tokens": 1,
}
CLAUDE_START = {
    "type": "message_start",
    "message": {
        "model": "claude-3-5-sonnet-20241022", "id": "msg_bdrk_1", "type": "message", "role": "assistant",
        "content": [], "stop_reason": None, "usage": CLAUDE_USAGE,
    },
}  # fmt: skip
CLAUDE_CALL = {
    "type": "content_block_start", "index": 0,
    "content_block": {"type": "tool_use", "id": "toolu_bdrk_1", "name": "weather", "input": {}},
}  # fmt: skip
CLAUDE_TEXT = {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hallo 漢"}}
CLAUDE_DELTA = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    "usage": {"output_tokens": 126},
}
CLAUDE_STOP = {"type": "message_stop", METRICS_NAME: METRICS}
CLAUDE = (CLAUDE_START, CLAUDE_CALL, CLAUDE_TEXT, CLAUDE_TEXT, CLAUDE_DELTA, CLAUDE_STOP)


def claude_stream(*events: object) -> bytes:
    """A whole stream of ``invoke-with-response-stream``."""
    return b"".join(chunk(event) for event in events or CLAUDE)
