"""OpenAI's answers, whole and streamed, as its own servers write them. Shared by all translators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from gateway.bridge.interface import OpenAiError

if TYPE_CHECKING:
    from gateway.bridge.interface import Wanted
    from sluice.money.usage import Usage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]

DONE: Final = b"data: [DONE]\n\n"
STREAM_STOPPED: Final = "the vendor's stream stopped before its end"


def tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """One call of a message; ``arguments`` is JSON text."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def completion_of(
    wanted: Wanted, choices: list[dict[str, Any]], usage: Usage | None, model: str | None = None
) -> bytes:
    """A whole ``chat.completion`` of these choices."""
    body: dict[str, Any] = {
        "id": wanted.completion_id,
        "object": "chat.completion",
        "created": wanted.created,
        "model": model or wanted.model,
        "choices": choices,
    }
    if usage is not None:
        body["usage"] = usage_object(usage)
    return orjson.dumps(body)


def embeddings(wanted: Wanted, vectors: list[Any], usage: Usage | None, model: str | None = None) -> bytes:
    """A list of embeddings; a vector is a list of numbers, or base64 text where that was asked for."""
    data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]
    prompt = (usage.prompt_tokens or 0) if usage is not None else 0
    counts = {"prompt_tokens": prompt, "total_tokens": prompt}
    return orjson.dumps({"object": "list", "data": data, "model": model or wanted.model, "usage": counts})


def usage_object(usage: Usage) -> dict[str, Any]:
    """``usage`` as OpenAI counts: cached tokens among the prompt's, reasoning among the response's."""
    prompt, response = usage.prompt_tokens or 0, usage.response_tokens or 0
    counts: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": response,
        "total_tokens": prompt + response,
    }
    if usage.cache_read_prompt_tokens is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cache_read_prompt_tokens}
    if usage.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counts


def error_object(error: OpenAiError) -> dict[str, Any]:
    """``error`` of a body or of a frame."""
    text = error.message.encode("utf-8", "replace").decode()  # JSON carries no lone surrogate
    return {"message": text, "type": error.type, "param": error.param, "code": error.code}


def error_body(error: OpenAiError) -> bytes:
    """The whole body of a refusal."""
    return orjson.dumps({"error": error_object(error)})


def error_frame(error: OpenAiError) -> bytes:
    """A stream's last frame, on which SDKs raise; no ``[DONE]`` behind it."""
    return b"data: " + orjson.dumps({"error": error_object(error)}) + b"\n\n"


class Chunks:
    """What all frames of one stream share, and how it ends; ``choices.py`` has what stands between.

    Every method returns the bytes of whole frames.
    """

    __slots__ = ("_wanted", "has_failed", "has_finished", "model")

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.model = wanted.model
        """Set it to what the vendor says before the first frame."""
        self.has_finished = False
        """Whether the finish reasons of all choices are out."""
        self.has_failed = False
        """Whether an error frame is out: nothing comes behind it."""

    def end(self, usage: Usage | None) -> bytes:
        """The usage chunk where the client asked for it, then ``[DONE]``; an error instead where no finish reason is
        out, nothing where an error is."""
        if self.has_failed:
            return b""
        if not self.has_finished:
            return self.stopped()
        if not self._wanted.wants_usage:
            return DONE
        body = self._body([])
        body["usage"] = usage_object(usage) if usage is not None else None
        return b"data: " + orjson.dumps(body) + b"\n\n" + DONE

    def stopped(self) -> bytes:
        """The error of a stream that stopped before its end."""
        return self.error(OpenAiError(STREAM_STOPPED, "server_error", "upstream_error"))

    def error(self, error: OpenAiError) -> bytes:
        """The vendor's error as a frame, once."""
        if self.has_failed:
            return b""
        self.has_failed = True
        return error_frame(error)

    def _body(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._wanted.completion_id,
            "object": "chat.completion.chunk",
            "created": self._wanted.created,
            "model": self.model,
            "choices": choices,
        }


def sse_data(frames: bytes) -> Iterator[bytes]:
    """The data of each whole SSE frame in these bytes, in order; comments, and what has no end yet, are passed over."""
    data: list[bytes] = []
    for line in frames.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            data.append(text[5:].strip())
        elif not text and data:
            yield b"\n".join(data)
            data = []
