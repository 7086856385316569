"""A stream of Hugging Face's servers as OpenAI's chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from gateway.bridge.frames import DONE, STREAM_STOPPED, error_frame, sse_data, usage_object
from gateway.bridge.huggingface.wording import error_of, finished, named, piece_of_call
from gateway.bridge.interface import OpenAiError, Wanted
from gateway.bridge.reading import decoded, objects_in

if TYPE_CHECKING:
    from gateway.upstreams.vendors.dialect import Answer

_BROKEN_OFF = 500


class HuggingFaceFrames:
    """See ``StreamTranslator``."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._has_failed = False
        self._has_finished = False
        self._has_called = False

    def feed(self, frames: bytes) -> bytes:
        """OpenAI's frames of these."""
        return b"".join([self._frame(data) for data in sse_data(frames) if data])

    def finish(self, answer: Answer) -> bytes:
        """Usage where it was asked for, and ``[DONE]``; an error where no choice finished."""
        if self._has_failed:
            return b""
        if not self._has_finished:
            return self._fail(OpenAiError(STREAM_STOPPED, "server_error", "upstream_error"))
        if not self._wanted.wants_usage:
            return DONE
        usage = usage_object(answer.usage) if answer.usage is not None else None
        return _frame_of(named(self._wanted, {}, ".chunk") | {"choices": [], "usage": usage}) + DONE

    def _frame(self, data: bytes) -> bytes:
        if self._has_failed or data.startswith(b"[DONE]"):
            return b""
        event = decoded(data)
        error = error_of(_BROKEN_OFF, event)
        if error is not None:
            return self._fail(error)
        choices = [self._choice(choice) for choice in objects_in(event, "choices")]
        if not choices:
            return b""  # usage alone, which is said at the end
        kept = {name: value for name, value in event.items() if name != "usage"}
        return _frame_of(named(self._wanted, kept, ".chunk") | {"choices": choices})

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        """Older servers give the one call that they make outside of a list; who called finishes with calls."""
        made = finished(choice)
        delta = made.get("delta")
        if isinstance(delta, dict) and delta.get("tool_calls") is not None:
            self._has_called = True
            calls = delta["tool_calls"] if isinstance(delta["tool_calls"], list) else [delta["tool_calls"]]
            made["delta"] = delta | {"tool_calls": [piece_of_call(self._wanted, call) for call in calls]}
        if made["finish_reason"] is not None:
            self._has_finished = True
            if self._has_called and made["finish_reason"] == "stop":
                made["finish_reason"] = "tool_calls"
        return made

    def _fail(self, error: OpenAiError) -> bytes:
        self._has_failed = True
        return error_frame(error)


def _frame_of(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"
