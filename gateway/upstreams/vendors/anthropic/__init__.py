"""Anthropic's dialect: messages, token counts, batches of messages."""

from gateway.upstreams.vendors.anthropic.dialect import Anthropic

__all__ = ["Anthropic"]
