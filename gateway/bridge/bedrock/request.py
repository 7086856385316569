"""A chat request as ``converse`` takes it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import orjson

from gateway.bridge.bedrock.messages import messages_of
from gateway.bridge.bedrock.reasoning import add_reasoning
from gateway.bridge.conversation import Turn, turns_of
from gateway.bridge.interface import Translated, Wanted
from gateway.bridge.parameters import (
    Format,
    Function,
    Tools,
    format_of,
    maximum_of,
    stops_of,
    take_envelope,
    take_what_is_usual,
    tools_of,
)
from gateway.bridge.taking import Taking

_MAX_STOPS: Final = 2500
_TIERS: Final = frozenset(("flex", "priority"))


def request_of(wanted: Wanted, body: dict[str, Any]) -> Translated:
    """The vendor's request; raises ``Unsupported`` or ``Invalid``."""
    taking = Taking(body, wanted.vendor or "Bedrock")
    take_envelope(taking)
    turns = turns_of(taking)
    made = messages_of(taking, turns)
    if config := _config_of(taking):
        made["inferenceConfig"] = config
    tools = _tools_of(taking, tools_of(taking), turns)
    if tools is not None:
        made["toolConfig"] = tools
    if output := _output_of(taking, format_of(taking)):
        made["outputConfig"] = output
    add_reasoning(taking, made, wanted.model)
    if tier := _tier_of(taking):
        made["serviceTier"] = {"type": tier}
    take_what_is_usual(taking)
    taking.refuse_rest()
    operation = "converse-stream" if wanted.is_stream else "converse"
    return Translated(model_path(wanted.model, operation), orjson.dumps(made))


def model_path(model: str, operation: str) -> str:
    """The path of an operation; an ARN's slashes and colons are encoded, as SDKs do."""
    return f"/model/{quote(model, safe='')}/{operation}"


def _config_of(taking: Taking) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if (maximum := maximum_of(taking)) is not None:
        config["maxTokens"] = maximum
    if (temperature := taking.number("temperature")) is not None:
        if not 0 <= temperature <= 1:
            taking.refuse("temperature", f"temperature {temperature}", "say 0 to 1")
        config["temperature"] = temperature
    if (top_p := taking.number("top_p")) is not None:
        config["topP"] = top_p
    if stops := stops_of(taking, _MAX_STOPS):
        config["stopSequences"] = stops
    return config


def _tools_of(taking: Taking, tools: Tools, turns: list[Turn]) -> dict[str, Any] | None:
    """Bedrock has no ``none``: then the tools stay here, unless the conversation calls some, which demands them."""
    if not tools.functions:
        return None
    if tools.is_one_at_most:
        taking.refuse("parallel_tool_calls", "limit of one call at a time")
    if tools.mode == "none":
        if any(turn.calls for turn in turns):
            taking.refuse("tool_choice", "tool_choice='none' after calls", "leave it out")
        return None
    known = [tool for tool in tools.functions if not tools.names or tool.name in tools.names]
    config: dict[str, Any] = {"tools": [{"toolSpec": _spec_of(tool)} for tool in known]}
    if tools.mode == "required":
        config["toolChoice"] = {"tool": {"name": known[0].name}} if len(tools.names) == 1 else {"any": {}}
    return config


def _spec_of(function: Function) -> dict[str, Any]:
    schema = function.parameters if function.parameters is not None else {"type": "object", "properties": {}}
    spec: dict[str, Any] = {"name": function.name, "inputSchema": {"json": schema}}
    if function.description:
        spec["description"] = function.description
    if function.is_strict:
        spec["strict"] = True
    return spec


def _output_of(taking: Taking, wish: Format) -> dict[str, Any]:
    if wish.kind == "text":
        return {}
    if wish.kind == "json_object":
        taking.refuse("response_format.type", "JSON without a schema", "send a json_schema")
    described = {"schema": orjson.dumps(wish.schema).decode(), "name": wish.name, "description": wish.description}
    schema = {name: text for name, text in described.items() if text}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _tier_of(taking: Taking) -> str | None:
    tier = taking.text("service_tier")
    if tier in {None, "auto", "default"}:
        return None
    if tier not in _TIERS:
        taking.refuse("service_tier", f"service tier {tier!r}", "say auto, default, flex or priority")
    return tier
