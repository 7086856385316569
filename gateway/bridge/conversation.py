"""OpenAI's messages, read once for all vendors whose own are turns made of parts."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
import orjson

from gateway.bridge.taking import Taking

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["image", "audio", "file"]

_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_SCHEMES: Final = ("https://", "http://", "gs://", "s3://")
_BASE64: Final = f"{string.ascii_letters}{string.digits}+/".encode()
_SOUNDS: Final = {"wav": "audio/wav", "mp3": "audio/mp3"}
_OUTPUT_ALONE: Final = ("annotations", "refusal_reason")
"""Members of an answer's message that say nothing to a model; clients send the whole message back."""


class Text(msgspec.Struct, frozen=True):
    """A part that is text."""

    text: str


class Media(msgspec.Struct, frozen=True):
    """A part that is an image, a sound or a file: its bytes, or where they are."""

    kind: Kind
    path: str
    """Its dotted path in the request, for refusals."""
    mime: str = ""
    """Empty where only a URL is given."""
    data: str = ""
    """Base64, checked."""
    url: str = ""
    detail: str = "auto"
    name: str = ""


class Call(msgspec.Struct, frozen=True):
    """One call of a tool that an assistant made."""

    id: str
    name: str
    arguments: dict[str, Any]
    extra: dict[str, Any] = {}
    """Its ``extra_content``: what a vendor wants back with it, by vendor."""


class Turn(msgspec.Struct, frozen=True):
    """One message."""

    role: Role
    path: str
    parts: tuple[Text | Media, ...]
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    """Of the call whose result this is."""
    call_name: str = ""
    """The function that was called, as far as anybody says; empty where nobody does."""
    reasoning: str = ""
    """What an assistant thought before, as a client sends it back."""
    extra: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """All that is text."""
        return "\n".join([part.text for part in self.parts if isinstance(part, Text)])

    @property
    def media(self) -> list[Media]:
        """All that is not."""
        return [part for part in self.parts if isinstance(part, Media)]


def turns_of(body: Taking) -> list[Turn]:
    """Take ``messages``; raises ``Unsupported`` or ``Invalid``."""
    names: dict[str, str] = {}
    turns = []
    for place, message in enumerate(body.items("messages")):
        turn = _turn(message, body.path_of(f"messages.{place}"), names)
        names.update((call.id, call.name) for call in turn.calls)
        turns.append(turn)
    if not turns:
        body.fail("messages", "a list of at least one message")
    return turns


def _turn(message: Taking, path: str, names: dict[str, str]) -> Turn:
    given = message.needed_text("role")
    role = _ROLES.get(given)
    if role is None:
        if given == "function":
            message.refuse("role", "role 'function'", "send tool_calls and role 'tool'")
        message.fail("role", "one of " + ", ".join(sorted(_ROLES)))
    turn = _TURNS[role](message, path, names)
    message.refuse_rest()
    return turn


def _plain_turn(message: Taking, path: str, names: dict[str, str], role: Role) -> Turn:  # noqa: ARG001 - as the others
    parts = _parts(message)
    if not parts:
        message.fail("content", "a string or a list of parts", is_missing=True)
    if role == "system":
        _refuse_media(message, parts)
    return Turn(role, path, parts)


def _system_turn(message: Taking, path: str, names: dict[str, str]) -> Turn:
    return _plain_turn(message, path, names, "system")


def _user_turn(message: Taking, path: str, names: dict[str, str]) -> Turn:
    return _plain_turn(message, path, names, "user")


def _assistant_turn(message: Taking, path: str, names: dict[str, str]) -> Turn:  # noqa: ARG001 - as the others
    message.ignore(*_OUTPUT_ALONE)
    parts = _parts(message)
    _refuse_media(message, parts)
    refusal = message.text("refusal")
    if refusal:
        parts = (*parts, Text(refusal))
    calls = tuple([_call(call) for call in message.items("tool_calls")])
    if not parts and not calls:
        message.fail("content", "a string, a list of parts, or absent beside tool_calls", is_missing=True)
    reasoning = message.text("reasoning_content") or ""
    return Turn("assistant", path, parts, calls, reasoning=reasoning, extra=_extra(message))


def _tool_turn(message: Taking, path: str, names: dict[str, str]) -> Turn:
    call_id = message.needed_text("tool_call_id")
    name = message.text("name") or names.get(call_id, "")
    parts = _parts(message)
    _refuse_media(message, parts)
    if not parts:
        message.fail("content", "a string or a list of parts", is_missing=True)
    return Turn("tool", path, parts, call_id=call_id, call_name=name)


_TURNS: Final[dict[Role, Callable[[Taking, str, dict[str, str]], Turn]]] = {
    "system": _system_turn,
    "user": _user_turn,
    "assistant": _assistant_turn,
    "tool": _tool_turn,
}


def _refuse_media(message: Taking, parts: tuple[Text | Media, ...]) -> None:
    for place, part in enumerate(parts):
        if isinstance(part, Media):
            message.refuse(f"content.{place}.type", f"{part.kind} in this role", "send text, or it in a user's message")


def _call(call: Taking) -> Call:
    call.only("type", "function")
    call.ignore("index")  # what assembles streams leaves it there
    call_id = call.needed_text("id")
    function = call.needed("function")
    name = function.needed_text("name")
    text = function.needed_text("arguments")
    try:
        arguments = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        function.fail("arguments", "JSON text of an object")
    function.refuse_rest()
    extra = _extra(call)
    call.refuse_rest()
    return Call(call_id, name, arguments, extra)


def _extra(taking: Taking) -> dict[str, Any]:
    """``extra_content``: each vendor reads its own part. Another vendor's proofs and signatures say nothing to it."""
    value = taking.take("extra_content")
    if value is not None and not isinstance(value, dict):
        taking.fail("extra_content", "an object")
    return value or {}


def extra_of(extra: dict[str, Any], vendor: str) -> dict[str, Any]:
    """One vendor's part of an ``extra_content``; empty where there is none."""
    found = extra.get(vendor)
    return found if isinstance(found, dict) else {}


def refuse_late_system(body: Taking, turn: Turn, *, is_late: bool) -> None:
    """Refuse a system message behind others, where a vendor has one place for all of them."""
    if is_late:
        what, remedy = "system message behind others", "send system messages first, or say it as a user"
        body.refuse(f"{turn.path}.role", what, remedy)


def _parts(message: Taking) -> tuple[Text | Media, ...]:
    content = message.take("content")
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        message.fail("content", "a string or a list of parts")
    found: list[Text | Media] = []
    for place, item in enumerate(content):
        path = message.path_of(f"content.{place}")
        if not isinstance(item, dict):
            message.fail(f"content.{place}", "an object")
        found.append(_part(Taking(item, message.vendor, path), path))
    return tuple(found)


def _part(part: Taking, path: str) -> Text | Media:
    kind = part.needed_text("type")
    read = _PARTS.get(kind)
    if read is None:
        part.refuse("type", f"part of type {kind!r}", "send text, image_url, input_audio or file")
    found = read(part, path)
    part.refuse_rest()
    return found


def _text_part(part: Taking, path: str) -> Text:  # noqa: ARG001 - as the others
    return Text(part.needed_text("text"))


def _refusal_part(part: Taking, path: str) -> Text:  # noqa: ARG001 - as the others
    return Text(part.needed_text("refusal"))


def _image_part(part: Taking, path: str) -> Media:
    image = part.needed("image_url")
    url = image.needed_text("url")
    detail = image.text("detail") or "auto"
    image.refuse_rest()
    if not url.startswith("data:"):
        if not url.startswith(_SCHEMES):
            image.fail("url", "a data URL (data:image/png;base64,…) or an http(s) URL")
        return Media("image", path, url=url, detail=detail)
    mime, data = _data_url(image, "url", url)
    return Media("image", path, mime, data, detail=detail)


def _audio_part(part: Taking, path: str) -> Media:
    sound = part.needed("input_audio")
    data, kind = sound.needed_text("data"), sound.needed_text("format")
    sound.refuse_rest()
    if kind not in _SOUNDS:
        sound.fail("format", " or ".join(sorted(_SOUNDS)))
    _check_base64(sound, "data", data)
    return Media("audio", path, _SOUNDS[kind], data)


def _file_part(part: Taking, path: str) -> Media:
    file = part.needed("file")
    if "file_id" in file:
        file.refuse("file_id", "files of OpenAI's", "send it as file_data, a data URL")
    url, name = file.needed_text("file_data"), file.text("filename") or ""
    file.refuse_rest()
    mime, data = _data_url(file, "file_data", url)
    return Media("file", path, mime, data, name=name)


_PARTS: Final[dict[str, Callable[[Taking, str], Text | Media]]] = {
    "text": _text_part,
    "refusal": _refusal_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
}


def _data_url(taking: Taking, name: str, url: str) -> tuple[str, str]:
    """The media type and the base64 of ``data:<type>;base64,<data>``."""
    head, comma, data = url.partition(",")
    mime, semicolon, coding = head.removeprefix("data:").rpartition(";")
    if not head.startswith("data:") or not comma or not semicolon or coding.lower() != "base64" or "/" not in mime:
        taking.fail(name, "a data URL with a media type and base64 (data:image/png;base64,…)")
    _check_base64(taking, name, data)
    return mime.partition(";")[0].strip().lower(), data


def _check_base64(taking: Taking, name: str, data: str) -> None:
    """Without decoding it: images have megabytes."""
    padding = len(data) - len(data.rstrip("="))
    is_text = data.isascii() and not data[: len(data) - padding].encode().translate(None, _BASE64)
    if not data or len(data) % 4 or padding > 2 or not is_text:
        taking.fail(name, "base64 of at least one byte")
