"""OpenAI's messages as Google's contents."""

from __future__ import annotations

from mimetypes import guess_type
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from gateway.bridge.conversation import Call, Media, Text, Turn, extra_of, refuse_late_system
from gateway.bridge.google.thinking import NO_SIGNATURE, SIGNATURE, needs_signatures
from gateway.bridge.reading import OURS
from gateway.bridge.taking import Taking

_ROLES: Final = {"user": "user", "assistant": "model", "tool": "user"}
VENDOR: Final = "google"
_RESOLUTIONS: Final = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}


def contents_of(body: Taking, turns: list[Turn], model: str) -> dict[str, Any]:
    """``contents`` and ``systemInstruction``. Turns of the same role are one content: results of parallel calls must
    be."""
    instruction: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    for turn in turns:
        if turn.role == "system":
            refuse_late_system(body, turn, is_late=bool(contents))
            instruction += [{"text": part.text} for part in turn.parts if isinstance(part, Text)]
            continue
        role, parts = _ROLES[turn.role], _parts_of(body, turn, model)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    if not contents:
        body.refuse("messages", "conversation of system messages alone", "add a user's message")
    found: dict[str, Any] = {"contents": contents}
    if instruction:
        found["systemInstruction"] = {"parts": instruction}
    return found


def _parts_of(body: Taking, turn: Turn, model: str) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [_result_of(body, turn)]
    parts = [{"text": part.text} if isinstance(part, Text) else _media_of(body, part) for part in turn.parts]
    if turn.role == "user":
        return parts
    signature = extra_of(turn.extra, VENDOR).get(SIGNATURE)
    parts = [part for part in parts if part["text"]] or ([] if turn.calls else parts)
    if isinstance(signature, str):
        parts = parts or [{"text": ""}]
        parts[-1]["thoughtSignature"] = signature
    return parts + _calls_of(turn.calls, model)


def _calls_of(calls: tuple[Call, ...], model: str) -> list[dict[str, Any]]:
    """Google signs the first of several calls; where that was lost on the way, the model is told so."""
    parts = []
    for place, call in enumerate(calls):
        function: dict[str, Any] = {"name": call.name, "args": call.arguments}
        if not call.id.startswith(OURS):
            function["id"] = call.id
        part: dict[str, Any] = {"functionCall": function}
        signature = extra_of(call.extra, VENDOR).get(SIGNATURE)
        if isinstance(signature, str):
            part["thoughtSignature"] = signature
        elif place == 0 and needs_signatures(model):
            part["thoughtSignature"] = NO_SIGNATURE
        parts.append(part)
    return parts


def _result_of(body: Taking, turn: Turn) -> dict[str, Any]:
    """A function's answer; Google knows functions by name."""
    if not turn.call_name:
        path = f"{turn.path}.tool_call_id"
        body.refuse(path, f"result of the unknown call {turn.call_id!r}", "send the assistant's message that calls too")
    response: dict[str, Any] = {"name": turn.call_name, "response": _response_of(turn.text)}
    if not turn.call_id.startswith(OURS):
        response["id"] = turn.call_id
    return {"functionResponse": response}


def _response_of(text: str) -> dict[str, Any]:
    """Google wants an object: a JSON object is one, anything else is its ``output``."""
    if text.lstrip()[:1] == "{":
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            return found
    return {"output": text}


def _media_of(body: Taking, media: Media) -> dict[str, Any]:
    if media.data:
        return {"inlineData": {"mimeType": media.mime, "data": media.data}}
    mime = guess_type(urlsplit(media.url).path)[0]
    if media.url.startswith("s3://"):
        body.refuse(f"{media.path}.image_url.url", "s3 URL", "send a data URL, or an https or gs URL")
    if mime is None:
        remedy = "send a data URL, or a URL whose path ends in .png, .jpg or the like"
        body.refuse(f"{media.path}.image_url.url", "URL of an unknown type", remedy)
    return {"fileData": {"mimeType": mime, "fileUri": media.url}}


def resolution_of(body: Taking, turns: list[Turn]) -> str | None:
    """``mediaResolution`` of the images' ``detail``: Google has one for all of a request."""
    details = {media.detail: media for turn in turns for media in turn.media if media.kind == "image"}
    if set(details) <= {"auto"}:
        return None
    found = _RESOLUTIONS.get(next(iter(details))) if len(details) == 1 else None
    if found is None:
        wrong = next(media for detail, media in details.items() if detail != "auto")
        what = f"detail {wrong.detail!r} of one image" if len(details) > 1 else f"detail {wrong.detail!r}"
        body.refuse(f"{wrong.path}.image_url.detail", what, "say auto, or low or high of all images")
    return found
