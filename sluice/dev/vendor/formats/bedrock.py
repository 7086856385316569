"""Bedrock's format: converse and invoke, their binary event streams, counts of tokens; errors.

A request must prove itself, by a signature of version 4 or a bearer; that it is right is not looked at.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final
from urllib.parse import unquote

import orjson

from sluice.dev.vendor.asked import Asked, json_object
from sluice.dev.vendor.formats import bedrock_families
from sluice.dev.vendor.formats.event_stream import CONTENT_TYPE, event, exception, with_wrong_checksum
from sluice.dev.vendor.formats.interface import RefusedError
from sluice.dev.vendor.parts import (
    finish_reason,
    joined,
    reports_usage,
    texts,
    thoughts,
    tools,
    uncached,
    whole_text,
    with_figures,
)
from sluice.dev.vendor.script import Script
from sluice.dev.vendor.wire import Request

NAME: Final = "bedrock"
MODELS: Final = ("mock.claude-small-v1:0", "mock.titan-embed-v1")
METRICS: Final = "amazon-bedrock-invocationMetrics"
_PATH: Final = re.compile(r"/model/(.+)/(converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)$")
_SIGNATURE: Final = re.compile(
    rb"AWS4-HMAC-SHA256 Credential=[^/,]+/\d{8}/[\w-]+/bedrock/aws4_request, ?SignedHeaders=[^,]*host[^,]*, ?"
    rb"Signature=[0-9a-f]{64}"
)
_STREAMS: Final = frozenset(("converse-stream", "invoke-with-response-stream"))
_THINKING_SIGNATURE: Final = "bW9jayBzaWduYXR1cmU="
_ERROR_TYPES: Final = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
Event = dict[str, Any]


def is_path(path: str) -> bool:
    """``/model/<model>/<operation>``."""
    return _PATH.search(path) is not None


def ask(path: str, query: str, request: Request) -> Asked:  # noqa: ARG001 - formats differ
    """What is asked for; raises ValueError, and RefusedError for a request that proves nothing."""
    found = _PATH.search(path)
    model, operation = (unquote(found[1]), found[2]) if found else ("", "converse")
    signed = _proof_of(request)
    body = json_object(request.body)
    variant = bedrock_families.family_of(model) if operation.startswith("invoke") else ""
    choices = bedrock_families.vectors_of(body) if variant in bedrock_families.EMBEDDINGS else 1
    return Asked(operation, model, operation in _STREAMS, True, choices, NAME, variant, signed)


def _proof_of(request: Request) -> str:
    value = request.headers.get(b"authorization", b"")
    if value.startswith(b"Bearer ") and len(value) > len(b"Bearer "):
        return "bearer"
    if _SIGNATURE.fullmatch(value) is None:
        raise RefusedError(403, "Missing Authentication Token: neither a signature of version 4 nor a bearer")
    if b"x-amz-date" not in request.headers:
        raise RefusedError(403, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header")
    return "sigv4"


def whole_body(asked: Asked, script: Script) -> bytes:
    """A plain answer."""
    if asked.kind == "count-tokens":
        return orjson.dumps({"inputTokens": script.prompt_tokens})
    if asked.kind == "invoke":
        return bedrock_families.whole_body(asked, script)
    message = {"role": "assistant", "content": _content(script)}
    body: Event = {"output": {"message": message}, "stopReason": stop_reason_of(script), "metrics": {"latencyMs": 5}}
    return orjson.dumps(body | ({"usage": usage(asked, script)} if reports_usage(asked, script) else {}))


def stream_pieces(asked: Asked, script: Script) -> list[bytes]:
    """A streamed answer, message by message."""
    if asked.kind == "invoke-with-response-stream":
        return _chunks(asked, script)
    events = _block_events(script)
    deltas = [place for place, (kind, _) in enumerate(events) if kind == "contentBlockDelta"]
    first, after = (deltas[0], deltas[-1] + 1) if deltas else (0, 0)
    told = {"usage": usage(asked, script)} if reports_usage(asked, script) else {}
    opening = [("messageStart", {"role": "assistant"}), *events[:first]]
    closing = [*events[after:], ("messageStop", _stop(script)), ("metadata", {**told, "metrics": {"latencyMs": 5}})]
    return joined(*([event(*one) for one in events] for events in (opening, events[first:after], closing)))


def content_type(asked: Asked, *, is_stream: bool) -> str:  # noqa: ARG001 - formats differ
    """Of what is answered with success."""
    return CONTENT_TYPE if is_stream else "application/json"


def headers(asked: Asked, script: Script) -> tuple[tuple[str, str], ...]:
    """``invoke`` counts in its headers too, whatever the model says."""
    found = [("x-amzn-requestid", "mock")]
    if asked.kind == "invoke-with-response-stream":
        found.append(("x-amzn-bedrock-content-type", "application/json"))
    if asked.kind == "invoke" and reports_usage(asked, script):
        found += [(f"x-amzn-bedrock-{name}-token-count", str(n)) for name, n in _header_counts(asked, script).items()]
    return tuple(found)


def usage(asked: Asked, script: Script) -> dict[str, Any]:
    """What is neither read from nor written to the cache is counted as input; a model's own body has its own way."""
    if asked.kind == "count-tokens":
        return with_figures({"inputTokens": script.prompt_tokens}, script)
    if asked.kind == "invoke":
        return bedrock_families.usage(asked, script)
    if asked.kind == "invoke-with-response-stream":
        own = bedrock_families.usage_in_stream(asked, script)
        metrics = _metrics(script)
        return {"usage": own, METRICS: metrics} if own else metrics
    return converse_usage(script)


def converse_usage(script: Script) -> dict[str, Any]:
    """As converse and Nova's own bodies count."""
    plain = uncached(script)
    found: dict[str, Any] = {
        "inputTokens": plain,
        "outputTokens": script.response_tokens,
        "totalTokens": plain + script.cached + script.cache_write + script.response_tokens,
        "cacheReadInputTokens": script.cached,
        "cacheWriteInputTokens": script.cache_write,
    }
    if script.cache_write_1h:
        found["cacheDetails"] = [{"ttl": "1h", "inputTokens": script.cache_write_1h}]
    return with_figures(found, script)


def stop_reason_of(script: Script) -> str:
    """Why the message ends."""
    return finish_reason(script, "end_turn", "max_tokens", "tool_use", "content_filtered")


def error_body(status: int, message: str = "") -> bytes:
    """AWS's error shape; the class stands in ``__type``."""
    kind = _ERROR_TYPES.get(status, "InternalServerException" if status >= 500 else "ValidationException")
    return orjson.dumps({"__type": kind, "message": message or f"the script asked for status {status}"})


def stream_error(asked: Asked) -> bytes:  # noqa: ARG001 - formats differ
    """An exception, behind which nothing comes."""
    return exception("modelStreamErrorException", "the script ends this stream")


def garbage(asked: Asked) -> bytes:
    """A message whose checksum is wrong."""
    kind = "contentBlockDelta" if asked.kind == "converse-stream" else "chunk"
    return with_wrong_checksum(kind, {"contentBlockIndex": 0, "delta": {"text": "never"}})


def models_body(path: str) -> bytes | None:
    """``GET /foundation-models``."""
    if not path.endswith("/foundation-models"):
        return None
    return orjson.dumps({"modelSummaries": [{"modelId": name, "modelName": name} for name in MODELS]})


def _header_counts(asked: Asked, script: Script) -> dict[str, Any]:
    counts = {"input": uncached(script), "output": script.response_tokens}
    if asked.variant in bedrock_families.EMBEDDINGS:
        counts = {"input": script.prompt_tokens}
    elif script.cached or script.cache_write:
        counts |= {"cache-read-input": script.cached, "cache-write-input": script.cache_write}
    return with_figures(counts, script)


def _metrics(script: Script) -> dict[str, Any]:
    counts = {"inputTokenCount": uncached(script), "outputTokenCount": script.response_tokens}
    if script.cached or script.cache_write:
        counts |= {"cacheReadInputTokenCount": script.cached, "cacheWriteInputTokenCount": script.cache_write}
    return {**with_figures(counts, script), "invocationLatency": 5, "firstByteLatency": 2}


def _chunks(asked: Asked, script: Script) -> list[bytes]:
    """A model's own stream in messages of Bedrock's; the last event carries what Bedrock bills."""
    opening, middle, closing = bedrock_families.events_of(asked, script)
    last = (closing or middle or opening)[-1]
    if reports_usage(asked, script):
        last[METRICS] = _metrics(script)
    return joined(*([_chunk(one) for one in events] for events in (opening, middle, closing)))


def _chunk(payload: Event) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(orjson.dumps(payload)).decode(), "p": "abcd"})


def _content(script: Script) -> list[Event]:
    found: list[Event] = []
    if script.reasoning:
        thought = {"text": "".join(thoughts(script)), "signature": _THINKING_SIGNATURE}
        found.append({"reasoningContent": {"reasoningText": thought}})
    if not script.tool_calls:
        return [*found, {"text": whole_text(script)}]
    return [
        *found,
        *({"toolUse": {"toolUseId": one, "name": name, "input": given}} for one, name, given in tools(script)),
    ]


def _stop(script: Script) -> Event:
    return {"stopReason": stop_reason_of(script)}


def _block_events(script: Script) -> list[tuple[str, Event]]:
    """Blocks of text begin without a start, as Bedrock's do."""
    found: list[tuple[str, Event]] = []
    index = 0
    if script.reasoning:
        deltas: list[Event] = [{"reasoningContent": {"text": thought}} for thought in thoughts(script)]
        deltas.append({"reasoningContent": {"signature": _THINKING_SIGNATURE}})
        found += _block(index, None, deltas)
        index += 1
    if not script.tool_calls:
        return found + _block(index, None, [{"text": piece} for piece in texts(script)])
    for at, (one, name, _) in enumerate(tools(script)):
        start = {"toolUse": {"toolUseId": one, "name": name}}
        found += _block(index + at, start, [{"toolUse": {"input": piece}} for piece in ('{"n":', "1}")])
    return found


def _block(index: int, start: Event | None, deltas: list[Event]) -> list[tuple[str, Event]]:
    place = {"contentBlockIndex": index}
    begin = [("contentBlockStart", {**place, "start": start})] if start else []
    middle = [("contentBlockDelta", {**place, "delta": delta}) for delta in deltas]
    return [*begin, *middle, ("contentBlockStop", place)]
