"""Tests of ``sluice.sdk.capabilities``: what is wrong with a class is said when the class is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest

from sluice.sdk import (
    AuthHandler,
    BasePlugin,
    ConfigProvider,
    Context,
    CustomEndpointHandler,
    DataCollectionResponse,
    DataCollector,
    EdgePayloadReceiver,
    EndpointRequest,
    EnrichedRequest,
    Headers,
    ManifestProvider,
    PluginRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    SessionAware,
    StreamCompleteHandler,
)
from sluice.sdk.capabilities import Capability, Hook, capabilities_of, hooks_of, overridden
from sluice.sdk.testing import make_context, make_response

CAPABILITIES: list[type[Capability]] = [
    PreAuthHandler, AuthHandler, PostAuthHandler, ResponseHandler, StreamCompleteHandler,
]  # fmt: skip
WITHOUT_HOOKS: list[type[Capability]] = [
    DataCollector, CustomEndpointHandler, ConfigProvider, ManifestProvider, SessionAware, EdgePayloadReceiver,
]  # fmt: skip


class Both(BasePlugin, PreAuthHandler, PostAuthHandler):
    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.allow()

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.allow()


class HeadersOnly(BasePlugin, ResponseHandler):
    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()


async def hook(self: Any, ctx: Context, request: Any) -> Any:
    """A method of any hook."""


def plain(self: Any, ctx: Context, request: Any) -> Any:
    """A method that forgot ``async``."""


async def stream(self: Any, ctx: Context, request: Any) -> Any:
    """A method that yields instead of answering."""
    yield None


def made(capability: type[Capability], methods: dict[str, Callable[..., Any]]) -> type:
    """A plugin class with these methods, made as an author's module makes it."""
    return type("Mine", (BasePlugin, capability), dict(methods))


def test_hooks_are_what_a_class_implements() -> None:
    """And the method of each; one that was not overridden is never called."""
    assert hooks_of(Both) == {"pre_auth": "handle_pre_auth", "post_auth": "handle_post_auth"}
    assert hooks_of(HeadersOnly) == {"response_headers": "on_before_write_headers"}
    assert hooks_of(BasePlugin) == {}


def test_capabilities_are_found_through_inheritance() -> None:
    """A plugin of a plugin has what its base has."""

    class Derived(Both):
        """Changes nothing."""

    assert set(capabilities_of(Derived)) == {PreAuthHandler, PostAuthHandler}
    assert hooks_of(Derived) == hooks_of(Both)


def test_every_hook_belongs_to_one_capability() -> None:
    """The list of hooks and the capabilities agree."""
    named = [hook for capability in CAPABILITIES for hook in capability.hooks]
    assert sorted(named) == sorted(get_args(Hook))


@pytest.mark.parametrize("capability", [*CAPABILITIES, *WITHOUT_HOOKS])
def test_a_capability_without_a_method_is_refused(capability: type[Capability]) -> None:
    """Deriving from a capability and doing nothing about it is a mistake; the message names its methods."""
    method = (*capability.hooks.values(), *capability.methods)[0]
    with pytest.raises(TypeError, match=f"Mine is a {capability.__name__} but overrides none of: {method}"):
        made(capability, {})


@pytest.mark.parametrize(
    ("capability", "misspelt", "meant"),
    [
        (PreAuthHandler, "handle_preauth", "handle_pre_auth"),
        (PostAuthHandler, "handle_post_auht", "handle_post_auth"),
        (ResponseHandler, "on_before_write_header", "on_before_write_headers"),
        (AuthHandler, "handle_auht", "handle_auth"),
        (StreamCompleteHandler, "on_stream_completed", "on_stream_complete"),
        (DataCollector, "handle_proxy_logs", "handle_proxy_log"),
        (CustomEndpointHandler, "handle_endpoint_requests", "handle_endpoint_request"),
        (EdgePayloadReceiver, "accept_edge_payloads", "accept_edge_payload"),
    ],
)
def test_a_misspelt_method_is_named(capability: type[Capability], misspelt: str, meant: str) -> None:
    """A hook that would never be called is refused when the class is made, with what was meant."""
    with pytest.raises(TypeError, match=rf"\({misspelt} looks like a misspelt {meant}\)"):
        made(capability, {misspelt: hook})


@pytest.mark.parametrize("method", [plain, stream])
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_hooks_are_async(capability: type[Capability], method: Callable[..., Any]) -> None:
    """A plain function would hold up every exchange, a generator answers nothing."""
    name = next(iter(capability.hooks.values()))
    with pytest.raises(TypeError, match=rf"Mine\.{name} must be an `async def`"):
        made(capability, {name: method})


def test_a_mixin_may_bring_the_method() -> None:
    """What counts is what is called."""

    class Mixin:
        handle_pre_auth = hook

    assert hooks_of(type("Mine", (Mixin, BasePlugin, PreAuthHandler), {})) == {"pre_auth": "handle_pre_auth"}


async def test_the_other_half_of_a_response_handler_allows() -> None:
    """The methods with defaults change nothing."""
    plugin = HeadersOnly()
    answer = await plugin.on_before_write(make_context(), make_response())
    assert answer == ResponseWriteResponse.allow()


@pytest.mark.parametrize(
    ("capability", "method"),
    [(DataCollector, "handle_proxy_log"), (DataCollector, "handle_batch"), (SessionAware, "on_session_ready"),
     (EdgePayloadReceiver, "accept_edge_payload"), (CustomEndpointHandler, "handle_endpoint_request")],
)  # fmt: skip
def test_what_belongs_to_no_hook_is_async_too(capability: type[Capability], method: str) -> None:
    """It runs on the same loop."""
    with pytest.raises(TypeError, match=rf"Mine\.{method} must be an `async def`"):
        made(capability, {method: plain})


def test_a_streaming_endpoint_yields() -> None:
    """One that returns its answer would be waited for as if it were a stream."""
    with pytest.raises(TypeError, match="must be an async generator: `async def` with `yield`"):
        made(CustomEndpointHandler, {"get_endpoint_registrations": hook, "handle_endpoint_request_stream": hook})
    made(CustomEndpointHandler, {"get_endpoint_registrations": hook, "handle_endpoint_request_stream": stream})


def test_a_schema_and_a_manifest_are_told_at_once() -> None:
    """They are texts that a plugin has, not something that it waits for."""
    made(ConfigProvider, {"get_config_schema": lambda _self: b"{}"})
    made(ManifestProvider, {"get_manifest": lambda _self: b"{}"})


def test_the_methods_that_are_called_are_those_overridden() -> None:
    """Of all that a capability has."""
    collector = made(DataCollector, {"handle_analytics": hook})
    assert overridden(collector, DataCollector) == ["handle_analytics"]


async def test_defaults_do_no_harm() -> None:
    """A collector passes what it does not take, an authenticator knows nobody, an endpoint is not there."""
    collector: Any = made(DataCollector, {"handle_analytics": hook})()
    assert await collector.handle_proxy_log(make_context(), None) == DataCollectionResponse.passed()
    assert await collector.handle_budget_usage(make_context(), None) == DataCollectionResponse.passed()
    authenticator: Any = made(AuthHandler, {"handle_auth": hook})()
    assert await authenticator.get_app_by_credential(make_context(), "x") is None
    assert await authenticator.get_user_by_credential(make_context(), "x") is None
    endpoint: Any = made(CustomEndpointHandler, {"get_endpoint_registrations": hook})()
    request = EndpointRequest(method="GET", path="/plugins/a", headers=Headers())
    assert (await endpoint.handle_endpoint_request(make_context(), request)).status_code == 501
    chunks = [chunk async for chunk in endpoint.handle_endpoint_request_stream(make_context(), request)]
    assert [(chunk.kind, chunk.status_code) for chunk in chunks] == [("error", 501)]
