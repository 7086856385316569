"""What an answer of Ollama's own says of its worth: a whole one, or one line of a stream."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.ollama.paths import Endpoint
from sluice.money.usage import Usage
from sluice.usage.ollama import Members, figures, usage_of
from sluice.usage.plain_counts import PlainCounts, decode_members
from sluice.usage.reading import UNREADABLE

_IDLE: Final = frozenset((b'"load"', b'"unload"'))
_NOTHING: Final = frozenset((b"", b"null", b'""', b"[]", b"{}"))


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw(b"")
    thinking: msgspec.Raw = msgspec.Raw(b"")
    tool_calls: list[msgspec.Raw] | None = None


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_text = msgspec.json.Decoder(str).decode


def answer_of(body: bytes, endpoint: Endpoint) -> Answer:
    """What a whole response says. Lines that came as one body are read as their last one is."""
    members = decode_members(body) or decode_members(body.rstrip().rpartition(b"\n")[2])
    if members is None:
        return Answer()
    answer = Answer(model=model_of(members))
    if has_error(members):
        return answer  # its status says what that is worth
    if endpoint == "embed":
        _count_embeddings(answer, members)
    else:
        answer.choices = 1 if "message" in members or "response" in members else 0
        answer.tool_calls = tool_calls_of(members)
        count(answer, members, has_made=has_made(members))
    return answer


def count(answer: Answer, members: Members, *, has_made: bool) -> None:
    """Take the counts of a whole answer, or of a stream's last line; ``has_made`` says whether there was any output."""
    found = usage_of(members, has_made=has_made, is_idle=_is_idle(members))
    answer.raw_usage, answer.problem = found.text, found.problem
    if found.usage is not None:
        answer.usage = found.usage


def has_made(members: Members) -> bool:
    """Whether there is any text, thinking or call in it."""
    message = _message_of(members)
    found = (members.get("response"), members.get("thinking"), message.content, message.thinking)
    return bool(message.tool_calls) or any(bytes(text) not in _NOTHING for text in found if text is not None)


def has_error(members: Members) -> bool:
    """Whether it is an error instead."""
    return "error" in members and bytes(members["error"]) not in _NOTHING


def is_done(members: Members) -> bool:
    """Whether it ends a stream."""
    return "done" in members and bytes(members["done"]) == b"true"


def model_of(members: Members) -> str | None:
    """The model that answers."""
    try:
        return _decode_text(members["model"]) or None if "model" in members else None
    except UNREADABLE:
        return None


def tool_calls_of(members: Members) -> int:
    """How many calls it asks for; each comes whole."""
    return len(_message_of(members).tool_calls or ())


def _message_of(members: Members) -> _Message:
    try:
        return _decode_message(members["message"]) if "message" in members else _Message()
    except UNREADABLE:
        return _Message()


def _count_embeddings(answer: Answer, members: Members) -> None:
    """The older ``/api/embeddings`` counts nothing."""
    counts = PlainCounts()
    prompt = counts.read(members.get("prompt_eval_count"))
    answer.raw_usage, answer.problem = figures(members), counts.problem
    if counts.is_impossible:
        return
    if prompt is None and not counts.problem:
        if bytes(members.get("embeddings", b"")) == b"[]":
            prompt = 0
        elif "embeddings" in members or "embedding" in members:
            answer.problem = "prompt_missing"
        else:
            return
    answer.usage = Usage(prompt_tokens=prompt)


def _is_idle(members: Members) -> bool:
    """Whether a model was loaded or unloaded and did nothing; older servers do not say so, but took no time then."""
    return bytes(members.get("done_reason", b"")) in _IDLE or "total_duration" not in members
