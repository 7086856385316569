"""What plugin authors import. Light: no web framework, no Kafka, no gRPC, no SQL."""

from sluice.sdk.caching import (
    BoundedCache,
    Flight,
    SingleFlight,
    fingerprint,
    is_good_answer,
    now_seconds,
    request_fingerprint,
)
from sluice.sdk.capabilities import (
    AuthHandler,
    ConfigProvider,
    CustomEndpointHandler,
    DataCollector,
    EdgePayloadReceiver,
    ManifestProvider,
    PostAuthHandler,
    PreAuthHandler,
    ResponseHandler,
    SessionAware,
    StreamCompleteHandler,
)
from sluice.sdk.collecting import AnalyticsData, BatchResponse, BudgetUsageData, DataCollectionResponse, ProxyLogData
from sluice.sdk.context import Context, Runtime
from sluice.sdk.counting import Lease, Leases, SlidingCounters
from sluice.sdk.endpoints import EndpointChunk, EndpointRegistration, EndpointRequest, EndpointResponse
from sluice.sdk.errors import NotFound, PayloadTooLarge, ScopeDenied, ServiceError, ServiceUnavailable
from sluice.sdk.headers import Headers, credential_of
from sluice.sdk.messages import (
    AuthRequest,
    AuthResponse,
    Credential,
    EdgePayload,
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    ResponseWriteRequest,
    ResponseWriteResponse,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
from sluice.sdk.numbers import has_luhn, has_mod_97
from sluice.sdk.plugin import BasePlugin
from sluice.sdk.records import App, BudgetStatus, CredentialCheck, LicenseInfo, Llm, ModelPrice, User
from sluice.sdk.sensitive import SENSITIVE_KINDS, SensitiveKind, possible_kinds, sensitive_places
from sluice.sdk.services import GatewayServices, KeyValue, Logger, Message, Messages, Services, StudioServices
from sluice.sdk.serving.entry import serve
from sluice.sdk.texts import models_of, readings_of, rewrite_texts, texts_of, used_tokens
from sluice.sdk.windows import Finder, Span, StreamWindow, find_pattern, replace

ConfigSchemaProvider = ConfigProvider
"""The same by its other name."""

__all__ = [
    "SENSITIVE_KINDS",
    "AnalyticsData",
    "App",
    "AuthHandler",
    "AuthRequest",
    "AuthResponse",
    "BasePlugin",
    "BatchResponse",
    "BoundedCache",
    "BudgetStatus",
    "BudgetUsageData",
    "ConfigProvider",
    "ConfigSchemaProvider",
    "Context",
    "Credential",
    "CredentialCheck",
    "CustomEndpointHandler",
    "DataCollectionResponse",
    "DataCollector",
    "EdgePayload",
    "EdgePayloadReceiver",
    "EndpointChunk",
    "EndpointRegistration",
    "EndpointRequest",
    "EndpointResponse",
    "EnrichedRequest",
    "Finder",
    "Flight",
    "GatewayServices",
    "Headers",
    "KeyValue",
    "Lease",
    "Leases",
    "LicenseInfo",
    "Llm",
    "Logger",
    "ManifestProvider",
    "Message",
    "Messages",
    "ModelPrice",
    "NotFound",
    "PayloadTooLarge",
    "PluginRequest",
    "PluginResponse",
    "PostAuthHandler",
    "PreAuthHandler",
    "ProxyLogData",
    "ResponseHandler",
    "ResponseWriteRequest",
    "ResponseWriteResponse",
    "Runtime",
    "ScopeDenied",
    "SensitiveKind",
    "ServiceError",
    "ServiceUnavailable",
    "Services",
    "SessionAware",
    "SingleFlight",
    "SlidingCounters",
    "Span",
    "StreamCompleteHandler",
    "StreamCompleteRequest",
    "StreamCompleteResponse",
    "StreamWindow",
    "StudioServices",
    "User",
    "credential_of",
    "find_pattern",
    "fingerprint",
    "has_luhn",
    "has_mod_97",
    "is_good_answer",
    "models_of",
    "now_seconds",
    "possible_kinds",
    "readings_of",
    "replace",
    "request_fingerprint",
    "rewrite_texts",
    "sensitive_places",
    "serve",
    "texts_of",
    "used_tokens",
]
