"""A stream of ``/api/chat``, line by line, as ``chat.completion.chunk`` frames."""

from __future__ import annotations

from typing import Any

from gateway.bridge.choices import Choices
from gateway.bridge.interface import Wanted
from gateway.bridge.ollama.answer import call_of, logprobs_of, model_of, reason_of
from gateway.bridge.reading import decoded, object_in, objects_in, text_in
from gateway.bridge.refusals import refusal_of, text_of
from gateway.upstreams.vendors.dialect import Answer

_BROKEN_OFF = 500


class OllamaLines:
    """See ``StreamTranslator``. A call comes whole, in one line."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._chunks = Choices(wanted)
        self._calls = 0
        self._has_begun = False

    def feed(self, frames: bytes) -> bytes:
        """OpenAI's frames of these lines; what has no end is no line yet."""
        lines = frames.split(b"\n")
        return b"".join([self._line(line) for line in lines[:-1] if line.strip()])

    def finish(self, answer: Answer) -> bytes:
        """Usage and ``[DONE]``; an error where no line was the last."""
        return self._chunks.end(answer.usage)

    def _line(self, line: bytes) -> bytes:
        if self._chunks.has_failed:
            return b""
        response = decoded(line)
        if response.get("error"):
            return self._chunks.error(refusal_of(_BROKEN_OFF, text_of(response["error"]), None))
        if not self._has_begun:
            self._has_begun = True
            self._chunks.model = model_of(response) or self._chunks.model
        message = object_in(response, "message")
        logprobs = logprobs_of(response)
        members = self._members(message, has_logprobs=logprobs is not None)
        out = [self._chunks.delta(members, 0, logprobs)] if members else []
        if response.get("done") is True:
            native = text_of(response.get("done_reason"))
            out.append(self._chunks.close(reason_of(native, has_calls=self._calls > 0), native))
        return b"".join(out)

    def _members(self, message: dict[str, Any], *, has_logprobs: bool) -> dict[str, Any]:
        """What a line says, in one delta; nothing where it says nothing."""
        members: dict[str, Any] = {}
        if thinking := text_in(message, "thinking"):
            members["reasoning_content"] = thinking
        text = text_in(message, "content")
        if text or (has_logprobs and not members):
            members["content"] = text
        if calls := objects_in(message, "tool_calls"):
            members["tool_calls"] = [self._call(call) for call in calls]
        return members

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        place, self._calls = self._calls, self._calls + 1
        return {"index": place, **call_of(self._wanted, call, place)}
