"""Traces of exchanges, over OTLP."""
