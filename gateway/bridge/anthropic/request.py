"""A chat request as ``POST /v1/messages`` takes it."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.bridge.anthropic.content import conversation_of
from gateway.bridge.anthropic.thinking import thinking_of
from gateway.bridge.conversation import turns_of
from gateway.bridge.interface import Translated, Wanted
from gateway.bridge.parameters import (
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
from gateway.upstreams.client import Headers

_PATH: Final = "/v1/messages"
_HEADERS: Final[Headers] = [(b"anthropic-version", b"2023-06-01")]
_MAX_STOPS: Final = 8191
"""Anthropic names no most; OpenAI's clients may send four."""
_TIERS: Final = {"auto": "auto", "default": "standard_only"}
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def request_of(wanted: Wanted, body: dict[str, Any]) -> Translated:
    """The vendor's request; raises ``Unsupported`` or ``Invalid``."""
    taking = Taking(body, wanted.vendor)
    user = taking.text("user") or taking.text("safety_identifier")
    take_envelope(taking)
    maximum = maximum_of(taking) or wanted.max_tokens
    made: dict[str, Any] = {"model": wanted.model, "max_tokens": maximum}
    made |= conversation_of(taking, turns_of(taking))
    made |= _sampling(taking)
    made |= _tools(taking, tools_of(taking))
    thinking = thinking_of(taking, wanted, maximum)
    config = thinking.pop("output_config", {}) | _format(taking)
    made |= thinking
    if config:
        made["output_config"] = config
    if user:
        made["metadata"] = {"user_id": user}
    if (tier := taking.text("service_tier")) is not None:
        if tier not in _TIERS:
            taking.refuse("service_tier", f"tier {tier!r}", "say auto or default")
        made["service_tier"] = _TIERS[tier]
    if wanted.is_stream:
        made["stream"] = True
    take_what_is_usual(taking)
    taking.refuse_rest()
    return Translated(_PATH, orjson.dumps(made), headers=_HEADERS)


def _sampling(taking: Taking) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if (temperature := taking.number("temperature")) is not None:
        if not 0 <= temperature <= 1:
            taking.refuse("temperature", f"temperature {temperature}", "say 0 to 1")
        made["temperature"] = temperature
    if (top_p := taking.number("top_p")) is not None:
        made["top_p"] = top_p
    if stops := stops_of(taking, _MAX_STOPS):
        made["stop_sequences"] = stops
    return made


def _tools(taking: Taking, tools: Tools) -> dict[str, Any]:
    if not tools.functions:
        return {}
    functions, names = tools.functions, tools.names
    choice: dict[str, Any] = {"type": _CHOICES[tools.mode]}
    if len(names) == 1 and tools.mode == "required":
        choice = {"type": "tool", "name": names[0]}
    elif names:  # some of them: the others need not be known
        functions = tuple([function for function in functions if function.name in names])
    if tools.is_one_at_most and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    made: dict[str, Any] = {"tools": [_tool(function, taking) for function in functions]}
    if choice != {"type": "auto"}:
        made["tool_choice"] = choice
    return made


def _tool(function: Function, taking: Taking) -> dict[str, Any]:
    schema = function.parameters or {"type": "object", "properties": {}}
    if schema.get("type", "object") != "object":
        taking.fail(f"{function.path}.function.parameters.type", "'object'")
    made: dict[str, Any] = {"name": function.name, "input_schema": {"type": "object", **schema}}
    if function.description:
        made["description"] = function.description
    if function.is_strict:
        made["strict"] = True
    return made


def _format(taking: Taking) -> dict[str, Any]:
    asked = format_of(taking)
    if asked.kind == "text":
        return {}
    if asked.kind == "json_object":
        taking.refuse("response_format.type", "format 'json_object'", "ask for json_schema, with a schema")
    schema = asked.schema
    if asked.description and "description" not in schema:
        schema = {**schema, "description": asked.description}
    return {"format": {"type": "json_schema", "schema": schema}}
