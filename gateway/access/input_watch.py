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
_BLOCK_IMAGE_TOKENS = 4_784
"""Of Anthropic's blocks of type ``image``. One costs a token for each patch of 28 by 28 pixels, and larger ones are
made smaller, so those by URL have a bound too (https://platform.claude.com/docs/en/build-with-claude/vision); to at
most 4,784 patches by models that read high resolutions, 1,568 by others (as quoted in
https://github.com/vercel-labs/agent-browser/discussions/2318)."""
_TOOLS_TOKENS = 1_000
"""What Anthropic writes into a prompt that has tools: 159 to 530 by its table of models up to Claude 4.5, mostly 346
(https://docs.anthropic.com/en/docs/tool-use-pricing-and-tokens); the rest is room for those to come."""
_KNOWN_TOOL_TOKENS = 1_500
"""Of a tool whose description is Anthropic's: 245 (bash), 700 (text editor), 735 (computer use), as quoted from its
documentation in https://claudecodeguides.com/why-claude-prompts-use-too-many-tokens/; twice the most, since computer
use brings instructions along."""
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
    "fileData": "a stored file",
    "cachedContent": "cached content",
    "cached_content": "cached content",
    "previous_interaction_id": "an earlier interaction (previous_interaction_id)",
    "mcp_servers": "servers that the vendor asks (mcp_servers)",
    "container": "a container that the vendor runs",
    "fallbacks": "other models to fall back to",
}
_NOTHING: tuple[Any, ...] = (None, "", [])
_IMAGE_IN_TEXT = "![]("
"""Where Hugging Face's text generation takes an image out of its ``inputs``, by URL or as data."""
_STORED_ITEMS = frozenset({"item_reference", "image_generation_call"})
"""And reasoning that is named by its id alone."""
_CLIENT_TOOLS = frozenset({"function", "custom", "namespace"})
"""Tools that the client runs. Every other may bring the vendor to read, search or draw on our account."""
_KNOWN_TOOL = re.compile(r"(bash|text_editor|computer)_\d{8}")
"""Those of the client whose descriptions are Anthropic's."""
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Blocks whose ``input`` a model wrote: names in it are of no meaning."""
_INLINE = frozenset({"inlineData", "inline_data"})
_KEYS_OF_CLIENT_TOOLS = frozenset(
    {"name", "function", "functionDeclarations", "function_declarations", "toolSpec", "cachePoint", "computerUse"}
)
"""A tool without a type has one of these; every other is one that Google runs."""
_UNWATCHED = frozenset(
    {"functions", "parameters", "schema", "json_schema", "response_format", "metadata", "input_schema"}
    | {"responseSchema", "responseJsonSchema"}
)
"""Names in them are the client's own: a function may have a parameter ``file_id``."""

_NEEDLES = tuple(
    f'"{name}"'.encode()
    for name in (
        *_REFERENCES,
        *_STORED_ITEMS,
        "reasoning",
        "image_url",
        "input_audio",
        "audio",
        "document",
        "url",
        *_INLINE,
    )
)
_HIDDEN_LETTER = re.compile(rb"\\u00[4-7]")
"""No encoder escapes a letter: who does hides a name."""


class Watch:
    """Counts images and audio of one request, and keeps the first reason for which its input has no bound."""

    def __init__(self, model: str | None, vendor: str = "") -> None:
        self._vendor = vendor
        is_patched = model is not None and _PATCHED.fullmatch(model)
        self._image_tokens = _PATCHED_IMAGE_TOKENS if is_patched else _ANY_IMAGE_TOKENS
        self.tokens = 0
        self.reason = ""
        self._taken: set[int] = set()
        """Members of blocks that were counted or are of no meaning, by identity: the request outlives its watch."""

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
        elif kind in {"image", "document"}:
            self._block(kind, item.get("source"))
        elif kind in _CALLS and isinstance(item.get("input"), dict):
            self._taken.add(id(item["input"]))

    def takes(self, name: str, value: Any) -> bool:
        """Whether a member has been counted here, and is no text."""
        if name == "source" and id(value) in self._taken:
            return True
        if name == "image_url":
            return self._image(value)
        if name == "input_audio":
            return self._audio(value)
        if name == "images" and self._vendor == "ollama":
            return self._bare_images(value)
        if name == "inputs" and self._vendor == "huggingface":
            self._images_in_text(value)
        if name in _INLINE and isinstance(value, dict):
            return self._inline(value)
        if reason := _reason(name, value):
            self.note(reason)
        elif name == "tools" and isinstance(value, list):
            self._tools(value)
        return False

    def goes_into(self, name: str, value: Any) -> bool:
        """Whether names that matter may be found inside a member."""
        if name == "input" and id(value) in self._taken:
            return False
        return name not in _UNWATCHED and (name != "tools" or not isinstance(value, list))

    def search(self, name: str, raw: bytes) -> None:
        """Look for names in a member that is not decoded. Inside a text their quotes would be escaped."""
        if name == "tools" or (name == "requests" and b'"tools"' in raw):
            self.note("more tools than can be looked through")
        elif name == "inputs" and _IMAGE_IN_TEXT.encode() in raw:
            self.note("images in inputs too large to be looked through")
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

    def _block(self, kind: str, source: Any) -> None:
        """An image or a document as Anthropic's requests have them. Of one that is stored its ``file_id`` is noted."""
        origin = source.get("type") if isinstance(source, dict) else None
        if kind == "document":
            if isinstance(source, dict) and origin not in {"text", "content"}:  # their words are here
                self.note("a document whose words are not in the request")
        elif origin in {"base64", "url"}:
            self.tokens += _BLOCK_IMAGE_TOKENS
            self._taken.add(id(source))

    def _bare_images(self, value: Any) -> bool:
        """Ollama's, which are base64 and nothing else."""
        if not isinstance(value, list) or not all(isinstance(image, str) for image in value):
            return False
        self.tokens += len(value) * self._image_tokens
        return True

    def _images_in_text(self, value: Any) -> None:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                self.tokens += text.count(_IMAGE_IN_TEXT) * self._image_tokens

    def _audio(self, value: Any) -> bool:
        data = value.get("data") if isinstance(value, dict) else None
        if not isinstance(data, str):
            self.note("audio that is not in the request")
            return False
        self.tokens += 1 + len(data) // _BYTES_PER_AUDIO_TOKEN
        return True

    def _inline(self, value: dict[str, Any]) -> bool:
        """Google's way of bringing media: images and sound have a most, texts are counted as any; films and documents
        may be far longer than their bytes."""
        kind, data = str(value.get("mimeType") or value.get("mime_type") or "").lower(), value.get("data")
        if not isinstance(data, str) or kind.startswith("text/"):
            return False
        if kind.startswith("image/"):
            self.tokens += self._image_tokens
        elif kind.startswith("audio/"):
            self.tokens += 1 + len(data) // _BYTES_PER_AUDIO_TOKEN
        else:
            self.note(f"media of the type {kind[:64]!r}")
            return False
        return True

    def _tools(self, tools: list[Any]) -> None:
        left, has_prompt = [*tools], False
        while left:
            tool = left.pop()
            if not isinstance(tool, dict):
                continue
            kind, inner = tool.get("type"), tool.get("tools")
            is_known = isinstance(kind, str) and _KNOWN_TOOL.fullmatch(kind) is not None
            has_prompt = has_prompt or is_known or "input_schema" in tool
            if is_known:
                self.tokens += _KNOWN_TOOL_TOKENS
            elif kind is not None and (not isinstance(kind, str) or kind not in _CLIENT_TOOLS):
                self.note(f"the tool {str(kind)[:64]!r}, which the vendor runs")
            elif kind is None and tool and _KEYS_OF_CLIENT_TOOLS.isdisjoint(tool):
                self.note(f"the tool {next(iter(tool))[:64]!r}, which the vendor runs")
            if isinstance(inner, list):
                left.extend(inner)
        self.tokens += _TOOLS_TOKENS if has_prompt else 0


def _reason(name: str, value: Any) -> str:
    """Why this member has no bound; empty where it has."""
    if value in _NOTHING:
        return ""
    if name in _REFERENCES:
        return _REFERENCES[name]
    if name == "background" and value is True:
        return "an answer made in the background, whose usage is in no answer to this request"
    if name == "audio" and isinstance(value, dict) and "id" in value:
        return "audio by reference"
    if name == "prompt" and isinstance(value, dict):
        return "a stored prompt"
    return _other_price(name, value)


def _other_price(name: str, value: Any) -> str:
    """Why this member makes tokens dearer, or more of them than one answer has; empty where it does not."""
    if (name in {"service_tier", "serviceTier"} and value == "priority") or (name == "speed" and value == "fast"):
        return "a service tier whose prices are not known"
    if name == "inference_geo" and value != "global":
        return "a place of inference whose prices are not known"
    if name == "context_management" and not _only_clears(value):
        return "a compaction, which is an answer of its own"
    return ""


def _only_clears(value: Any) -> bool:
    """Whether all edits of a context take something away."""
    edits = value.get("edits") if isinstance(value, dict) else None
    if not isinstance(edits, list):
        return False
    kinds = [edit.get("type") if isinstance(edit, dict) else None for edit in edits]
    return all(isinstance(kind, str) and kind.startswith("clear_") for kind in kinds)
