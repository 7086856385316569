"""The older completions for vendors that have chat alone: the prompt is one user's message, the answer its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from gateway.bridge.frames import DONE, sse_data
from gateway.bridge.interface import OpenAiError, Operation, StreamTranslator, Translated, Translator, Wanted
from gateway.bridge.taking import Taking

if TYPE_CHECKING:
    from gateway.upstreams.vendors.dialect import Answer

_SHARED = (
    "model", "max_tokens", "temperature", "top_p", "stop", "stream", "stream_options", "seed", "user",
    "frequency_penalty", "presence_penalty", "logit_bias",
)  # fmt: skip
"""Members that mean the same in chat."""


class Legacy:
    """A translator over one of chat."""

    operations: frozenset[Operation] = frozenset({"completions"})

    def __init__(self, chat: Translator) -> None:
        self._chat = chat

    def request(self, wanted: Wanted, body: dict[str, Any]) -> Translated:
        """As chat's, of the prompt. Raises ``Unsupported``."""
        asked = Taking(body, wanted.vendor)
        prompt = asked.take("prompt")
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        if not isinstance(prompt, str):
            if isinstance(prompt, list):
                asked.refuse("prompt", "several prompts or prompts of tokens", "send one prompt, as a text")
            asked.fail("prompt", "a text", is_missing=prompt is None)
        asked.only("n", 1)
        asked.only("best_of", 1)
        asked.only("echo", False)
        asked.only("suffix", "")
        chat = {name: value for name in _SHARED if (value := asked.take(name)) is not None}
        asked.refuse_rest()
        return self._chat.request(_as_chat(wanted), {**chat, "messages": [{"role": "user", "content": prompt}]})

    def answer(self, wanted: Wanted, body: bytes, answer: Answer) -> bytes:
        """``text_completion`` of the chat's answer."""
        document = orjson.loads(self._chat.answer(_as_chat(wanted), body, answer))
        return orjson.dumps(_text_completion(document, "message"))

    def stream(self, wanted: Wanted) -> StreamTranslator:
        """The chat's frames, each as one of ``text_completion``."""
        return _LegacyStream(self._chat.stream(_as_chat(wanted)))

    def error(self, status: int, body: bytes) -> OpenAiError:
        """The same."""
        return self._chat.error(status, body)


class _LegacyStream:
    def __init__(self, chat: StreamTranslator) -> None:
        self._chat = chat

    def feed(self, frames: bytes) -> bytes:
        """As chat's."""
        return _rewritten(self._chat.feed(frames))

    def finish(self, answer: Answer) -> bytes:
        """As chat's."""
        return _rewritten(self._chat.finish(answer))


def _rewritten(frames: bytes) -> bytes:
    out: list[bytes] = []
    for data in sse_data(frames):
        if data == b"[DONE]":
            out.append(DONE)
            continue
        document = orjson.loads(data)
        if "error" not in document:
            document = _text_completion(document, "delta")
            if document["choices"] and not any(_says(choice) for choice in document["choices"]):
                continue
        out.append(b"data: " + orjson.dumps(document) + b"\n\n")
    return b"".join(out)


def _says(choice: dict[str, Any]) -> bool:
    return bool(choice["text"]) or choice["finish_reason"] is not None


def _text_completion(document: dict[str, Any], part: str) -> dict[str, Any]:
    choices = [
        {
            "text": choice[part].get("content") or "",
            "index": choice["index"],
            "logprobs": None,
            "finish_reason": choice["finish_reason"],
        }
        for choice in document["choices"]
    ]
    return {**document, "object": "text_completion", "choices": choices}


def _as_chat(wanted: Wanted) -> Wanted:
    return msgspec.structs.replace(wanted, operation="chat")
