"""Streams read beside their bytes, whatever they are made of: the cutting, holding and hiding that all dialects share.

A dialect subclasses the scanner of its format and says what its frames mean: ``inspect`` and ``may_matter``.
"""

from gateway.upstreams.vendors.scanning.base import FrameScanner, Verdict, media_type
from gateway.upstreams.vendors.scanning.event_stream import EventMessage, EventStreamScanner
from gateway.upstreams.vendors.scanning.json_array import JsonArrayScanner, elements_of
from gateway.upstreams.vendors.scanning.ndjson import NdjsonScanner
from gateway.upstreams.vendors.scanning.sse import SseFrame, SseScanner

__all__ = [
    "EventMessage",
    "EventStreamScanner",
    "FrameScanner",
    "JsonArrayScanner",
    "NdjsonScanner",
    "SseFrame",
    "SseScanner",
    "Verdict",
    "elements_of",
    "media_type",
]
