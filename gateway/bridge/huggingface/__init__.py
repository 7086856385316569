"""OpenAI's dialect to Hugging Face's, which is nearly the same."""

from gateway.bridge.huggingface.translator import HuggingFaceTranslator

__all__ = ["HuggingFaceTranslator"]
