"""What whole answers, streams and errors of Hugging Face's servers say otherwise than OpenAI does."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.bridge.interface import OpenAiError, Wanted
from gateway.bridge.reading import made_id, object_in, objects_in
from gateway.bridge.refusals import refusal_of, text_of

_OBJECTS: Final = {"chat": "chat.completion", "completions": "text_completion"}
_REASONS: Final = frozenset(("stop", "length", "tool_calls", "content_filter"))


def named(wanted: Wanted, response: dict[str, Any], ending: str = "") -> dict[str, Any]:
    """The answer with id, kind, time and model as everywhere: these servers leave ids empty and call models ``tgi``."""
    kind = _OBJECTS[wanted.operation] + (ending if wanted.operation == "chat" else "")
    return response | {"id": wanted.completion_id, "object": kind, "created": wanted.created, "model": wanted.model}


def finished(choice: dict[str, Any]) -> dict[str, Any]:
    """The choice with a finish reason of OpenAI's: others, such as ``eos_token``, are ``stop``, and to be seen beside
    it."""
    native = choice.get("finish_reason")
    made = {"index": 0} | choice | {"finish_reason": native}
    if native is not None and text_of(native) not in _REASONS:
        made |= {"finish_reason": "stop", "native_finish_reason": native}
    return made


def whole_choice(wanted: Wanted, choice: dict[str, Any]) -> dict[str, Any]:
    """A choice of a whole answer; who calls finishes with calls."""
    made = finished(choice)
    message = made.get("message")
    if not isinstance(message, dict):
        return made
    calls = objects_in(message, "tool_calls")
    if not calls:
        return made | {"message": {name: value for name, value in message.items() if name != "tool_calls"}}
    shown = [_whole_call(wanted, made["index"], call, place) for place, call in enumerate(calls)]
    reason = "tool_calls" if made["finish_reason"] == "stop" else made["finish_reason"]
    return made | {"message": message | {"tool_calls": shown}, "finish_reason": reason}


def _whole_call(wanted: Wanted, choice: Any, call: dict[str, Any], place: int) -> dict[str, Any]:
    call_id = text_of(call.get("id")) or made_id(wanted, choice, place)
    return {"type": "function"} | call | {"id": call_id, "function": _function_of(object_in(call, "function"))}


def piece_of_call(wanted: Wanted, call: Any) -> dict[str, Any]:
    """A piece of a call: its name comes with the first, which must have an id."""
    made = {"index": 0} | object_in({"tool_calls": call}, "tool_calls")
    function = made.get("function")
    if isinstance(function, dict):
        made["function"] = _function_of(function)
        if text_of(function.get("name")) and not text_of(made.get("id")):
            made["id"] = made_id(wanted, 0, made["index"])
    return made


def _function_of(function: dict[str, Any]) -> dict[str, Any]:
    """Arguments as JSON text, which older servers give as objects."""
    arguments = function.get("arguments")
    if arguments is None or isinstance(arguments, str):
        return function
    return function | {"arguments": orjson.dumps(arguments).decode()}


def error_of(status: int, members: dict[str, Any]) -> OpenAiError | None:
    """The error in a body or an event; ``None`` where there is none."""
    error = members.get("error")
    if not error:
        return None
    if isinstance(error, dict):
        code = error.get("code")
        return refusal_of(status, text_of(error.get("message")), code if isinstance(code, str) else None)
    return refusal_of(status, text_of(error), text_of(members.get("error_type")) or None)
