"""A chat request as ``/api/chat`` takes it."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.bridge.conversation import Call, Turn, turns_of
from gateway.bridge.interface import Translated, Wanted
from gateway.bridge.parameters import (
    Format,
    Function,
    effort_of,
    format_of,
    logprobs_of,
    maximum_of,
    stops_of,
    take_envelope,
    tools_of,
    verbosity_is_usual,
)
from gateway.bridge.taking import Taking

_MAX_STOPS: Final = 64
_LEVELS: Final = frozenset(("low", "medium", "high"))
_SAMPLING: Final = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def request_of(wanted: Wanted, body: dict[str, Any]) -> Translated:
    """The vendor's request; raises ``Unsupported`` or ``Invalid``."""
    taking = Taking(body, wanted.vendor or "Ollama")
    take_envelope(taking)
    made: dict[str, Any] = {"model": wanted.model, "stream": wanted.is_stream}
    made["messages"] = [_message_of(taking, turn) for turn in turns_of(taking)]
    if options := _options_of(taking):
        made["options"] = options
    if tools := _tools_of(taking):
        made["tools"] = tools
    if (shape := _format_of(format_of(taking))) is not None:
        made["format"] = shape
    if (think := _think_of(taking)) is not None:
        made["think"] = think
    made |= _logprobs_of(taking)
    taking.only("n", 1)
    taking.only("service_tier", "auto", "default")
    taking.only("logit_bias", {})
    verbosity_is_usual(taking)
    taking.refuse_rest()
    return Translated("/api/chat", orjson.dumps(made))


def _message_of(taking: Taking, turn: Turn) -> dict[str, Any]:
    """Images stand beside the text, not in it. A function's result says whose it is by name, and by id to servers that
    know it."""
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    images = []
    for media in turn.media:
        if media.kind != "image":
            taking.refuse(media.path, media.kind, "send images and text")
        if media.detail != "auto":
            taking.refuse(f"{media.path}.image_url.detail", f"detail {media.detail!r}", "say auto")
        if media.url:
            taking.refuse(f"{media.path}.image_url.url", "image at a URL", "send a data URL")
        images.append(media.data)
    if images:
        message["images"] = images
    if turn.reasoning:
        message["thinking"] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = [_call_of(call) for call in turn.calls]
    if turn.role == "tool":
        if not turn.call_name:
            what = f"result of the unknown call {turn.call_id!r}"
            taking.refuse(f"{turn.path}.tool_call_id", what, "send the assistant's message that calls too")
        message |= {"tool_name": turn.call_name, "tool_call_id": turn.call_id}
    return message


def _call_of(call: Call) -> dict[str, Any]:
    return {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}


def _options_of(taking: Taking) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name in _SAMPLING:
        if (number := taking.number(name)) is not None:
            options[name] = number
    if (seed := taking.integer("seed")) is not None:
        options["seed"] = seed
    if (maximum := maximum_of(taking)) is not None:
        options["num_predict"] = maximum
    if stops := stops_of(taking, _MAX_STOPS):
        options["stop"] = stops
    return options


def _tools_of(taking: Taking) -> list[dict[str, Any]]:
    """Ollama's models choose themselves: those that may not be called are not told of."""
    tools = tools_of(taking)
    if tools.mode == "required":
        taking.refuse("tool_choice", "way to make a model call", "say auto or none")
    if tools.is_one_at_most:
        taking.refuse("parallel_tool_calls", "limit of one call at a time")
    if tools.mode == "none":
        return []
    known = [tool for tool in tools.functions if not tools.names or tool.name in tools.names]
    return [_tool_of(taking, tool) for tool in known]


def _tool_of(taking: Taking, function: Function) -> dict[str, Any]:
    if function.is_strict:
        taking.refuse(f"{function.path}.function.strict", "arguments that keep to a schema strictly")
    schema = function.parameters if function.parameters is not None else {"type": "object", "properties": {}}
    made = {"name": function.name, "description": function.description, "parameters": schema}
    return {"type": "function", "function": made}


def _format_of(wish: Format) -> str | dict[str, Any] | None:
    if wish.kind == "text":
        return None
    return "json" if wish.kind == "json_object" else wish.labelled_schema


def _think_of(taking: Taking) -> bool | str | None:
    effort = effort_of(taking)
    if effort is None or effort in _LEVELS:
        return effort
    if effort != "none":
        taking.refuse("reasoning_effort", f"effort {effort!r}", "say none, low, medium or high")
    return False


def _logprobs_of(taking: Taking) -> dict[str, Any]:
    most = logprobs_of(taking)
    if most is None:
        return {}
    return {"logprobs": True, "top_logprobs": most} if most else {"logprobs": True}
