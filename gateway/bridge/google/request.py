"""A chat request as ``generateContent`` takes it."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.bridge.conversation import turns_of
from gateway.bridge.google.contents import contents_of, resolution_of
from gateway.bridge.google.places import path_of
from gateway.bridge.google.thinking import thinking_of
from gateway.bridge.interface import Translated, Wanted
from gateway.bridge.parameters import (
    Format,
    Tools,
    format_of,
    logprobs_of,
    maximum_of,
    stops_of,
    take_envelope,
    tools_of,
    verbosity_is_usual,
)
from gateway.bridge.taking import Taking

_MAX_STOPS: Final = 5
_MAX_CANDIDATES: Final = 8
_SAMPLING: Final = {
    "temperature": "temperature",
    "top_p": "topP",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_TIERS: Final = {"flex": "flex", "priority": "priority"}


def request_of(wanted: Wanted, body: dict[str, Any], *, is_vertex: bool) -> Translated:
    """The vendor's request; raises ``Unsupported`` or ``Invalid``."""
    taking = Taking(body, wanted.vendor or "Google")
    take_envelope(taking)
    turns = turns_of(taking)
    made = contents_of(taking, turns, wanted.model)
    config = _config_of(taking, wanted)
    if (resolution := resolution_of(taking, turns)) is not None:
        config["mediaResolution"] = resolution
    tools = tools_of(taking)
    if tools.is_one_at_most:
        taking.refuse("parallel_tool_calls", "limit of one call at a time")
    if tools.functions:
        made |= _tools_of(tools)
    if config:
        made["generationConfig"] = config
    tier = _tier_of(taking, is_vertex=is_vertex)
    if tier:
        made["serviceTier"] = tier
    taking.refuse_rest()
    if wanted.is_stream:
        path = path_of(wanted, "streamGenerateContent", is_vertex=is_vertex)
        return Translated(path, orjson.dumps(made), b"alt=sse")
    return Translated(path_of(wanted, "generateContent", is_vertex=is_vertex), orjson.dumps(made))


def _config_of(taking: Taking, wanted: Wanted) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, own in _SAMPLING.items():
        if (number := taking.number(name)) is not None:
            config[own] = number
    if (seed := taking.integer("seed")) is not None:
        config["seed"] = seed
    if (maximum := maximum_of(taking)) is not None:
        config["maxOutputTokens"] = maximum
    if stops := stops_of(taking, _MAX_STOPS):
        config["stopSequences"] = stops
    if (count := taking.integer("n")) is not None:
        if not 1 <= count <= _MAX_CANDIDATES:
            taking.refuse("n", f"answer in {count} choices", f"say 1 to {_MAX_CANDIDATES}")
        config["candidateCount"] = count
    if (thinking := thinking_of(taking, wanted.model)) is not None:
        config["thinkingConfig"] = thinking
    taking.only("logit_bias", {})
    verbosity_is_usual(taking)
    return config | _logprobs_of(taking) | _format_of(format_of(taking))


def _logprobs_of(taking: Taking) -> dict[str, Any]:
    most = logprobs_of(taking)
    if most is None:
        return {}
    return {"responseLogprobs": True, "logprobs": most} if most else {"responseLogprobs": True}


def _format_of(wish: Format) -> dict[str, Any]:
    if wish.kind == "text":
        return {}
    schema = {"responseJsonSchema": wish.labelled_schema} if wish.kind == "json_schema" else {}
    return {"responseMimeType": "application/json"} | schema


def _tools_of(tools: Tools) -> dict[str, Any]:
    declared = []
    for function in tools.functions:
        declaration: dict[str, Any] = {"name": function.name}
        if function.description:
            declaration["description"] = function.description
        if function.parameters is not None:
            declaration["parametersJsonSchema"] = function.parameters
        declared.append(declaration)
    found: dict[str, Any] = {"tools": [{"functionDeclarations": declared}]}
    calling = _calling_of(tools)
    if calling:
        found["toolConfig"] = {"functionCallingConfig": calling}
    return found


def _calling_of(tools: Tools) -> dict[str, Any]:
    """``VALIDATED`` is ``AUTO`` that keeps to schemas and takes a list of what may be called; ``ANY`` keeps to them."""
    if tools.mode == "none":
        return {"mode": "NONE"}
    is_strict = any(function.is_strict for function in tools.functions)
    if tools.mode == "required":
        calling: dict[str, Any] = {"mode": "ANY"}
    elif tools.names or is_strict:
        calling = {"mode": "VALIDATED"}
    else:
        return {}
    if tools.names:
        calling["allowedFunctionNames"] = list(tools.names)
    return calling


def _tier_of(taking: Taking, *, is_vertex: bool) -> str | None:
    """The Gemini API has tiers in the body; Vertex in headers, by quotas of its own."""
    tier = taking.text("service_tier")
    if tier in {None, "auto", "default"}:
        return None
    if is_vertex or tier not in _TIERS:
        taking.refuse("service_tier", f"service tier {tier!r}", "say auto or default")
    return _TIERS[tier]
