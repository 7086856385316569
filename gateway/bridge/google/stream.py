"""A stream of ``streamGenerateContent`` as ``chat.completion.chunk`` frames."""

from __future__ import annotations

from typing import Any

from gateway.bridge.choices import Choices
from gateway.bridge.frames import sse_data
from gateway.bridge.google.answer import (
    Said,
    block_of,
    candidates_of,
    index_of,
    logprobs_of,
    parts_of,
    reason_of,
    refusal_text,
    version_of,
)
from gateway.bridge.google.errors import error_of_object
from gateway.bridge.interface import Wanted
from gateway.bridge.reading import decoded
from gateway.bridge.refusals import text_of
from gateway.upstreams.vendors.dialect import Answer


class GoogleFrames:
    """See ``StreamTranslator``. Google's streams have no last frame, and some models say in each why they finish: so
    finish reasons leave at the end."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._chunks = Choices(wanted)
        self._said: dict[int, Said] = {}
        self._reasons: dict[int, str] = {}
        self._is_blocked = False
        self._has_begun = False

    def feed(self, frames: bytes) -> bytes:
        """OpenAI's frames of these."""
        return b"".join([self._element(data) for data in sse_data(frames) if data])

    def finish(self, answer: Answer) -> bytes:
        """Finish reasons, usage, ``[DONE]``; an error where some choice has no reason."""
        if self._reasons.keys() < self._said.keys():
            return self._chunks.stopped()
        ends = []
        if not self._is_blocked:
            for index, native in sorted(self._reasons.items()):
                said = self._said.get(index)
                reason = reason_of(native, has_calls=said is not None and said.calls > 0)
                if said is not None and (extra := said.extra()):
                    ends.append(self._chunks.delta(extra, index))
                ends.append(self._chunks.close(reason, native, index))
        return b"".join(ends) + self._chunks.end(answer.usage)

    def _element(self, data: bytes) -> bytes:
        if self._chunks.has_failed:
            return b""
        element = decoded(data)
        if element.get("error"):
            return self._chunks.error(error_of_object(None, element["error"]))
        if not self._has_begun:
            self._has_begun = True
            self._chunks.model = version_of(element) or self._chunks.model
        out = [self._candidate(candidate) for candidate in candidates_of(element)]
        reason = block_of(element)
        if reason and not self._said and not self._is_blocked:
            self._is_blocked = True
            out.append(self._chunks.delta({"refusal": refusal_text(element, reason)}))
            out.append(self._chunks.close("content_filter", reason))
        return b"".join(out)

    def _candidate(self, candidate: dict[str, Any]) -> bytes:
        index = index_of(candidate)
        said = self._said.get(index)
        if said is None:
            said = self._said[index] = Said(self._wanted, index)
        logprobs = logprobs_of(candidate)
        out = []
        for part in parts_of(candidate):
            members = said.read(part)
            if members:
                out.append(self._chunks.delta(members, index, logprobs))
                logprobs = None
        if logprobs is not None:
            out.append(self._chunks.delta({"content": ""}, index, logprobs))
        native = text_of(candidate.get("finishReason"))
        if native:
            self._reasons[index] = native
        return b"".join(out) or self._chunks.open(index)
