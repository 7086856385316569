"""OpenAI's dialect to Google's: the Gemini API and Vertex AI."""

from gateway.bridge.google.translator import GoogleTranslator

__all__ = ["GoogleTranslator"]
