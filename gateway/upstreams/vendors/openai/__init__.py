"""OpenAI's dialect, and of everything compatible."""

from gateway.upstreams.vendors.openai.dialect import OpenAi

__all__ = ["OpenAi"]
