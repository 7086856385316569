"""What plugin authors import. Light: no web framework, no Kafka, no gRPC, no SQL."""

from sluice.sdk.capabilities import PostAuthHandler, PreAuthHandler, ResponseHandler
from sluice.sdk.context import Context, Runtime
from sluice.sdk.headers import Headers
from sluice.sdk.messages import (
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    ResponseWriteRequest,
    ResponseWriteResponse,
)
from sluice.sdk.plugin import BasePlugin
from sluice.sdk.services import Logger, Services

__all__ = [
    "BasePlugin",
    "Context",
    "EnrichedRequest",
    "Headers",
    "Logger",
    "PluginRequest",
    "PluginResponse",
    "PostAuthHandler",
    "PreAuthHandler",
    "ResponseHandler",
    "ResponseWriteRequest",
    "ResponseWriteResponse",
    "Runtime",
    "Services",
]
