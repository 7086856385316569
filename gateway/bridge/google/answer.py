"""Whole answers of ``generateContent`` as ``chat.completion``; and what stream and whole answers have in common."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.bridge.choices import choice_of, message_of
from gateway.bridge.frames import FinishReason, completion_of, tool_call
from gateway.bridge.google.contents import VENDOR
from gateway.bridge.google.thinking import SIGNATURE
from gateway.bridge.interface import Unreadable, Wanted
from gateway.bridge.reading import decoded, made_id, objects_in, text_in
from gateway.bridge.refusals import text_of
from gateway.upstreams.vendors.dialect import Answer

_FILTERS: Final = frozenset((
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "JAILBREAK",
))  # fmt: skip
_LENGTHS: Final = frozenset(("MAX_TOKENS", "CONTINUATION"))
_MAX_CHOICES: Final = 8


def reason_of(native: str, *, has_calls: bool) -> FinishReason:
    """OpenAI's word for Google's; ``stop`` for those that OpenAI has no word for (``native_finish_reason`` says)."""
    if native in _LENGTHS:
        return "length"
    if native in _FILTERS:
        return "content_filter"
    return "tool_calls" if has_calls else "stop"


def version_of(response: dict[str, Any]) -> str | None:
    """The model that answers; ``None`` where it does not say."""
    return text_of(response.get("modelVersion")).removeprefix("models/") or None


def block_of(response: dict[str, Any]) -> str:
    """Why the prompt was blocked; empty where it was not."""
    feedback = response.get("promptFeedback")
    return text_of(feedback.get("blockReason")) if isinstance(feedback, dict) else ""


def refusal_text(response: dict[str, Any], reason: str) -> str:
    """What to tell a client whose prompt was blocked."""
    said = text_of(response["promptFeedback"].get("blockReasonMessage"))
    return f"the vendor blocked the prompt: {reason}" + (f" ({said})" if said else "")


def candidates_of(response: dict[str, Any]) -> list[dict[str, Any]]:
    """The candidates; raises ``Unreadable`` for what is none."""
    return objects_in(response, "candidates")


def index_of(candidate: dict[str, Any]) -> int:
    """Which choice it is; Google writes no zero."""
    index = candidate.get("index", 0)
    if type(index) is not int or not 0 <= index < _MAX_CHOICES:
        message = "a candidate's index is no small number"
        raise Unreadable(message)
    return index


def parts_of(candidate: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of its content: none where it was filtered, or has nothing more to say."""
    content = candidate.get("content")
    return objects_in(content, "parts") if isinstance(content, dict) else []


class Said:
    """What the parts of one candidate say, one after the other."""

    def __init__(self, wanted: Wanted, index: int) -> None:
        self._wanted = wanted
        self._index = index
        self._signature: Any = None
        self.calls = 0

    def read(self, part: dict[str, Any]) -> dict[str, Any]:
        """The members that a part adds to a message: ``content``, ``reasoning_content``, ``images``, ``tool_calls``;
        none for what says nothing. Raises ``Unreadable``."""
        signature, call = part.get("thoughtSignature"), part.get("functionCall")
        if isinstance(call, dict):
            return {"tool_calls": [self._call(call) | _extra_of(signature)]}
        self._signature = signature or self._signature
        members: dict[str, Any] = {}
        text = text_in(part, "text")
        if text:
            members["reasoning_content" if part.get("thought") is True else "content"] = text
        blob = part.get("inlineData")
        if isinstance(blob, dict) and part.get("thought") is not True:
            url = f"data:{text_in(blob, 'mimeType')};base64,{text_in(blob, 'data')}"
            members["images"] = [{"type": "image_url", "image_url": {"url": url}}]
        return members

    def extra(self) -> dict[str, Any]:
        """The signature of the text: the last one is of all of it. Said once, since clients put pieces together."""
        return _extra_of(self._signature)

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        """Google gives ids to few calls; the others get one that is always the same for the same answer."""
        name, arguments = call.get("name"), call.get("args", {})
        if not isinstance(name, str) or not name or not isinstance(arguments, dict):
            message = "a functionCall has no name, or arguments that are no object"
            raise Unreadable(message)
        place, self.calls = self.calls, self.calls + 1
        made = text_of(call.get("id")) or made_id(self._wanted, self._index, place)
        return {"index": place, **tool_call(made, name, orjson.dumps(arguments).decode())}


def _extra_of(signature: Any) -> dict[str, Any]:
    return {"extra_content": {VENDOR: {SIGNATURE: signature}}} if isinstance(signature, str) else {}


def logprobs_of(candidate: dict[str, Any]) -> dict[str, Any] | None:
    """``logprobsResult`` as OpenAI's; ``None`` where there is none."""
    found = candidate.get("logprobsResult")
    result = found if isinstance(found, dict) else {}
    chosen, tops = result.get("chosenCandidates"), result.get("topCandidates")
    if not isinstance(chosen, list):
        return None
    content = []
    for place, entry in enumerate(chosen):
        top = tops[place] if isinstance(tops, list) and place < len(tops) else None
        others = top.get("candidates") if isinstance(top, dict) else None
        shown = [_logprob(other) for other in others] if isinstance(others, list) else []
        content.append(_logprob(entry) | {"top_logprobs": shown})
    return {"content": content, "refusal": None}


def _logprob(entry: Any) -> dict[str, Any]:
    members = entry if isinstance(entry, dict) else {}
    token, probability = text_of(members.get("token")), members.get("logProbability", 0.0)
    if type(probability) not in {float, int}:
        message = "a logProbability is no number"
        raise Unreadable(message)
    return {"token": token, "logprob": float(probability), "bytes": list(token.encode())}


def completion_of_google(wanted: Wanted, body: bytes, answer: Answer) -> bytes:
    """The whole answer; raises ``Unreadable``."""
    response = decoded(body)
    candidates = candidates_of(response)
    model = version_of(response)
    if not candidates:
        reason = block_of(response)
        if not reason:
            message = "the answer has no candidates"
            raise Unreadable(message)
        blocked = message_of("", refusal=refusal_text(response, reason))
        return completion_of(wanted, [choice_of(blocked, "content_filter", reason)], answer.usage, model)
    choices = [_choice(wanted, candidate) for candidate in candidates]
    return completion_of(wanted, sorted(choices, key=lambda choice: choice["index"]), answer.usage, model)


def _choice(wanted: Wanted, candidate: dict[str, Any]) -> dict[str, Any]:
    index = index_of(candidate)
    said = Said(wanted, index)
    texts: dict[str, str] = {"content": "", "reasoning_content": ""}
    lists: dict[str, list[dict[str, Any]]] = {"tool_calls": [], "images": []}
    for part in parts_of(candidate):
        for name, value in said.read(part).items():
            if name in texts:
                texts[name] += value
            else:
                lists[name] += value
    calls = [{name: member for name, member in call.items() if name != "index"} for call in lists["tool_calls"]]
    message = message_of(texts["content"], reasoning=texts["reasoning_content"], calls=calls) | said.extra()
    if lists["images"]:
        message["images"] = lists["images"]
    native = text_of(candidate.get("finishReason"))
    reason = reason_of(native, has_calls=bool(calls))
    return choice_of(message, reason, native, index, logprobs_of(candidate))
