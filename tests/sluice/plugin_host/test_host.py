"""The lives of plugins: initialised before the first exchange, shut down after the last, each by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sluice.plugin_host import host as host_module
from sluice.plugin_host import loading, place
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.errors import PluginBlocked, PluginFailed, PluginLoadError
from sluice.plugin_host.host import HOOKS, PluginHost
from sluice.plugin_host.registration import Instance, Placement, PluginRegistration
from sluice.sdk import AuthRequest
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import RecordingServices, make_request
from tests.sluice.plugin_host.lives import (
    Authenticates,
    Everything,
    ExitsAtStart,
    FailsAtEnd,
    HangsAtEnd,
    HangsAtStart,
    Heals,
    RefusesToStart,
    instances,
    limit,
    registration,
    started,
)
from tests.sluice.plugin_host.plugins import LIFE, Limit


@pytest.fixture(autouse=True)
def new_life() -> None:
    """Nothing lived through yet."""
    LIFE.clear()


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
    monkeypatch.setattr(loading, "INITIALIZE_SECONDS", 0.02)
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


async def test_many_that_hang_at_their_end_hang_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stops waits for one deadline, not for a hundred."""
    monkeypatch.setattr(host_module, "SHUTDOWN_SECONDS", 0.3)
    host = await started(*(registration(HangsAtEnd, f"p{number}") for number in range(100)))
    began = time.monotonic()
    await host.close()
    assert time.monotonic() - began < 15, "one after the other it would take thirty seconds and more"


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
    assert host.plugins[0].running is not host.plugins[1].running


async def reconciled(host: PluginHost, *wanted: PluginRegistration) -> list[str]:
    """The names of those that serve no more, which are shut down."""
    retired = await host.reconcile(instances(*wanted))
    await host.retire(retired)
    return [loaded.registration.name for loaded in retired]


async def test_what_is_wanted_serves_and_nothing_else() -> None:
    """What is equal lives on; what is new or changed is loaded before what it replaces is let go."""
    host = await started(limit("a", 1), limit("b", 2))
    kept = host.plugins[0].running
    LIFE.clear()
    assert await reconciled(host, limit("a", 1), limit("b", 3), limit("c", 4)) == ["b"]
    assert LIFE == ["initialize 3 ''", "initialize 4 ''", "shutdown 2"]
    assert host.plugins[0].running is kept
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
    kept = host.plugins[1].running
    again = Instance("a", limit("a", 1), revision=1)
    await host.retire(await host.reconcile([again, *instances(registration(Everything, "b", id=2))]))
    assert LIFE == ["initialize 1 ''", "initialize 1 ''", "shutdown 1"]
    assert host.plugins[1].running is kept


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
    assert (await host.try_out(limit("a", 2))).hooks == ("post_auth",)
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


async def test_each_place_of_an_authenticator_has_its_own_app() -> None:
    """One plugin, counted as one, whose callers are another app's at another place."""
    host = await started(registration(Authenticates, "a"), limit("b", 1))
    chain = host.auth_chain([Placement("a", app_id=7), Placement("b", app_id=8), Placement("a")])
    assert chain
    assert [(link.plugin, link.app_id) for link in chain.links] == [("a", 7), ("a", None)]
    request = AuthRequest("POST", "/x", "", make_request().headers, b"", "")
    assert (await chain.authenticate(ExchangeFacts(), request, [])).app_id == 7
    assert host.auth_chain([Placement("b")]) is None
    assert [health.calls for health in host.health()] == [1, 0]


async def test_a_plugin_that_is_tried_again_and_again_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made for a life that did not begin is let go of each time."""
    made: list[RecordingServices] = []
    ended: list[RecordingServices] = []

    class Held(RecordingServices):
        def release(self) -> None:
            ended.append(self)

    def services(*_: object) -> Held:
        made.append(Held())
        return made[-1]  # type: ignore[return-value]

    monkeypatch.setattr(place, "RETRY_BASE_SECONDS", 0.0)
    host = PluginHost(Path(), services=services)
    for _ in range(3):
        await host.reconcile(instances(registration(RefusesToStart, "bad")))
    assert len(made) == 3
    assert made == ended


async def test_some_that_hang_hold_up_the_others_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a gateway serves, plugins are loaded beside each other; each that hangs would else cost all its time."""
    monkeypatch.setattr(loading, "INITIALIZE_SECONDS", 1.0)
    host = PluginHost(Path())
    hanging = [registration(HangsAtStart, f"h{at}", id=at) for at in range(2, 8)]
    began = time.monotonic()
    await host.reconcile(instances(*hanging, limit("good", 9)))
    assert time.monotonic() - began < 4.5, "one after the other it would take six seconds and more"
    assert [loaded.name for loaded in host.plugins] == ["good"]


async def test_one_that_acts_at_no_hook_refuses_nobody() -> None:
    """Collectors and endpoints that cannot be loaded are nothing to an exchange."""
    host = PluginHost(Path())
    await host.reconcile(instances(registration(RefusesToStart, "bad", hook_types=["data_collection"])))
    assert all(host.chain(["bad"], hook) is None for hook in HOOKS)
    assert [health.status for health in host.health()] == ["failed"]


async def test_what_is_being_loaded_is_shown() -> None:
    """Beside what serves in its place."""
    host = await started(limit("a", 1))
    async with asyncio.TaskGroup() as tasks:
        wanted = instances(registration(HangsAtStart, "a"), registration(HangsAtStart, "b"))
        for instance, expected in ((wanted[0], [("a", "loading", True)]), (wanted[1], [("b", "loading", False)])):
            LIFE.clear()
            loading_task = tasks.create_task(host.reconcile([instance]))
            while "hangs" not in LIFE:  # noqa: ASYNC110 - a plugin's life
                await asyncio.sleep(0)
            shown = [(health.name, health.status, health.is_serving) for health in host.health()]
            assert [each for each in shown if each[1] == "loading"] == expected
            loading_task.cancel()
            await asyncio.wait([loading_task])
    assert [(health.name, health.status) for health in host.health()] == [("a", "ready")]


async def test_services_are_let_go_of_with_their_plugin() -> None:
    """Once for each life, in whatever way it ends; a failed one too."""
    ended: list[str] = []

    class Ending(RecordingServices):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def release(self) -> None:
            ended.append(self.name)

    host = PluginHost(Path(), services=lambda _id, name, _runtime: Ending(name))
    await host.start(instances(limit("a", 1), limit("b", 2)))
    await reconciled(host, limit("b", 2), registration(RefusesToStart, "bad"))
    assert ended == ["bad", "a"]
    await host.close()
    assert ended == ["bad", "a", "b"]


async def test_plugins_know_where_they_are() -> None:
    """The gateway's id and namespace, in what is called outside exchanges too."""
    host = PluginHost(Path(), edge_id="edge-1", edge_namespace="eu")
    await host.start(instances(limit("a", 1)))
    context = host.plugins[0].context()
    assert (context.edge_id, context.edge_namespace) == ("edge-1", "eu")


async def test_keeping_ends_with_the_host() -> None:
    """``run`` goes on until it is cancelled, whatever is loaded and retired meanwhile."""
    host = await started(limit("a", 1))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(host.run())
        await asyncio.sleep(0)
        assert await reconciled(host, limit("b", 2)) == ["a"]
        assert not running.done()
        running.cancel()
    await host.close()
    assert LIFE[-1] == "shutdown 2"


async def test_what_could_not_be_loaded_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it needs may come later; meanwhile nothing changes, and the log has each reason once."""
    monkeypatch.setattr(place, "RETRY_BASE_SECONDS", 0.0)
    monkeypatch.setattr(Heals, "away", ["no database"])
    host, wanted = PluginHost(Path()), instances(registration(Heals, "a"), limit("b", 1))
    assert host.retry_seconds() is None
    with capture_logs() as lines:
        for reason in ("no database", "no database", "no table"):
            Heals.away[0] = reason
            assert await host.reconcile(wanted) == []
            assert host.retry_seconds() == 0.0
            assert host.chain(["a"], "post_auth"), "it is refused by name"
    assert [line["problem"].partition("OSError: ")[2][:11] for line in lines if line["log_level"] == "error"] == [
        "no database",
        "no table; s",
    ]
    Heals.away.clear()
    assert await host.reconcile(wanted) == []
    assert host.retry_seconds() is None
    assert LIFE.count("tries") == 4
    assert LIFE.count("initialize 1 ''") == 1, "what is well is left alone"
    assert [health.status for health in host.health()] == ["ready", "ready"]


async def test_a_try_that_succeeds_replaces_what_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """As any load does."""
    monkeypatch.setattr(place, "RETRY_BASE_SECONDS", 0.0)
    monkeypatch.setattr(Heals, "away", ["no database"])
    host = await started(limit("a", 1))
    healing = instances(registration(Heals, "a"))
    assert await host.reconcile(healing) == []
    assert [health.is_serving for health in host.health()] == [True]
    Heals.away.clear()
    assert [loaded.registration.name for loaded in await host.reconcile(healing)] == ["a"]
