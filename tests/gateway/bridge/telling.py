"""The bridge's translators, driven as an exchange drives them: what they send, and what becomes of vendors' streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pytest

from gateway.bridge.answers import TranslatedStream, WholeAnswer
from gateway.bridge.frames import sse_data
from gateway.bridge.interface import Operation, Unsupported, Wanted
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of

CONTENT_TYPES = {
    "google_ai": b"text/event-stream",
    "vertex": b"text/event-stream",
    "bedrock": b"application/vnd.amazon.eventstream",
    "ollama": b"application/x-ndjson",
    "huggingface": b"text/event-stream",
}


def wanted_of(model: str, operation: Operation = "chat", **members: Any) -> Wanted:
    """What some client wants of a model."""
    known = {"is_stream": False, "wants_usage": False, "created": 1_700_000_000, "completion_id": "chatcmpl-1"}
    return Wanted(operation=operation, model=model, **{**known, **members})


def sent(vendor: str, model: str, body: dict[str, Any], operation: Operation = "chat", **members: Any) -> Any:
    """The body that a vendor is sent."""
    wanted = wanted_of(model, operation, vendor=vendor, **members)
    return orjson.loads(translator_of(dialect_of(vendor)).request(wanted, body).body)


def refused(
    vendor: str, model: str, body: dict[str, Any], operation: Operation = "chat", **members: Any
) -> Unsupported:
    """How a request is refused."""
    with pytest.raises(Unsupported) as caught:
        sent(vendor, model, body, operation, **members)
    return caught.value


def asking(**members: Any) -> dict[str, Any]:
    """A chat request with some members."""
    return {"messages": [{"role": "user", "content": "Hi"}], **members}


def answered(vendor: str, model: str, body: object, operation: Operation = "chat", **members: Any) -> Any:
    """OpenAI's answer of a vendor's whole one, counted by the vendor's dialect."""
    wanted = wanted_of(model, operation, **members)
    translator, dialect = translator_of(dialect_of(vendor)), dialect_of(vendor)
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    path = _path(vendor, wanted)
    return orjson.loads(translator.answer(wanted, raw, dialect.answer(raw, path)))


def told(vendor: str, pieces: Iterable[bytes], wanted: Wanted) -> bytes:
    """What a client gets of a vendor's stream that comes in these pieces."""
    dialect = dialect_of(vendor)
    scanner = dialect.scanner(_path(vendor, wanted), CONTENT_TYPES[vendor], hide_usage=False)
    assert scanner is not None
    stream = TranslatedStream(WholeAnswer(200, [], b""), [], scanner, translator_of(dialect).stream(wanted))
    out = [stream._translated(piece) for piece in pieces if not stream._is_over]
    if not stream._is_over:
        out.append(stream._read_end())
    return b"".join(out)


def cuts(raw: bytes) -> Iterator[list[bytes]]:
    """The stream cut in two at every byte, and into single bytes."""
    for place in range(1, len(raw)):
        yield [raw[:place], raw[place:]]
    yield [raw[place : place + 1] for place in range(len(raw))]


def frames_of(told_bytes: bytes) -> list[Any]:
    """The frames' JSON, and ``[DONE]`` as it is."""
    return [data.decode() if data == b"[DONE]" else orjson.loads(data) for data in sse_data(told_bytes)]


def joined(frames: list[Any], index: int = 0) -> dict[str, Any]:
    """What a client that adds up deltas has at the end of one choice."""
    found: dict[str, Any] = {"content": "", "reasoning": "", "calls": {}, "reasons": [], "extra": None}
    for frame in frames:
        for choice in frame.get("choices", []) if isinstance(frame, dict) else []:
            if choice["index"] != index:
                continue
            delta = choice["delta"]
            found["content"] += delta.get("content") or ""
            found["reasoning"] += delta.get("reasoning_content") or ""
            found["extra"] = delta.get("extra_content", found["extra"])
            for call in delta.get("tool_calls", []):
                known = found["calls"].setdefault(call["index"], {"id": "", "name": "", "arguments": "", "extra": None})
                known["id"] += call.get("id", "")
                known["name"] += call["function"].get("name", "")
                known["arguments"] += call["function"].get("arguments", "")
                known["extra"] = call.get("extra_content", known["extra"])
            if choice["finish_reason"] is not None:
                found["reasons"].append(choice["finish_reason"])
    return found


def _path(vendor: str, wanted: Wanted) -> str:
    body: dict[str, Any] = {"input": "a"} if wanted.operation == "embeddings" else asking()
    return translator_of(dialect_of(vendor)).request(wanted, body).path
