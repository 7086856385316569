"""What a plugin can be asked to do. A class derives from each capability that it has.

Every method is called by the host for one exchange at a time, possibly for many exchanges at once; it is ``async``,
has a deadline, and may raise anything: the failure becomes that exchange's outcome, or is skipped, as the operator
chose, and touches no other exchange. A misspelt or forgotten method fails when the class is made.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from sluice.sdk.collecting import AnalyticsData, BatchResponse, BudgetUsageData, DataCollectionResponse, ProxyLogData
from sluice.sdk.context import Context
from sluice.sdk.endpoints import EndpointChunk, EndpointRegistration, EndpointRequest, EndpointResponse
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
from sluice.sdk.records import App, User

if TYPE_CHECKING:
    import polars as pl

Hook = Literal["pre_auth", "auth", "post_auth", "response_headers", "response_body", "stream_complete"]
"""The moments at which plugins are called, in the order of an exchange."""


HOOKS: tuple[Hook, ...] = get_args(Hook)


class Capability(ABC):  # noqa: B024 - the methods are its subclasses'
    """An interface that plugins implement; ``hooks`` names its moments and the method of each."""

    hooks: ClassVar[Mapping[Hook, str]] = {}
    methods: ClassVar[tuple[str, ...]] = ()
    """Those that are called at no moment of an exchange; of all, at least one must be overridden."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Capability in cls.__bases__ or ABC in cls.__bases__:
            return
        for capability in capabilities_of(cls):
            _check(cls, capability)


class PreAuthHandler(Capability):
    """Acts on requests before anyone knows who sent them."""

    hooks = {"pre_auth": "handle_pre_auth"}  # noqa: RUF012 - declared a ClassVar above

    @abstractmethod
    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        """Called once for each request to an LLM that this plugin is attached to; ``ctx.app_id`` is ``None``."""


class AuthHandler(Capability):
    """Proves apps and users, instead of the gateway's own tokens."""

    hooks = {"auth": "handle_auth"}  # noqa: RUF012

    @abstractmethod
    async def handle_auth(self, ctx: Context, request: AuthRequest) -> AuthResponse | Credential | PluginResponse:
        """Called once for each request; a ``block`` is the answer to the client, with its status and headers."""

    async def get_app_by_credential(self, ctx: Context, credential: str) -> App | int | None:  # noqa: ARG002
        """The app whose credential this is, where ``handle_auth`` accepted it and named none; ``None`` is unknown."""
        return None

    async def get_user_by_credential(self, ctx: Context, credential: str) -> User | None:  # noqa: ARG002
        """The person behind a credential that ``handle_auth`` accepted; ``None`` leaves what it said."""
        return None


class PostAuthHandler(Capability):
    """Acts on requests whose app and user are known."""

    hooks = {"post_auth": "handle_post_auth"}  # noqa: RUF012

    @abstractmethod
    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Called once for each authenticated request, before limits, budget and vendor."""


class ResponseHandler(Capability):
    """Acts on the vendor's answer; override one or both methods, only those are called."""

    handles_chunks: ClassVar[bool] = False
    """Whether ``on_before_write`` takes streams piece by piece; else the registration's ``on_stream`` decides."""

    hooks = {  # noqa: RUF012
        "response_headers": "on_before_write_headers",
        "response_body": "on_before_write",
    }

    async def on_before_write_headers(
        self,
        ctx: Context,  # noqa: ARG002 - overriders use them
        request: ResponseWriteRequest,  # noqa: ARG002
    ) -> ResponseWriteResponse:
        """Called once for each answer, streamed or not, before its first byte goes to the client."""
        return ResponseWriteResponse.allow()

    async def on_before_write(
        self,
        ctx: Context,  # noqa: ARG002
        request: ResponseWriteRequest,  # noqa: ARG002
    ) -> ResponseWriteResponse:
        """Called with the whole body of an answer, which the gateway gathers up to its bound; and for plugins with
        ``handles_chunks`` with each piece of a stream, of whole SSE frames."""
        return ResponseWriteResponse.allow()


class StreamCompleteHandler(Capability):
    """Sees streams whole, when they are over."""

    hooks = {"stream_complete": "on_stream_complete"}  # noqa: RUF012

    @abstractmethod
    async def on_stream_complete(self, ctx: Context, request: StreamCompleteRequest) -> StreamCompleteResponse | None:
        """Called once after each stream that had begun; nothing of it can be changed any more."""


class DataCollector(Capability):
    """Takes events to where they are wanted; runs in a collector. Override what it takes; ``None`` acknowledges.

    An exception, or an answer without ``success``, brings the event again: at least once, so mind ``event_id``.
    """

    methods: ClassVar[tuple[str, ...]] = ("handle_proxy_log", "handle_analytics", "handle_budget_usage", "handle_batch")

    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> DataCollectionResponse | None:  # noqa: ARG002
        """Called for each proxy log."""
        return DataCollectionResponse.passed()

    async def handle_analytics(
        self,
        ctx: Context,  # noqa: ARG002
        analytics: AnalyticsData,  # noqa: ARG002
    ) -> DataCollectionResponse | None:
        """Called for each analytics event."""
        return DataCollectionResponse.passed()

    async def handle_budget_usage(
        self,
        ctx: Context,  # noqa: ARG002
        usage: BudgetUsageData,  # noqa: ARG002
    ) -> DataCollectionResponse | None:
        """Called for each budget event."""
        return DataCollectionResponse.passed()

    async def handle_batch(
        self,
        ctx: Context,  # noqa: ARG002
        kind: str,
        frame: pl.DataFrame,  # noqa: ARG002
    ) -> BatchResponse | None:
        """Instead of the others, where overridden: many events of one kind as columns, named as in the log."""
        message = f"{type(self).__name__} takes no batches of {kind}"
        raise TypeError(message)


class CustomEndpointHandler(Capability):
    """Answers HTTP below ``/plugins/{slug}/``."""

    methods: ClassVar[tuple[str, ...]] = (
        "get_endpoint_registrations",
        "handle_endpoint_request",
        "handle_endpoint_request_stream",
    )

    @abstractmethod
    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        """Called after ``initialize``; what is wrong with one refuses the plugin."""

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:  # noqa: ARG002
        """Called for registrations without ``stream_response``; at most 60 seconds."""
        return EndpointResponse(status_code=501, message="not implemented")

    async def handle_endpoint_request_stream(
        self,
        ctx: Context,  # noqa: ARG002
        request: EndpointRequest,  # noqa: ARG002
    ) -> AsyncIterator[EndpointChunk]:
        """Called for registrations with ``stream_response``: an async generator; closed where the client leaves."""
        yield EndpointChunk.error("not implemented", 501)


class ConfigProvider(Capability):
    """Says what configuration is right, where no pydantic model does."""

    methods: ClassVar[tuple[str, ...]] = ("get_config_schema",)

    @abstractmethod
    def get_config_schema(self) -> bytes:
        """A JSON schema, draft 7. Called before ``initialize``."""


class ManifestProvider(Capability):
    """Says what the plugin is and needs."""

    methods: ClassVar[tuple[str, ...]] = ("get_manifest",)

    @abstractmethod
    def get_manifest(self) -> bytes:
        """JSON: ``id, version, name, capabilities {hooks, primary_hook}, permissions {services}, …``."""


class SessionAware(Capability):
    """Is told when its services can be called, and when they will end."""

    methods: ClassVar[tuple[str, ...]] = ("on_session_ready", "on_session_closing")

    async def on_session_ready(self, ctx: Context) -> None:
        """Called once, after ``initialize``."""

    async def on_session_closing(self, ctx: Context) -> None:
        """Called once, before ``shutdown``."""


class EdgePayloadReceiver(Capability):
    """The control side's end of ``send_to_control``."""

    methods: ClassVar[tuple[str, ...]] = ("accept_edge_payload",)

    @abstractmethod
    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        """Called for what plugins of this name sent, at least once; whether it was handled. Raising brings it again."""


def capabilities_of(plugin: type) -> list[type[Capability]]:
    """The capabilities that a class derives from."""
    return [base for base in plugin.__mro__ if Capability in base.__bases__]


def hooks_of(plugin: type) -> dict[Hook, str]:
    """The hooks that a class implements and the method of each; what it did not override is not among them."""
    return {
        hook: method
        for capability in reversed(capabilities_of(plugin))
        for hook, method in capability.hooks.items()
        if _overrides(plugin, capability, method)
    }


def _overrides(plugin: type, capability: type[Capability], method: str) -> bool:
    return getattr(plugin, method) is not getattr(capability, method)


def overridden(plugin: type, capability: type[Capability]) -> list[str]:
    """The methods of a capability that a class overrides."""
    methods = (*capability.hooks.values(), *capability.methods)
    return [method for method in methods if _overrides(plugin, capability, method)]


def _check(cls: type, capability: type[Capability]) -> None:
    methods = [*capability.hooks.values(), *capability.methods]
    found = overridden(cls, capability)
    if not found:
        message = f"{cls.__name__} is a {capability.__name__} but overrides none of: {', '.join(methods)}"
        raise TypeError(message + _hint(cls, methods))
    for method in found:
        own, theirs = getattr(cls, method), getattr(capability, method)
        if inspect.isasyncgenfunction(theirs) and not inspect.isasyncgenfunction(own):
            message = f"{cls.__name__}.{method} must be an async generator: `async def` with `yield`"
            raise TypeError(message)
        if inspect.iscoroutinefunction(theirs) and not inspect.iscoroutinefunction(own):
            message = f"{cls.__name__}.{method} must be an `async def`"
            raise TypeError(message)


def _hint(cls: type, methods: list[str]) -> str:
    for name in vars(cls):
        close = get_close_matches(name, methods, n=1, cutoff=0.8)
        if close:
            return f" ({name} looks like a misspelt {close[0]})"
    return ""
