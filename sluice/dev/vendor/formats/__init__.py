"""Who speaks how: one module a vendor's format, all of the shape in ``interface``.

A request's path says whose it is, so one server speaks them all. The first that takes it answers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.formats import anthropic, bedrock, google, huggingface, ollama, openai
from sluice.dev.vendor.formats.interface import Format

FORMATS: Final[tuple[Format, ...]] = (bedrock, google, ollama, anthropic, openai, huggingface)
_BY_NAME: Final = {found.NAME: found for found in FORMATS}


def format_of(asked: Asked) -> Format:
    """The one that a request was understood in."""
    return _BY_NAME[asked.format]


@lru_cache(maxsize=1024)
def format_of_path(path: str) -> Format:
    """Whose paths look like this, for what nobody answers; OpenAI's where nobody's do."""
    return next((found for found in FORMATS if found.is_path(path)), openai)


@lru_cache(maxsize=1024)
def is_known(path: str) -> bool:
    """Whether anybody answers there."""
    return format_of_path(path).is_path(path)


__all__ = ["FORMATS", "Format", "format_of", "format_of_path", "is_known"]
