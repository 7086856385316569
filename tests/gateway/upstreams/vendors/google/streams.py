"""Answers of Google's in their published shapes, and streams of them."""

from __future__ import annotations

import json
from typing import Any

MODEL = "gemini-2.5-flash"
GENERATE = f"/v1beta/models/{MODEL}:generateContent"
STREAM = f"/v1beta/models/{MODEL}:streamGenerateContent"
USAGE: dict[str, Any] = {
    "promptTokenCount": 120,
    "candidatesTokenCount": 30,
    "totalTokenCount": 205,
    "cachedContentTokenCount": 40,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 95}, {"modality": "AUDIO", "tokenCount": 25}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 40}],
    "toolUsePromptTokenCount": 15,
    "thoughtsTokenCount": 40,
}


def candidate(*parts: dict[str, Any], index: int = 0, **fields: Any) -> dict[str, Any]:
    """One answer."""
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    return {**content, "index": index, **fields}


def call(name: str = "get_weather") -> dict[str, Any]:
    """A part that calls a tool."""
    return {"functionCall": {"name": name, "args": {"city": "Zürich"}}}


def answer(*candidates: dict[str, Any], usage: Any = None, **fields: Any) -> dict[str, Any]:
    """A body, or an element of a stream."""
    counted = {} if usage is None else {"usageMetadata": usage}
    return {"candidates": list(candidates), **counted, "modelVersion": MODEL, "responseId": "r-1", **fields}


def counts(prompt: int, given: int) -> dict[str, int]:
    """Usage without details."""
    return {"promptTokenCount": prompt, "candidatesTokenCount": given, "totalTokenCount": prompt + given}


PLAIN = [
    answer(candidate({"text": "Grüezi"}), usage=counts(8, 1)),
    answer(candidate({"text": ' 😀 ]} "usageMetadata" \\'}), usage=counts(8, 5)),
    answer(candidate({"text": "!"}, finishReason="STOP"), usage=counts(8, 7)),
]
TOOLS = [
    answer(candidate(call()), usage=counts(50, 12)),
    answer(candidate(call("b"), {"functionCall": {"args": {}}}, finishReason="STOP"), usage=counts(50, 25)),
]
SEARCH = [
    answer(candidate({"text": "a"}), usage=counts(9, 2)),
    answer(
        candidate({"text": "b"}, finishReason="STOP", groundingMetadata={"webSearchQueries": ["x", "y", ""]}),
        usage=counts(9, 4),
    ),
]
TWO = [
    answer(candidate({"text": "a"}), candidate({"text": "b"}, index=1), usage=counts(5, 2)),
    answer(candidate({"text": "c"}, finishReason="STOP"), usage=counts(5, 3)),
    answer(candidate({"text": "d"}, index=1, finishReason="MAX_TOKENS"), usage=counts(5, 6)),
]
BLOCKED = [{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 6, "totalTokenCount": 6},
            "modelVersion": MODEL}]  # fmt: skip


def events(elements: list[dict[str, Any]], ending: bytes = b"\r\n") -> bytes:
    """As server-sent events."""
    return b"".join(b"data: " + json.dumps(e, ensure_ascii=False).encode() + ending * 2 for e in elements)


def array(elements: list[dict[str, Any]]) -> bytes:
    """As one JSON array, written as Google does."""
    return b"[" + b",\r\n".join(json.dumps(e, ensure_ascii=False, indent=2).encode() for e in elements) + b"\n]\n"
