"""The responses API: one object, or a stream of named events about its growth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.parts import (
    CREATED,
    joined,
    model_of,
    reports_usage,
    sse_frame,
    texts,
    tool_calls,
    whole_text,
    with_figures,
)
from sluice.dev.vendor.script import Script

Event = dict[str, Any]

_FUNCTION_DELTA = "response.function_call_arguments.delta"
_TEXT_DELTA = "response.output_text.delta"


def response_body(asked: Asked, script: Script) -> dict[str, Any]:
    """A plain answer, without usage."""
    return _finished(asked, script, _outputs(script))


def response_usage(script: Script) -> dict[str, Any]:
    """Its usage, which has other names."""
    found = {
        "input_tokens": script.prompt_tokens,
        "input_tokens_details": prompt_details(script),
        "output_tokens": script.response_tokens,
        "output_tokens_details": {"reasoning_tokens": script.reasoning},
        "total_tokens": script.prompt_tokens + script.response_tokens,
    }
    return with_figures(found, script)


def response_pieces(asked: Asked, script: Script) -> list[bytes]:
    """A streamed answer: the events before the first delta, the deltas with what stands between, the last ones."""
    events = list(_events(asked, script))
    deltas = [number for number, event in enumerate(events) if event["type"] in {_FUNCTION_DELTA, _TEXT_DELTA}]
    frames = [sse_frame(event | {"sequence_number": n}, event["type"]) for n, event in enumerate(events)]
    first, last = (deltas[0], deltas[-1] + 1) if deltas else (0, 0)
    return joined(frames[:first], frames[first:last], frames[last:])


def prompt_details(script: Script) -> dict[str, int]:
    """Of what is cached; what was written to the cache is told where there is some."""
    written = {"cache_write_tokens": script.cache_write} if script.cache_write else {}
    return {"cached_tokens": script.cached, **written}


def _response(asked: Asked, script: Script, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "resp_mock",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "model": model_of(asked, script),
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _finished(asked: Asked, script: Script, output: list[dict[str, Any]]) -> dict[str, Any]:
    if not script.finish:
        return _response(asked, script, "completed", output)
    reason = {"reason": "max_output_tokens" if script.finish == "length" else "content_filter"}
    return _response(asked, script, "incomplete", output) | {"incomplete_details": reason}


def _outputs(script: Script) -> list[dict[str, Any]]:
    if not script.tool_calls:
        return [_message(_text_part(whole_text(script)))]
    return [
        {"type": "function_call", "id": f"fc_{index}", "call_id": call["id"], "status": "completed", **call["function"]}
        for index, call in enumerate(tool_calls(script))
    ]


def _message(*content: Mapping[str, Any]) -> dict[str, Any]:
    status = "completed" if content else "in_progress"
    return {"type": "message", "id": "msg_mock", "status": status, "role": "assistant", "content": list(content)}


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _events(asked: Asked, script: Script) -> Iterator[Event]:
    yield {"type": "response.created", "response": _response(asked, script, "in_progress", [])}
    outputs = _outputs(script)
    for index, item in enumerate(outputs):
        place = {"output_index": index, "item_id": item["id"]}
        opening = item | {"arguments": "", "status": "in_progress"} if script.tool_calls else _message()
        yield {"type": "response.output_item.added", "output_index": index, "item": opening}
        yield from _function_events(place, item) if script.tool_calls else _text_events(place, script)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    finished = _finished(asked, script, outputs)
    if reports_usage(asked, script):
        finished["usage"] = response_usage(script)
    yield {"type": f"response.{finished['status']}", "response": finished}


def _function_events(place: Event, item: Event) -> Iterator[Event]:
    arguments = item["arguments"]
    yield {"type": _FUNCTION_DELTA, **place, "delta": arguments}
    yield {"type": "response.function_call_arguments.done", **place, "name": item["name"], "arguments": arguments}


def _text_events(place: Event, script: Script) -> Iterator[Event]:
    place = {**place, "content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": _text_part("")}
    for piece in texts(script):
        yield {"type": _TEXT_DELTA, **place, "delta": piece, "logprobs": []}
    text = whole_text(script)
    yield {"type": "response.output_text.done", **place, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": _text_part(text)}
