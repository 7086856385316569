"""Ollama's dialect: its own chat, completions and embeddings, and the compatible paths beside them."""

from gateway.upstreams.vendors.ollama.dialect import Ollama

__all__ = ["Ollama"]
