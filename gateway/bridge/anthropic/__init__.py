"""Anthropic's messages for clients of OpenAI's dialect."""

from gateway.bridge.anthropic.translator import AnthropicTranslator

__all__ = ["AnthropicTranslator"]
