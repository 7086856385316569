"""What brings more into a prompt than its own text: files, images, audio, tools of the vendor, what it has stored."""

from __future__ import annotations

import re
from typing import Any

_PATCHED = re.compile(
    r"(gpt-4o|gpt-4-turbo|gpt-4\.1(-mini|-nano)?|o1|o3|o4-mini|gpt-5(-mini|-nano)?)(-\d{4}-\d\d-\d\d)?"
)
_PATCHED_IMAGE_TOKENS = 3_779
"""Of these models: 1,536 patches at most, at 2.46 tokens each (gpt-4.1-nano); the others charge 1,190 to 2,642."""
_ANY_IMAGE_TOKENS = 48_169
"""The most of any documented model: gpt-4o-mini, 2,833 and eight tiles at 5,667 each. Both figures are from
OpenAI's guide "Images and vision", calculating costs."""
_BYTES_PER_AUDIO_TOKEN = 16
"""Of base64. A token is a tenth of a second (OpenAI's guide on realtime costs): MP3 at its least, 8 kbit/s, has 133."""

_REFERENCES = {
    "file_id": "a stored file",
    "input_file_id": "a stored file",
    "file_data": "a file",
    "file_url": "a file by URL",
    "video_url": "a video",
    "audio_url": "audio by URL",
    "previous_response_id": "an earlier response (previous_response_id)",
    "conversation": "a stored conversation",
    "assistant_id": "a stored assistant",
    "web_search_options": "a web search",
    "training_file": "training on a stored file",
}
_STORED_ITEMS = frozenset({"item_reference", "image_generation_call"})
"""And reasoning that is named by its id alone."""
_CLIENT_TOOLS = frozenset({"function", "custom", "namespace"})
"""Tools that the client runs. Every other may bring the vendor to read, search or draw on our account."""
_UNWATCHED = frozenset({"functions", "parameters", "schema", "json_schema", "response_format", "metadata"})
"""Names in them are the client's own: a function may have a parameter ``file_id``."""

_NEEDLES = tuple(
    f'"{name}"'.encode() for name in (*_REFERENCES, *_STORED_ITEMS, "reasoning", "image_url", "input_audio", "audio")
)
_HIDDEN_LETTER = re.compile(rb"\\u00[4-7]")
"""No encoder escapes a letter: who does hides a name."""


class Watch:
    """Counts images and audio of one request, and keeps the first reason for which its input has no bound."""

    def __init__(self, model: str | None) -> None:
        is_patched = model is not None and _PATCHED.fullmatch(model)
        self._image_tokens = _PATCHED_IMAGE_TOKENS if is_patched else _ANY_IMAGE_TOKENS
        self.tokens = 0
        self.reason = ""

    def note(self, reason: str) -> None:
        """The input has no bound."""
        self.reason = self.reason or reason

    def see(self, item: dict[str, Any]) -> None:
        """An object of the request, before its members."""
        kind = item.get("type")
        if not isinstance(kind, str):
            return
        if kind in _STORED_ITEMS or (kind == "reasoning" and "id" in item and not item.get("encrypted_content")):
            self.note(f"an item that the vendor has stored ({kind})")

    def takes(self, name: str, value: Any) -> bool:
        """Whether a member has been counted here, and is no text."""
        if name == "image_url":
            return self._image(value)
        if name == "input_audio":
            return self._audio(value)
        if reason := _reason(name, value):
            self.note(reason)
        elif name == "tools" and isinstance(value, list):
            self._tools(value)
        return False

    def goes_into(self, name: str, value: Any) -> bool:
        """Whether names that matter may be found inside a member."""
        return name not in _UNWATCHED and (name != "tools" or not isinstance(value, list))

    def search(self, name: str, raw: bytes) -> None:
        """Look for names in a member that is not decoded. Inside a text their quotes would be escaped."""
        if name == "tools":
            self.note("more tools than can be looked through")
        elif name == "prompt" and (b'"' in raw or b"[" in raw[1:]) and raw[:1] == b"[":
            self.note("more prompts than can be looked through")
        for needle in _NEEDLES:
            if needle in raw:
                self.note(f"{needle.decode()} in a body too large to be looked through")
                return
        if _HIDDEN_LETTER.search(raw):
            self.note("escaped letters in a body too large to be looked through")

    def _image(self, value: Any) -> bool:
        url = value.get("url") if isinstance(value, dict) else value
        if isinstance(url, str) and url[:5].lower() == "data:":
            self.tokens += self._image_tokens
            return True
        if url is not None:
            self.note("an image by URL")
        return False

    def _audio(self, value: Any) -> bool:
        data = value.get("data") if isinstance(value, dict) else None
        if not isinstance(data, str):
            self.note("audio that is not in the request")
            return False
        self.tokens += 1 + len(data) // _BYTES_PER_AUDIO_TOKEN
        return True

    def _tools(self, tools: list[Any]) -> None:
        left = [*tools]
        while left:
            tool = left.pop()
            if not isinstance(tool, dict):
                continue
            kind, inner = tool.get("type"), tool.get("tools")
            if kind is not None and (not isinstance(kind, str) or kind not in _CLIENT_TOOLS):
                self.note(f"the tool {str(kind)[:64]!r}, which the vendor runs")
            if isinstance(inner, list):
                left.extend(inner)


def _reason(name: str, value: Any) -> str:
    """Why this member has no bound; empty where it has."""
    if name in _REFERENCES:
        return _REFERENCES[name] if value is not None and value != "" else ""
    if name == "background" and value is True:
        return "an answer made in the background, whose usage is in no answer to this request"
    if name == "service_tier" and value == "priority":
        return "a service tier whose prices are not known"
    if name == "audio" and isinstance(value, dict) and "id" in value:
        return "audio by reference"
    if name == "prompt" and isinstance(value, dict):
        return "a stored prompt"
    return ""
