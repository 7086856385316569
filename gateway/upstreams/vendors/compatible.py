"""Vendors that speak OpenAI's dialect, each with the little in which it differs."""

from __future__ import annotations

from typing import Final

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.openai import OpenAi


class Compatible(OpenAi):
    """Any server that speaks OpenAI's dialect. Its older name of a maximum is the one that all of them know."""

    name = "compatible"
    chat_maximum = "max_tokens"


class Mistral(Compatible):
    """Refuses members it does not know, ``stream_options`` among them; its streams end with usage anyway."""

    name = "mistral"
    gives_usage = True


class Groq(Compatible):
    """Its last chunk carries usage twice: as OpenAI's does, and in ``x_groq``."""

    name = "groq"


class DeepSeek(Compatible):
    """Counts cached tokens as ``prompt_cache_hit_tokens``."""

    name = "deepseek"


class OpenRouter(Compatible):
    """Says what it charged too (``usage.cost``), which stays in ``raw_usage``."""

    name = "openrouter"


class Xai(Compatible):
    """Counts reasoning beside the response tokens, not among them."""

    name = "xai"


class Mock(Compatible):
    """A scripted vendor; its clients may present a bare token."""

    name = "mock"

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:
        """``Authorization``, with or without ``Bearer``."""
        token = super().credential(headers, query)
        if token is not None:
            return token
        for name, value in headers:
            if name == b"authorization" and b" " not in value.strip():
                return value.strip().decode("latin-1") or None
        return None


_COMPATIBLE: Final = {kind.name: kind for kind in (Compatible, Mistral, Groq, DeepSeek, OpenRouter, Xai, Mock)}


def compatible_with_openai(vendor: str) -> OpenAi:
    """The dialect of one of these."""
    return _COMPATIBLE[vendor]()
