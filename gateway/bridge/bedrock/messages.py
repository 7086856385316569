"""OpenAI's messages as Bedrock's."""

from __future__ import annotations

import re
from hashlib import blake2s
from typing import Any, Final

import orjson

from gateway.bridge.bedrock.reasoning import blocks_of
from gateway.bridge.conversation import Call, Media, Text, Turn, refuse_late_system
from gateway.bridge.taking import Taking

_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9 ()\[\]-]+")
_IMAGES: Final = {
    "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp",
}  # fmt: skip
_SOUNDS: Final = {"audio/wav": "wav", "audio/mp3": "mp3"}
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_FORMATS: Final = {"image": _IMAGES, "audio": _SOUNDS, "file": _DOCUMENTS}
_ROLES: Final = {"user": "user", "tool": "user", "assistant": "assistant"}


def messages_of(body: Taking, turns: list[Turn]) -> dict[str, Any]:
    """``messages`` and ``system``. Turns of the same role are one message, since roles must take turns."""
    system: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if turn.role == "system":
            refuse_late_system(body, turn, is_late=bool(messages))
            system += _texts(turn)
            continue
        role, blocks = _ROLES[turn.role], _blocks(body, turn)
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    if not messages:
        body.refuse("messages", "conversation of system messages alone", "add a user's message")
    return {"messages": messages, "system": system} if system else {"messages": messages}


def _blocks(body: Taking, turn: Turn) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [_result(turn)]
    if turn.role == "assistant":
        return [*blocks_of(turn), *_texts(turn), *[_use(call) for call in turn.calls]]
    blocks = [_media(body, part) if isinstance(part, Media) else {"text": part.text} for part in turn.parts]
    return [block for block in blocks if block.get("text") != ""] or blocks


def _texts(turn: Turn) -> list[dict[str, Any]]:
    """Bedrock refuses texts that are empty."""
    return [{"text": part.text} for part in turn.parts if isinstance(part, Text) and part.text]


def _use(call: Call) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": _id_of(call.id), "name": call.name, "input": call.arguments}}


def _result(turn: Turn) -> dict[str, Any]:
    text = turn.text
    content = _json_of(text) or ({"text": text} if text else {"json": {"output": ""}})
    return {"toolResult": {"toolUseId": _id_of(turn.call_id), "content": [content]}}


def _json_of(text: str) -> dict[str, Any] | None:
    """An object is given as one."""
    if text.lstrip()[:1] != "{":
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return {"json": found} if isinstance(found, dict) else None


def _id_of(call_id: str) -> str:
    """Ids of other vendors may have other characters, or more of them: the same one always becomes the same."""
    return call_id if _ID.fullmatch(call_id) else "call_" + blake2s(call_id.encode(), digest_size=16).hexdigest()


def _media(body: Taking, media: Media) -> dict[str, Any]:
    if media.detail != "auto":
        body.refuse(f"{media.path}.image_url.detail", f"detail {media.detail!r}", "say auto")
    if media.url:
        return {"image": _image_at(body, media)}
    kinds = _FORMATS[media.kind]
    kind = kinds.get(media.mime)
    if kind is None:
        body.refuse(media.path, f"{media.kind} of type {media.mime!r}", "send one of " + ", ".join(sorted(kinds)))
    source = {"bytes": media.data}
    if media.kind == "file":
        name = _NO_NAME.sub(" ", media.name.rpartition(".")[0] or media.name).strip() or "document"
        return {"document": {"format": kind, "name": name, "source": source}}
    return {media.kind: {"format": kind, "source": source}}


def _image_at(body: Taking, media: Media) -> dict[str, Any]:
    """Bedrock fetches from S3 alone."""
    kind = media.url.rpartition(".")[2].lower()
    found = _IMAGES.get(f"image/{kind}")
    if not media.url.startswith("s3://") or found is None:
        remedy = "send a data URL, or an s3:// URL that ends in .png, .jpeg, .gif or .webp"
        body.refuse(f"{media.path}.image_url.url", "image at such a URL", remedy)
    return {"format": found, "source": {"s3Location": {"uri": media.url}}}
