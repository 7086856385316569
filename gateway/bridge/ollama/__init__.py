"""OpenAI's dialect to Ollama's own: ``/api/chat`` and ``/api/embed``."""

from gateway.bridge.ollama.translator import OllamaTranslator

__all__ = ["OllamaTranslator"]
