"""The lives of plugins: initialised before the first exchange, shut down after the last, each by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sluice.plugin_host import host as host_module
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.errors import PluginBlocked, PluginFailed, PluginLoadError
from sluice.plugin_host.host import HOOKS, PluginHost
from sluice.plugin_host.registration import PluginRegistration
from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
)
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.messages import PluginRequest
from sluice.sdk.testing import make_request
from tests.sluice.plugin_host.plugins import LIFE, Limit


class Everything(BasePlugin, PreAuthHandler, PostAuthHandler, ResponseHandler):
    """Acts everywhere but on whole bodies."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.block(401, "pre")

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.block(403, "post")

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()


class RefusesToStart(Limit):
    """Says at its start that it cannot serve."""

    async def initialize(self, ctx: Context, config: Any) -> None:
        raise ValueError("no licence")


class ExitsAtStart(Limit):
    """Would end the process at its start."""

    async def initialize(self, ctx: Context, config: Any) -> None:
        raise SystemExit(3)


class HangsAtStart(Limit):
    """Never finishes starting."""

    async def initialize(self, ctx: Context, config: Any) -> None:
        await asyncio.get_running_loop().create_future()


class FailsAtEnd(Limit):
    """Cannot be shut down."""

    async def shutdown(self, ctx: Context) -> None:
        raise SystemExit(3)


class HangsAtEnd(Limit):
    """Never finishes ending."""

    async def shutdown(self, ctx: Context) -> None:
        await asyncio.get_running_loop().create_future()


@pytest.fixture(autouse=True)
def new_life() -> None:
    """Nothing lived through yet."""
    LIFE.clear()


def registration(kind: type[BasePlugin[Any]], name: str = "", **values: Any) -> PluginRegistration:
    """A plugin of this process."""
    command = f"python://{kind.__module__}:{kind.__name__}"
    return PluginRegistration.model_validate({"id": 1, "name": name or kind.__name__, "command": command, **values})


def limit(name: str, size: int, **values: Any) -> PluginRegistration:
    """A plugin that remembers its life by the size it allows."""
    return registration(Limit, name, config={"max_body_bytes": size}, **values)


async def started(*registrations: PluginRegistration, limits: Limits | None = None) -> PluginHost:
    """A host that serves these."""
    host = PluginHost(Path(), limits)
    await host.start(registrations)
    return host


async def refusal(*registrations: PluginRegistration) -> tuple[PluginLoadError, PluginHost]:
    """Why a host cannot start, and the host."""
    host = PluginHost(Path())
    with pytest.raises(PluginLoadError) as caught:
        await host.start(registrations)
    return caught.value, host


async def test_plugins_start_in_order_and_end_the_other_way() -> None:
    """With their own configuration, and a context of no exchange; what is closed serves no more."""
    host = await started(limit("a", 1), limit("b", 2))
    assert LIFE == ["initialize 1 ''", "initialize 2 ''"]
    assert [loaded.registration.name for loaded in host.plugins] == ["a", "b"]
    await host.close()
    assert LIFE[2:] == ["shutdown 2", "shutdown 1"]
    assert host.plugins == ()


async def test_closing_twice_shuts_nobody_down_twice() -> None:
    """The second time there is nobody left."""
    host = await started(limit("a", 1))
    await host.close()
    await host.close()
    assert LIFE == ["initialize 1 ''", "shutdown 1"]


async def test_the_first_that_cannot_start_is_named() -> None:
    """Later ones are not started; those that were, and the one that failed, are still shut down."""
    error, host = await refusal(limit("a", 1), registration(RefusesToStart, "bad"), limit("c", 3))
    assert str(error) == ("plugin 'bad': initialize raised ValueError: no licence; see the plugin's own documentation")
    assert LIFE == ["initialize 1 ''"]
    await host.close()
    assert LIFE[1:] == ["shutdown 64000", "shutdown 1"]


async def test_a_plugin_that_exits_at_its_start_is_refused() -> None:
    """By name, and the process goes on to say so."""
    error, _ = await refusal(registration(ExitsAtStart))
    assert error.problem == "initialize raised SystemExit"


async def test_a_plugin_that_hangs_at_its_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a deadline that is said."""
    monkeypatch.setattr(host_module, "INITIALIZE_SECONDS", 0.02)
    error, _ = await refusal(registration(HangsAtStart))
    assert error.problem == "initialize took more than 0.02 s"


@pytest.mark.parametrize("kind", [FailsAtEnd, HangsAtEnd])
async def test_a_shutdown_that_fails_stops_no_other(kind: type[Limit], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged with the plugin's name, in time; those before it are shut down all the same."""
    monkeypatch.setattr(host_module, "SHUTDOWN_SECONDS", 0.02)
    host = await started(limit("a", 1), registration(kind, "bad"), limit("c", 3))
    with capture_logs() as lines:
        await host.close()
    assert LIFE[-2:] == ["shutdown 3", "shutdown 1"]
    assert [(line["event"], line["plugin"], line["log_level"]) for line in lines] == [
        ("plugin shutdown failed", "bad", "warning")
    ]


async def test_a_plugin_that_acts_nowhere_is_refused() -> None:
    """An operator who restricts a plugin to hooks it does not have would believe himself protected."""
    error, host = await refusal(registration(Limit, "a", hook_types=["pre_auth", "response"]))
    assert error.problem == "implements none of its hook_types (pre_auth, response)"
    assert error.remedy == "it implements: post_auth"
    assert host.plugins == ()


async def test_a_chain_has_those_that_act_in_the_order_asked_for() -> None:
    """Not in that of registration; who does not act at the hook is left out; nobody is no chain."""
    host = await started(registration(Everything, "all"), limit("a", 1), limit("b", 2))
    post_auth = host.chain(["b", "all", "a"], "post_auth")
    assert post_auth is not None
    assert [link.plugin for link in post_auth.links] == ["b", "all", "a"]
    pre_auth = host.chain(["b", "all", "a"], "pre_auth")
    assert pre_auth is not None
    assert [link.plugin for link in pre_auth.links] == ["all"]
    assert host.chain(["a", "b"], "pre_auth") is None
    assert host.chain([], "post_auth") is None
    assert host.chain(["all"], "response_body") is None
    with pytest.raises(KeyError):
        host.chain(["nobody"], "post_auth")


async def test_a_plugin_acts_where_it_can_and_may() -> None:
    """The hooks that it overrides and that the operator wants."""
    host = await started(registration(Everything, "all"), registration(Everything, "some", hook_types=["response"]))
    acting = {name: [hook for hook in HOOKS if host.chain([name], hook)] for name in ("all", "some")}
    assert acting == {"all": ["pre_auth", "post_auth", "response_headers"], "some": ["response_headers"]}


async def test_a_link_is_as_it_was_registered() -> None:
    """Deadline and policy are the operator's, the runtime the host's; services are shared by a plugin's hooks."""
    host = PluginHost(Path(), runtime="collector")
    await host.start([registration(Everything, "all", timeout_ms=250, on_failure="open")])
    (loaded,) = host.plugins
    for hook, link in loaded.links.items():
        assert (link.hook, link.timeout_seconds, link.fails_open, link.runtime) == (hook, 0.25, True, "collector")
        assert link.services is loaded.services
    default = await started(registration(Everything, "all"))
    assert {hook: link.fails_open for hook, link in default.plugins[0].links.items()} == {
        "pre_auth": False, "post_auth": False, "response_headers": True,
    }  # fmt: skip


async def test_a_chain_runs_its_plugins() -> None:
    """With the configuration of each and the host's limits on what they answer."""
    host = await started(limit("a", 5), limits=Limits(max_message_characters=8))
    post_auth = host.chain(["a"], "post_auth")
    assert post_auth is not None
    request = make_request(b"12345")
    assert await post_auth.run(ExchangeFacts(), request, []) is request
    with pytest.raises(PluginFailed, match="more than 8"):
        await post_auth.run(ExchangeFacts(), make_request(b"123456"), [])


async def test_the_same_class_twice_is_two_plugins() -> None:
    """Each with its own object, configuration and counts."""
    host = await started(limit("strict", 1), limit("lax", 100))
    strict, lax = host.chain(["strict"], "post_auth"), host.chain(["lax"], "post_auth")
    assert strict
    assert lax
    request = make_request(b"12345")
    assert await lax.run(ExchangeFacts(), request, []) is request
    with pytest.raises(PluginBlocked) as caught:
        await strict.run(ExchangeFacts(), request, [])
    assert caught.value.plugin == "strict"
    assert host.plugins[0].plugin is not host.plugins[1].plugin
