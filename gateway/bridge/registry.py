"""Whose dialect which translator speaks. A translator's module is loaded when the first exchange needs it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.bridge.interface import Translator
    from gateway.upstreams.vendors.dialect import Dialect

_PACKAGE = "gateway.bridge"
_CLASSES: Final = {
    "openai": ("passing", "Passing"),
    "anthropic": ("anthropic", "AnthropicTranslator"),
    "google_ai": ("google", "GoogleTranslator"),
    "vertex": ("google", "GoogleTranslator"),
    "bedrock": ("bedrock", "BedrockTranslator"),
    "ollama": ("ollama", "OllamaTranslator"),
    "huggingface": ("huggingface", "HuggingFaceTranslator"),
}
"""By a dialect's family: the module in this package, and its class. Each is made with the vendor's dialect."""


_made: Final[dict[str, Translator]] = {}
"""By the dialects' names; there are as many as vendors."""


def translator_of(dialect: Dialect) -> Translator:
    """The translator of a vendor's dialect."""
    known = _made.get(dialect.name)
    if known is None:
        module, name = _CLASSES[dialect.family]
        known = _made[dialect.name] = getattr(import_module(f"{_PACKAGE}.{module}"), name)(dialect)
    return known
