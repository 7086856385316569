"""Tests of ``sluice.sdk.testing``: what authors test their plugins with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, PositiveInt, ValidationError

from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginResponse,
    PostAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    SessionAware,
)
from sluice.sdk.testing import (
    LogEntry,
    RecordingServices,
    make_analytics,
    make_auth_request,
    make_budget_usage,
    make_context,
    make_edge_payload,
    make_endpoint_request,
    make_frames,
    make_plugin,
    make_proxy_log,
    make_request,
    make_response,
    make_stream_complete,
    run_stream,
    start_plugin,
)


class Config(BaseModel):
    """How large is too large."""

    max_body_bytes: PositiveInt = 64_000


class Limit(BasePlugin[Config], PostAuthHandler):
    """The module's own example."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        if len(request.body) <= self.config.max_body_bytes:
            return PluginResponse.allow()
        ctx.services.logger.info("prompt refused", app_id=ctx.app_id)
        return PluginResponse.block(413)


class Free(BasePlugin):
    """Without a model."""


async def test_the_example_of_the_module_holds() -> None:
    """A context, a plugin and a request are enough to test a hook, and the log remembers."""
    ctx = make_context(app_id=7)
    plugin = make_plugin(Limit, max_body_bytes=10)
    answer = await plugin.handle_post_auth(ctx, make_request(body=b"too large a prompt"))
    assert answer.decision == "block"
    assert ctx.services.logger.entries == [LogEntry("info", "prompt refused", {"app_id": 7})]


def test_a_configuration_is_validated_as_the_host_does() -> None:
    """Defaults are applied, wrong values and unknown keys refused; without a model the mapping is taken."""
    assert make_plugin(Limit).config == Config()
    with pytest.raises(ValidationError):
        make_plugin(Limit, max_body_bytes=0)
    with pytest.raises(ValueError, match=r"config\.max_body_byte is unknown; known: max_body_bytes"):
        make_plugin(Limit, max_body_byte=1)
    assert make_plugin(Free, anything=1).config == {"anything": 1}


def test_contexts_are_apart() -> None:
    """What one test's plugin logged is not in another's."""
    first, second = make_context(), make_context()
    first.services.logger.debug("a")
    first.services.logger.warning("b")
    first.services.logger.error("c")
    assert [entry.level for entry in first.services.logger.entries] == ["debug", "warning", "error"]
    assert second.services.logger.entries == []


def test_a_misspelt_fact_is_refused() -> None:
    """A test that sets what does not exist would prove nothing."""
    with pytest.raises(TypeError):
        make_context(ap_id=7)


@pytest.mark.parametrize(("app_id", "authenticated"), [(1, True), (None, False)])
def test_a_request_is_authenticated_where_it_has_an_app(app_id: Any, authenticated: bool) -> None:
    """As the gateway makes it."""
    assert make_request(app_id=app_id).authenticated is authenticated


def test_defaults_are_those_of_a_plain_exchange() -> None:
    """JSON in, JSON out, status 200; empty headers are empty, not the default's."""
    assert make_request().headers["content-type"] == "application/json"
    assert (make_response().status_code, make_response(b"x").body) == (200, b"x")
    assert len(make_request(headers={}).headers) == len(make_response(headers={}).headers) == 0


def test_a_context_is_an_exchange() -> None:
    """Its hooks share its state; services are shared where a test says so, each runtime seeing its own."""
    services = RecordingServices()
    first, second = make_context(services=services), make_context(services=services, runtime="collector", app_id=2)
    first.state["seen"] = True
    assert (first.state, second.state) == ({"seen": True}, {})
    assert first.services.logger is second.services.logger
    assert first.services.kv is second.services.kv
    assert (first.runtime, second.runtime, second.app_id) == ("gateway", "collector", 2)
    assert (first.services.runtime, second.services.runtime) == ("gateway", "collector")


class Life(BasePlugin, SessionAware):
    """Says what it lives through."""

    async def initialize(self, ctx: Context, config: Any) -> None:
        ctx.services.logger.info("initialize", **config)

    async def on_session_ready(self, ctx: Context) -> None:
        ctx.services.logger.info("on_session_ready")


async def test_a_plugin_is_started_as_the_host_does() -> None:
    """Configured, initialised, told that its services are there; one that is not told of it is started too."""
    ctx = make_context()
    await start_plugin(Life, ctx, size=7)
    assert [entry.event for entry in ctx.services.logger.entries] == ["initialize", "on_session_ready"]
    assert ctx.services.logger.entries[0].values == {"size": 7}
    assert (await start_plugin(Limit, ctx)).config == Config()


def test_a_credential_stands_where_clients_put_it() -> None:
    """In the request's field and in its header; without one there is neither."""
    request = make_auth_request("abc")
    assert (request.credential, request.auth_type) == ("abc", "bearer")
    assert request.headers["authorization"] == "Bearer abc"
    assert "authorization" not in make_auth_request().headers
    assert make_auth_request().auth_type == ""
    assert make_auth_request("abc", auth_type="api_key", headers={"x-api-key": "abc"}).auth_type == "api_key"


class Upper(BasePlugin, ResponseHandler):
    """Writes streams in capitals, and ends them at a word."""

    handles_chunks = True

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        assert request.is_stream_chunk
        if b"stop here" in request.body:
            return ResponseWriteResponse.block(403, "stopped")
        if request.is_last_chunk:
            assert request.body == b""
            return ResponseWriteResponse.modify(body=b"END")
        return ResponseWriteResponse.allow() if b"DONE" in request.body else ResponseWriteResponse.modify(body=b"x")


async def test_a_stream_is_run_to_its_end_or_to_a_block() -> None:
    """A piece for each frame, then the end, as the host does."""
    run = await run_stream(Upper(), make_frames(["a"]))
    assert run.body == b"xxdata: [DONE]\n\nEND"
    run = await run_stream(Upper(), make_frames(["a", "stop here", "b"]))
    assert run.blocked is not None
    assert (run.body, run.blocked.message) == (b"x", "stopped")


def test_frames_are_a_vendor_s() -> None:
    """OpenAI's end with ``[DONE]``, Anthropic's with ``message_stop``."""
    assert make_frames(["a"])[-1] == b"data: [DONE]\n\n"
    assert make_frames(["a"], "anthropic")[-1].startswith(b"event: message_stop\n")
    deltas = [json.loads(frame[6:])["choices"][0]["delta"] for frame in make_frames(["a", "b"])[:-1]]
    assert deltas == [{"content": "a"}, {"content": "b"}, {}]


def test_events_and_calls_have_sensible_fields() -> None:
    """And those that a test gives."""
    assert make_proxy_log(response_code=500).response_code == 500
    assert make_analytics().total_tokens == make_analytics().prompt_tokens + make_analytics().response_tokens
    assert make_budget_usage().period_start < make_budget_usage().timestamp < make_budget_usage().period_end
    assert make_edge_payload(b"1", correlation_id="c").correlation_id == "c"
    assert make_stream_complete(b"x").is_whole
    call = make_endpoint_request("/a/b", slug="echo", method="POST", body=b"1")
    assert (call.path, call.relative_path, call.path_segments) == ("/plugins/echo/a/b", "/a/b", ("a", "b"))
    assert (call.method, call.body) == ("POST", b"1")
    with pytest.raises(TypeError):
        make_proxy_log(colour="red")
