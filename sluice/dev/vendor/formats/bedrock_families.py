"""The bodies of their own that models have behind Bedrock's ``invoke``: Anthropic's, Nova's, Titan's, Llama's,
Cohere's."""

from __future__ import annotations

from typing import Any, Final

import orjson

from sluice.dev.vendor.asked import MAX_CHOICES, Asked
from sluice.dev.vendor.formats import anthropic
from sluice.dev.vendor.parts import (
    VECTOR,
    finish_reason,
    reports_usage,
    texts,
    tools,
    uncached,
    whole_text,
    with_figures,
)
from sluice.dev.vendor.script import Script

EMBEDDINGS: Final = frozenset(("titan-embed", "cohere-embed"))
_FAMILIES: Final = ("titan-embed", "cohere-embed", "nova", "titan", "llama")
Event = dict[str, Any]
Events = tuple[list[Event], list[Event], list[Event]]


def family_of(model: str) -> str:
    """Whose body a model wants; Anthropic's where the name says nothing else."""
    name = model.replace("cohere.embed", "cohere-embed")
    return next((family for family in _FAMILIES if family in name), "anthropic")


def vectors_of(body: dict[str, Any]) -> int:
    """How many vectors a body asks for; Titan makes one."""
    found = body.get("texts")
    return min(max(len(found), 1), MAX_CHOICES) if isinstance(found, list) else 1


def whole_body(asked: Asked, script: Script) -> bytes:
    """A plain answer."""
    counts = usage(asked, script) if reports_usage(asked, script) else {}
    text = whole_text(script)
    if asked.variant == "anthropic":
        return orjson.dumps(anthropic.message_of(asked, script))
    if asked.variant == "titan-embed":
        return orjson.dumps({"embedding": VECTOR, **counts})
    if asked.variant == "cohere-embed":
        return orjson.dumps(
            {"id": "mock", "embeddings": [VECTOR] * asked.choices, "response_type": "embeddings_floats"}
        )
    if asked.variant == "llama":
        return orjson.dumps({"generation": text, "stop_reason": _llama_reason(script), **counts})
    if asked.variant == "titan":
        result = {"outputText": text, "completionReason": _titan_reason(script)}
        if counts:
            result |= with_figures({"tokenCount": script.response_tokens}, script)
        return orjson.dumps({**counts, "results": [result]})
    message = {"role": "assistant", "content": _nova_content(script)}
    body = {"output": {"message": message}, "stopReason": anthropic.stop_reason_of(script)}
    return orjson.dumps(body | ({"usage": counts} if counts else {}))


def usage(asked: Asked, script: Script) -> dict[str, Any]:
    """The counts in a plain answer of this family."""
    if asked.variant == "anthropic":
        return anthropic.usage(asked, script)
    if asked.variant in {"titan-embed", "titan"}:
        return with_figures({"inputTextTokenCount": script.prompt_tokens}, script)
    if asked.variant == "cohere-embed":
        return with_figures({"inputTokens": script.prompt_tokens, "outputTokens": 0}, script)
    if asked.variant == "llama":
        return _llama(script)
    return _nova(script)


def usage_in_stream(asked: Asked, script: Script) -> dict[str, Any]:
    """The ``usage`` that a stream of this family has beside Bedrock's metrics; empty where it has none."""
    if asked.variant == "anthropic":
        return anthropic.usage(asked, script)
    return _nova(script) if asked.variant == "nova" else {}


def events_of(asked: Asked, script: Script) -> Events:
    """A model's own stream: what stands before the first piece, the pieces, what ends them."""
    is_told = reports_usage(asked, script)
    if asked.variant == "anthropic":
        return anthropic.events_of(asked, script)
    if asked.variant == "nova":
        return _nova_events(script, is_told=is_told)
    if asked.variant == "llama":
        told = _llama(script) if is_told else {}
        middle: list[Event] = [{"generation": piece, "stop_reason": None} for piece in texts(script)]
        return [], middle, [{"generation": "", "stop_reason": _llama_reason(script), **told}]
    middle = [{"outputText": piece, "index": 0, "completionReason": None} for piece in texts(script)]
    told = usage(asked, script) | {"totalOutputTextTokenCount": script.response_tokens} if is_told else {}
    return [], middle, [{"outputText": "", "index": 0, "completionReason": _titan_reason(script), **told}]


def _llama(script: Script) -> dict[str, Any]:
    counts = {"prompt_token_count": script.prompt_tokens, "generation_token_count": script.response_tokens}
    return with_figures(counts, script)


def _llama_reason(script: Script) -> str:
    return finish_reason(script, "stop", "length", "stop", "stop")


def _titan_reason(script: Script) -> str:
    return finish_reason(script, "FINISH", "LENGTH", "FINISH", "CONTENT_FILTERED")


def _nova(script: Script) -> dict[str, Any]:
    plain = uncached(script)
    counts = {
        "inputTokens": plain,
        "outputTokens": script.response_tokens,
        "totalTokens": plain + script.cached + script.cache_write + script.response_tokens,
        "cacheReadInputTokenCount": script.cached,
        "cacheWriteInputTokenCount": script.cache_write,
    }
    return with_figures(counts, script)


def _nova_content(script: Script) -> list[Event]:
    calls = [{"toolUse": {"toolUseId": one, "name": name, "input": given}} for one, name, given in tools(script)]
    return calls or [{"text": whole_text(script)}]


def _nova_events(script: Script, *, is_told: bool) -> Events:
    deltas: list[Event] = [
        {"contentBlockDelta": {"delta": {"text": piece}, "contentBlockIndex": 0}} for piece in texts(script)
    ]
    if script.tool_calls:
        deltas = [
            {"contentBlockStart": {"start": {"toolUse": {"toolUseId": one, "name": name}}, "contentBlockIndex": at}}
            for at, (one, name, _) in enumerate(tools(script))
        ]
    closing: list[Event] = [{"messageStop": {"stopReason": anthropic.stop_reason_of(script)}}]
    closing.append({"metadata": {**({"usage": _nova(script)} if is_told else {}), "metrics": {}}})
    return [{"messageStart": {"role": "assistant"}}], deltas, closing
