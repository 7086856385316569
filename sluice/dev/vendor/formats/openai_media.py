"""Sound and images, as OpenAI answers with them."""

from __future__ import annotations

import base64
from typing import Any, Final

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.parts import CREATED, whole_text, with_figures
from sluice.dev.vendor.script import Script

AUDIO: Final = b"ID3\x04\x00\x00\x00\x00\x00\x00 a mock sound"
_IMAGE: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n a mock image").decode()


def media_body(asked: Asked, script: Script) -> dict[str, Any]:
    """What was heard, or as many images as were asked for, without usage."""
    if asked.kind == "transcription":
        return {"text": whole_text(script)}
    return {"created": CREATED, "data": [{"b64_json": _IMAGE} for _ in range(asked.choices)]}


def media_usage(kind: str, script: Script) -> dict[str, Any]:
    """The prompt of a transcription is sound, the answer of an image's is image."""
    if kind == "speech":
        return {}
    found: dict[str, Any] = {
        "input_tokens": script.prompt_tokens,
        "output_tokens": script.response_tokens,
        "total_tokens": script.prompt_tokens + script.response_tokens,
    }
    if kind == "transcription":
        details = {"audio_tokens": script.prompt_tokens, "text_tokens": 0}
        return with_figures({"type": "tokens", **found, "input_token_details": details}, script)
    found["input_tokens_details"] = {"text_tokens": script.prompt_tokens, "image_tokens": 0}
    found["output_tokens_details"] = {"text_tokens": 0, "image_tokens": script.response_tokens}
    return with_figures(found, script)


def media_type(kind: str) -> str:
    """Of a plain answer."""
    return "audio/mpeg" if kind == "speech" else "application/json"
