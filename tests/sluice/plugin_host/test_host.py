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
from sluice.plugin_host.registration import Instance, PluginRegistration
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
        LIFE.append("hangs")
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


def instances(*registrations: PluginRegistration) -> list[Instance]:
    """One of each, by its name."""
    return [Instance(registration.name, registration) for registration in registrations]


async def started(*registrations: PluginRegistration, limits: Limits | None = None) -> PluginHost:
    """A host that serves these."""
    host = PluginHost(Path(), limits)
    await host.start(instances(*registrations))
    return host


async def refusal(*registrations: PluginRegistration) -> tuple[PluginLoadError, PluginHost]:
    """Why a host cannot start, and the host."""
    host = PluginHost(Path())
    with pytest.raises(PluginLoadError) as caught:
        await host.start(instances(*registrations))
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
    """Later ones are not started; the one that failed is shut down at once, those that did not with the host."""
    error, host = await refusal(limit("a", 1), registration(RefusesToStart, "bad"), limit("c", 3))
    assert str(error) == ("plugin 'bad': initialize raised ValueError: no licence; see the plugin's own documentation")
    assert LIFE == ["initialize 1 ''", "shutdown 64000"]
    await host.close()
    assert LIFE[2:] == ["shutdown 1"]


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
    await host.start(instances(registration(Everything, "all", timeout_ms=250, on_failure="open")))
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


async def reconciled(host: PluginHost, *wanted: PluginRegistration) -> list[str]:
    """The names of those that serve no more, which are shut down."""
    retired = await host.reconcile(instances(*wanted))
    await host.retire(retired)
    return [loaded.registration.name for loaded in retired]


async def test_what_is_wanted_serves_and_nothing_else() -> None:
    """What is equal lives on; what is new or changed is loaded before what it replaces is let go."""
    host = await started(limit("a", 1), limit("b", 2))
    kept = host.plugins[0].plugin
    LIFE.clear()
    assert await reconciled(host, limit("a", 1), limit("b", 3), limit("c", 4)) == ["b"]
    assert LIFE == ["initialize 3 ''", "initialize 4 ''", "shutdown 2"]
    assert host.plugins[0].plugin is kept
    assert [loaded.registration.name for loaded in host.plugins] == ["a", "b", "c"]
    LIFE.clear()
    assert await reconciled(host) == ["a", "b", "c"]
    assert LIFE == ["shutdown 1", "shutdown 3", "shutdown 4"]
    await host.close()
    assert len(LIFE) == 3


async def test_who_holds_a_chain_goes_on_with_it() -> None:
    """An exchange that is under way ends with the plugins with which it began; they are shut down when told to."""
    host = await started(limit("a", 1))
    before = host.chain(["a"], "post_auth")
    retired = await host.reconcile(instances(limit("a", 100)))
    after = host.chain(["a"], "post_auth")
    assert before
    assert after
    assert "shutdown 1" not in LIFE
    with pytest.raises(PluginBlocked):
        await before.run(ExchangeFacts(), make_request(b"12"), [])
    await after.run(ExchangeFacts(), make_request(b"12"), [])
    await host.retire(retired)
    assert LIFE[-1] == "shutdown 1"


async def test_those_that_were_not_retired_end_with_the_host() -> None:
    """Each once."""
    host = await started(limit("a", 1))
    await host.reconcile(instances(limit("b", 2)))
    await host.close()
    assert sorted(LIFE[2:]) == ["shutdown 1", "shutdown 2"]


async def test_one_that_cannot_be_loaded_leaves_the_one_before_it() -> None:
    """It goes on serving as it was; the failure is logged with its reason, shown, and not tried again by itself."""
    host = await started(limit("a", 5))
    bad, lines = limit("a", 0), list[Any]()
    for _ in range(2):
        with capture_logs() as logged:
            assert await reconciled(host, bad) == []
        lines += logged
        chain = host.chain(["a"], "post_auth")
        assert chain
        await chain.run(ExchangeFacts(), make_request(b"12345"), [])
        (health,) = host.health()
        assert (health.status, health.is_serving, health.plugin_id, health.name) == ("failed", True, 1, "a")
        assert "max_body_bytes" in health.error
    assert [line["event"] for line in lines] == ["plugin not loaded"], "the second time nothing was tried"
    assert await reconciled(host, limit("a", 6)) == ["a"]
    assert [health.status for health in host.health()] == ["ready"]


@pytest.mark.parametrize(
    ("values", "is_refused"),
    [
        ({}, True), ({"on_failure": "closed"}, True), ({"on_failure": "open"}, False),
        ({"hook_types": ["response"]}, False), ({"hook_types": ["response"], "on_failure": "closed"}, True),
        ({"hook_types": ["response", "pre_auth"]}, True),
    ],
)  # fmt: skip
async def test_one_that_was_never_there_refuses_or_is_left_out(values: dict[str, Any], is_refused: bool) -> None:
    """As its policy for the hooks that it may act at says: nobody can know where it would have acted."""
    host = PluginHost(Path())
    await host.reconcile(instances(registration(RefusesToStart, "bad", **values), limit("good", 9)))
    chain = host.chain(["bad", "good"], "post_auth")
    assert chain
    assert host.chain(["bad", "good"], "pre_auth") is None
    assert host.chain(["bad", "good"], "response_body") is None
    assert [(health.status, health.is_serving) for health in host.health()] == [("failed", False), ("ready", True)]
    if is_refused:
        with pytest.raises(PluginFailed, match="PluginLoadError") as caught:
            await chain.run(ExchangeFacts(), make_request(b"1"), [])
        assert caught.value.plugin == "bad"
    else:
        await chain.run(ExchangeFacts(), make_request(b"1"), [])


async def test_health_tells_of_loading_and_of_failures() -> None:
    """When it was tried, how long that took, and how often its hooks have failed since."""
    host = await started(limit("a", 1), limits=Limits(max_message_characters=1))
    chain = host.chain(["a"], "post_auth")
    assert chain
    with pytest.raises(PluginFailed):
        await chain.run(ExchangeFacts(), make_request(b"12"), [])
    (health,) = host.health()
    assert (health.status, health.error, health.failures, health.key) == ("ready", "", 1, "a")
    assert health.attempted_at > 1_500_000_000_000_000
    assert 0 <= health.load_micros < 60_000_000


async def test_another_revision_is_loaded_again() -> None:
    """Though all else is equal: its file may have changed. Others live on."""
    host = await started(limit("a", 1), registration(Everything, "b", id=2))
    kept = host.plugins[1].plugin
    again = Instance("a", limit("a", 1), revision=1)
    await host.retire(await host.reconcile([again, *instances(registration(Everything, "b", id=2))]))
    assert LIFE == ["initialize 1 ''", "initialize 1 ''", "shutdown 1"]
    assert host.plugins[1].plugin is kept


async def test_an_instance_is_settled_when_it_was_tried() -> None:
    """Good or bad; another one under the same key is not."""
    host = PluginHost(Path())
    good, bad = instances(limit("a", 1), registration(RefusesToStart, "bad"))
    assert not host.is_settled(good)
    await host.reconcile([good, bad])
    assert host.is_settled(good)
    assert host.is_settled(bad)
    assert not host.is_settled(Instance("a", limit("a", 2)))
    assert not host.is_settled(Instance("a", limit("a", 1), revision=1))


async def test_a_plugin_can_be_tried_out_beside_those_that_serve() -> None:
    """It is initialised, shut down, and gone; what is wrong with it is said."""
    host = await started(limit("a", 1))
    await host.try_out(limit("a", 2))
    assert LIFE[1:] == ["initialize 2 ''", "shutdown 2"]
    with pytest.raises(PluginLoadError, match="no licence"):
        await host.try_out(registration(RefusesToStart, "bad"))
    assert [loaded.registration.name for loaded in host.plugins] == ["a"]
    assert [health.name for health in host.health()] == ["a"]


async def test_a_load_that_is_cut_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker ends while a plugin starts: what serves goes on, what was loaded for nothing ends with the host."""
    host = await started(limit("a", 1))
    wanted = instances(limit("a", 1), limit("b", 2), registration(HangsAtStart, "c"))
    async with asyncio.TaskGroup() as tasks:
        loading = tasks.create_task(host.reconcile(wanted))
        while "hangs" not in LIFE:  # noqa: ASYNC110 - a plugin's life
            await asyncio.sleep(0)
        loading.cancel()
    assert [loaded.registration.name for loaded in host.plugins] == ["a"]
    await host.close()
    assert sorted(LIFE[3:]) == ["shutdown 1", "shutdown 2", "shutdown 64000"]


async def test_an_import_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for for ever, and meanwhile the loop goes on."""
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.3)\n")
    monkeypatch.setattr(host_module, "IMPORT_SECONDS", 0.02)
    host = PluginHost(tmp_path)
    slow = PluginRegistration.model_validate({"id": 1, "name": "slow", "command": "slow.py"})
    with pytest.raises(PluginLoadError, match=r"import took more than 0\.02 s"):
        await host.start(instances(slow))
