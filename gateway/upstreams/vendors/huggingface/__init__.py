"""Hugging Face's dialect: text generation, inference of any model, and the compatible paths of its router."""

from gateway.upstreams.vendors.huggingface.dialect import HuggingFace

__all__ = ["HuggingFace"]
