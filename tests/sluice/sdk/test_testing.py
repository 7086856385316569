"""Tests of ``sluice.sdk.testing``: what authors test their plugins with."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, PositiveInt, ValidationError

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler
from sluice.sdk.testing import LogEntry, make_context, make_plugin, make_request, make_response


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
    """Defaults are applied, wrong values refused; without a model the mapping is taken."""
    assert make_plugin(Limit).config == Config()
    with pytest.raises(ValidationError):
        make_plugin(Limit, max_body_bytes=0)
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
