"""A conversation as Anthropic's messages have it: turns of user and assistant, made of blocks."""

from __future__ import annotations

from typing import Any, Final

from gateway.bridge.anthropic.thinking import thoughts_of
from gateway.bridge.conversation import Media, Text, Turn
from gateway.bridge.taking import Taking

_IMAGES: Final = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
_PDF: Final = "application/pdf"
_DETAILS: Final = frozenset(("auto", "high", "original"))
"""Images are read as they are; less detail there is none."""

Block = dict[str, Any]


def conversation_of(body: Taking, turns: list[Turn]) -> dict[str, Any]:
    """``system`` and ``messages``; raises ``Unsupported`` or ``Invalid``."""
    system: list[Block] = []
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if turn.role == "system":
            if messages:
                body.refuse(
                    f"{turn.path}.role",
                    "system message behind others",
                    "send system messages first, or say it as a user",
                )
            system += _texts(turn)
            continue
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = _BLOCKS[turn.role](turn, body)
        if messages and messages[-1]["role"] == role:  # results of one turn's calls stand in one message
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    if not messages:
        body.fail("messages", "a list with a message of a user")
    made: dict[str, Any] = {"messages": messages}
    if system:
        made["system"] = system
    return made


def _user_blocks(turn: Turn, body: Taking) -> list[Block]:
    return [
        {"type": "text", "text": part.text} if isinstance(part, Text) else _media_block(part, body)
        for part in turn.parts
    ]


def _assistant_blocks(turn: Turn, body: Taking) -> list[Block]:
    calls = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in turn.calls]
    return [*thoughts_of(turn, body), *_texts(turn), *calls]


def _tool_blocks(turn: Turn, body: Taking) -> list[Block]:  # noqa: ARG001 - as the others
    return [{"type": "tool_result", "tool_use_id": turn.call_id, "content": _texts(turn)}]


_BLOCKS: Final = {"user": _user_blocks, "assistant": _assistant_blocks, "tool": _tool_blocks}


def _texts(turn: Turn) -> list[Block]:
    """Anthropic refuses empty texts; beside calls, thoughts and results they say nothing."""
    return [{"type": "text", "text": part.text} for part in turn.parts if isinstance(part, Text) and part.text]


def _media_block(part: Media, body: Taking) -> Block:
    if part.kind == "image":
        return {"type": "image", "source": _image_source(part, body)}
    if part.kind == "audio":
        body.refuse(f"{part.path}.type", "audio", "send its transcript")
    if part.mime != _PDF:
        body.refuse(f"{part.path}.file.file_data", f"file of type {part.mime!r}", "send a PDF, or its text")
    document: Block = {
        "type": "document",
        "source": {"type": "base64", "media_type": part.mime, "data": part.data},
    }
    if part.name:
        document["title"] = part.name
    return document


def _image_source(part: Media, body: Taking) -> Block:
    path = f"{part.path}.image_url"
    if part.detail not in _DETAILS:
        body.refuse(f"{path}.detail", f"detail {part.detail!r} of images", "say auto")
    if part.url:
        if not part.url.startswith(("https://", "http://")):
            body.refuse(f"{path}.url", "image at such a URL", "send an https URL or a data URL")
        return {"type": "url", "url": part.url}
    if part.mime not in _IMAGES:
        body.refuse(f"{path}.url", f"image of type {part.mime!r}", "send JPEG, PNG, GIF or WebP")
    return {"type": "base64", "media_type": part.mime, "data": part.data}
