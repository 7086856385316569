"""Google's dialects: the Gemini API and Vertex AI."""

from gateway.upstreams.vendors.google.dialect import GoogleAi, Vertex

__all__ = ["GoogleAi", "Vertex"]
