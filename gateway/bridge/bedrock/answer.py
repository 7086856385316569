"""Whole answers of ``converse`` as ``chat.completion``."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.bridge.bedrock.reasoning import Proofs
from gateway.bridge.choices import choice_of, message_of
from gateway.bridge.frames import FinishReason, completion_of, tool_call
from gateway.bridge.interface import Unreadable, Wanted
from gateway.bridge.reading import decoded, object_in, objects_in, text_in
from gateway.bridge.refusals import text_of
from gateway.upstreams.vendors.dialect import Answer

_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
SERVERS: Final = "server_tool_use"
"""The type of a call that Bedrock makes itself."""


def reason_of(native: str, *, has_calls: bool) -> FinishReason:
    """OpenAI's word for Bedrock's; ``stop`` for those that OpenAI has no word for (``native_finish_reason`` says)."""
    return _REASONS.get(native, "tool_calls" if has_calls else "stop")


def completion_of_converse(wanted: Wanted, body: bytes, answer: Answer) -> bytes:
    """The whole answer; raises ``Unreadable``."""
    response = decoded(body)
    output = response.get("output")
    message = output.get("message") if isinstance(output, dict) else None
    blocks = message.get("content") if isinstance(message, dict) else None
    if not isinstance(blocks, list):
        text = "the answer has no output.message.content"
        raise Unreadable(text)
    said = _Said()
    for block in blocks:
        said.read(block)
    native = text_of(response.get("stopReason"))
    reason = reason_of(native, has_calls=bool(said.calls))
    return completion_of(wanted, [choice_of(said.message(), reason, native)], answer.usage)


class _Said:
    """What the blocks of a message say together."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._images: list[dict[str, Any]] = []
        self._proofs = Proofs()

    def read(self, block: Any) -> None:
        """One block; raises ``Unreadable``. Kinds that were not asked for say nothing here."""
        if not isinstance(block, dict):
            message = "a content block is no object"
            raise Unreadable(message)
        if "text" in block:
            self._texts.append(text_in(block, "text"))
        elif "toolUse" in block:
            self._call(object_in(block, "toolUse"))
        elif "reasoningContent" in block:
            self._think(object_in(block, "reasoningContent"))
        elif "citationsContent" in block:
            cited = objects_in(object_in(block, "citationsContent"), "content")
            self._texts += [text_in(part, "text") for part in cited]
        elif "image" in block:
            self._images.append(image_of(object_in(block, "image")))

    def message(self) -> dict[str, Any]:
        """OpenAI's message."""
        message = message_of("".join(self._texts), reasoning="".join(self._reasoning), calls=self.calls)
        if self._images:
            message["images"] = self._images
        return message | self._proofs.members()

    def _call(self, use: dict[str, Any]) -> None:
        if use.get("type") != SERVERS:
            call_id, name = call_names(use)
            self.calls.append(tool_call(call_id, name, orjson.dumps(use.get("input", {})).decode()))

    def _think(self, block: dict[str, Any]) -> None:
        if "redactedContent" in block:
            self._proofs.redact(text_in(block, "redactedContent"))
            return
        text = object_in(block, "reasoningText")
        piece, signature = text_in(text, "text"), text_in(text, "signature")
        self._reasoning.append(piece)
        self._proofs.text(piece, is_new=True)
        if signature:
            self._proofs.sign(signature)


def call_names(use: dict[str, Any]) -> tuple[str, str]:
    """A call's id and its function; raises ``Unreadable``."""
    call_id, name = text_of(use.get("toolUseId")), text_of(use.get("name"))
    if not call_id or not name:
        message = "a toolUse has no id or no name"
        raise Unreadable(message)
    return call_id, name


def image_of(image: dict[str, Any]) -> dict[str, Any]:
    """An image that the model made, as a part with a data URL."""
    source = image.get("source")
    data = text_of(source.get("bytes")) if isinstance(source, dict) else ""
    return {"type": "image_url", "image_url": {"url": f"data:image/{text_of(image.get('format'))};base64,{data}"}}
