"""Chunks of streams that have several choices, or say more of one than OpenAI's own do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from gateway.bridge.frames import Chunks, FinishReason

if TYPE_CHECKING:
    from gateway.bridge.interface import Wanted


class Choices(Chunks):
    """As ``Chunks``, for each choice by its index. Every method returns the bytes of whole frames."""

    __slots__ = ("_closed", "_opened")

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted)
        self._opened: set[int] = set()
        self._closed: set[int] = set()

    def open(self, index: int = 0) -> bytes:
        """The first frame of a choice, once: the role alone."""
        if index in self._opened:
            return b""
        self._opened.add(index)
        return self._of_choice(index, {"role": "assistant", "content": "", "refusal": None})

    def delta(self, members: dict[str, Any], index: int = 0, logprobs: Any = None) -> bytes:
        """More of a choice: ``content``, ``reasoning_content``, ``refusal``, ``tool_calls``, ``extra_content``…"""
        return self.open(index) + self._of_choice(index, members, logprobs=logprobs)

    def close(self, reason: FinishReason, native: str, index: int = 0) -> bytes:
        """A choice's finish reason, once, and the vendor's own word for it."""
        if index in self._closed:
            return b""
        frame = self.open(index) + self._of_choice(index, {}, reason, native)
        self._closed.add(index)
        self.has_finished = self._opened == self._closed
        return frame

    def _of_choice(
        self,
        index: int,
        delta: dict[str, Any],
        reason: FinishReason | None = None,
        native: str | None = None,
        logprobs: Any = None,
    ) -> bytes:
        self.has_finished = False
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        if native is not None:
            choice["native_finish_reason"] = native
        return b"data: " + orjson.dumps(self._body([choice])) + b"\n\n"


def choice_of(
    message: dict[str, Any], reason: FinishReason, native: str, index: int = 0, logprobs: Any = None
) -> dict[str, Any]:
    """A choice of a whole answer, with the vendor's own word for its end."""
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": reason,
        "native_finish_reason": native,
    }


def message_of(
    content: str, *, reasoning: str = "", calls: list[dict[str, Any]] | None = None, refusal: str | None = None
) -> dict[str, Any]:
    """The message of a whole answer; it has no content where it only calls."""
    message: dict[str, Any] = {"role": "assistant", "content": content or (None if calls else ""), "refusal": refusal}
    if reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = calls
    return message
