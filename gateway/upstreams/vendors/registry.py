"""Which dialect a vendor's name stands for. A dialect's module is loaded when the first LLM needs it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Final, Literal, get_args

from gateway.upstreams.vendors.dialect import Dialect

Vendor = Literal[
    "openai", "azure", "anthropic", "google_ai", "vertex", "bedrock", "ollama", "huggingface", "mistral", "groq",
    "deepseek", "openrouter", "xai", "compatible", "mock",
]  # fmt: skip
"""What ``vendor`` of an LLM may be; ``compatible`` is any server that speaks OpenAI's dialect."""
VENDORS: Final[tuple[str, ...]] = get_args(Vendor)

_PACKAGE = "gateway.upstreams.vendors"
_CLASSES: Final = {
    "azure": ("azure", "Azure"),
    "anthropic": ("anthropic", "Anthropic"),
    "google_ai": ("google", "GoogleAi"),
    "vertex": ("google", "Vertex"),
    "bedrock": ("bedrock", "Bedrock"),
    "ollama": ("ollama", "Ollama"),
    "huggingface": ("huggingface", "HuggingFace"),
    "openai": ("openai", "OpenAi"),
}
"""By vendor: the module in this package and the class in it. The others are ``compatible.py``'s, by their names."""


@cache
def dialect_of(vendor: str) -> Dialect:
    """The dialect of this vendor; raises ``ValueError`` for a name that is none."""
    if vendor not in VENDORS:
        message = f"vendor {vendor!r} is not in this version; known: {', '.join(VENDORS)}"
        raise ValueError(message)
    found = _CLASSES.get(vendor)
    if found is None:
        compatible = import_module(f"{_PACKAGE}.compatible")
        dialect: Dialect = compatible.compatible_with_openai(vendor)
        return dialect
    made: Dialect = getattr(import_module(f"{_PACKAGE}.{found[0]}"), found[1])()
    return made
