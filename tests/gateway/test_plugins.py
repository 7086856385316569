"""The plugins of a worker: loaded once, chained for each LLM in its own order, replaced, shut down whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control.entities import Attachment, Entities
from gateway.control.file_entities import entities_of
from gateway.plugins import WorkerPlugins, registration_of, uses
from gateway.settings import Settings
from gateway.snapshot import Chains
from gateway.snapshot_builder import SnapshotBuilder
from sluice.plugin_host.errors import PluginFailed, PluginLoadError
from sluice.sdk import EnrichedRequest
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers
from sluice.sdk.testing import RecordingServices
from tests.gateway.flow import started_plugins
from tests.gateway.worker_plugins import LIVES, OF_A_FILE, Worker, attached, by_id, entity, plugin, settings


async def refused(given: Settings, folder: Path) -> PluginLoadError:
    """Why the plugins of a file do not start; what was started is closed."""
    entities, plugins = entities_of(given), WorkerPlugins()
    with pytest.raises(PluginLoadError) as caught:
        await plugins.start(given, folder, entities.llms, entities.plugins)
    await plugins.close()
    return caught.value


def chained(plugins: WorkerPlugins, given: Settings) -> dict[str, Chains]:
    """The chains of every LLM of a file, by slug."""
    found = {llm.slug: plugins.chains(llm) for llm in entities_of(given).llms.values()}
    assert None not in found.values()
    return {slug: chains for slug, chains in found.items() if chains}


@pytest.fixture(name="worker")
async def a_worker() -> AsyncIterator[Worker]:
    """Closed in the end."""
    made = Worker()
    yield made
    await made.plugins.close()


@pytest.fixture(autouse=True)
def forget() -> None:
    """No life of another test."""
    LIVES.clear()


def names_of(chain: Any) -> list[str]:
    """Who acts, in order."""
    return [] if chain is None else [link.plugin for link in chain.links]


async def test_each_llm_has_its_plugins_in_its_own_order() -> None:
    """The LLM's list says the order, not the registrations; a hook at which none acts has no chain."""
    given = settings([plugin("a"), plugin("b"), plugin("early", "Early")], one=["b", "early", "a"], two=["a"], none=[])
    plugins = await started_plugins(given, Path())
    chains = chained(plugins, given)
    await plugins.close()
    assert {slug: names_of(each.post_auth) for slug, each in chains.items()} == {
        "one": ["b", "a"], "two": ["a"], "none": [],
    }  # fmt: skip
    assert names_of(chains["one"].pre_auth) == ["early"]
    for slug in chains:
        assert chains[slug].response_headers is None
        assert chains[slug].response_body is None
        assert not chains[slug].by_app
    assert chains["two"].pre_auth is None


async def test_a_plugin_lives_once_whoever_uses_it() -> None:
    """Initialised at the start, in the order of registration; shut down at the end, the last one first."""
    given = settings([plugin("a", label="a"), plugin("b", label="b")], one=["b", "a"], two=["a"])
    plugins = await started_plugins(given, Path())
    assert LIVES == ["+a", "+b"]
    for _ in range(2):
        await plugins.close()
    assert LIVES == ["+a", "+b", "-b", "-a"]


async def test_a_plugin_that_nobody_uses_is_started_too() -> None:
    """So that its faults are seen at the start, not when it is first attached."""
    plugins = await started_plugins(settings([plugin("a", label="a")], one=[]), Path())
    await plugins.close()
    assert LIVES == ["+a", "-a"]


async def test_a_start_that_fails_can_be_closed() -> None:
    """The error names the plugin; those before it are shut down, those behind it were never started."""
    given = settings([plugin("a", label="a"), plugin("b", label="b", fails=True), plugin("c", label="c")], one=["a"])
    error = await refused(given, Path())
    assert "'b'" in str(error)
    assert "no database" in str(error)
    assert "-a" in LIVES
    assert "+c" not in LIVES


@pytest.mark.parametrize("kind", ["Missing", "LIVES", "Config", "missing.py"])
async def test_what_is_no_plugin_is_refused(kind: str, tmp_path: Path) -> None:
    """By name, before anything is served."""
    assert "'wrong'" in str(await refused(settings([plugin("wrong", kind)], one=["wrong"]), tmp_path))


async def test_a_plugin_s_path_begins_in_the_settings_folder(tmp_path: Path) -> None:
    """Not where the process happened to be started."""
    (tmp_path / "local.py").write_text(OF_A_FILE)
    given = settings([plugin("local", "local.py")], one=["local"])
    plugins = await started_plugins(given, tmp_path)
    assert names_of(chained(plugins, given)["one"].pre_auth) == ["local"]
    await plugins.close()


async def test_before_its_start_a_worker_has_no_plugins() -> None:
    """An LLM that needs one has no chains yet, one that needs none has; there is nothing to close."""
    plugins = WorkerPlugins()
    plugins.take(by_id(entity(1, "a")))
    assert plugins.chains(attached(1, Attachment(plugin_id=1))) is None
    assert plugins.chains(attached(1)) == Chains()
    assert plugins.chains(attached(1, Attachment(plugin_id=1, is_active=False))) == Chains()
    assert plugins.health() == []
    await plugins.close()


@pytest.mark.parametrize("key", ["max_request_bytes", "max_response_bytes"])
async def test_a_plugin_may_make_no_more_than_the_gateway_carries(key: str) -> None:
    """The larger of the two bounds is its own: beyond it its answer is a failure."""
    for size, decision in ((3_000, "modify"), (3_001, "failed")):
        bounds = {"max_request_bytes": 2_000, "max_response_bytes": 2_000, key: 3_000}
        given = settings([plugin("a", size=size) | {"on_failure": "open"}], gateway=bounds, one=["a"])
        plugins = await started_plugins(given, Path())
        chain, timings = chained(plugins, given)["one"].post_auth, []  # type: ignore[var-annotated]
        assert chain is not None
        request = EnrichedRequest("POST", "/x", "", Headers(), b"", "")
        changed = await chain.run(ExchangeFacts(), request, timings)
        await plugins.close()
        assert [timing["decision"] for timing in timings] == [decision], size
        assert len(changed.body) == (size if decision == "modify" else 0)


async def test_a_plugin_of_the_api_that_cannot_start_stops_nobody(worker: Worker) -> None:
    """The others serve; its health says why, and the exchanges of its LLMs are refused by its policy."""
    llm = attached(1, Attachment(plugin_id=1), Attachment(plugin_id=2))
    await worker.start([llm], [entity(1, "bad", config={"fails": True}), entity(2, "good")])
    assert LIVES == ["+bad", "-bad", "+good"]
    assert names_of(worker.chains(llm).post_auth) == ["bad", "good"]
    health = {each.name: (each.status, each.is_serving) for each in worker.plugins.health()}
    assert health == {"bad": ("failed", False), "good": ("ready", True)}
    chain = worker.chains(llm).post_auth
    assert chain
    with pytest.raises(PluginFailed, match="no database"):
        await chain.run(ExchangeFacts(), EnrichedRequest("POST", "/x", "", Headers(), b"", ""), [])


async def test_an_attachment_with_its_own_configuration_is_a_plugin_of_its_own(worker: Worker) -> None:
    """One instance for all that attach it as it is, one more for each that does not; under one name."""
    shared, own = Attachment(plugin_id=1), Attachment(plugin_id=1, config={"label": "own"})
    llms = [attached(1, shared), attached(2, shared), attached(3, own, own), attached(4, own)]
    await worker.start(llms, [entity(1, "a")])
    assert LIVES == ["+a", "+own", "+own", "+own"]
    assert [names_of(worker.chains(llm).post_auth) for llm in llms] == [["a"], ["a"], ["a", "a"], ["a"]]
    links = [link for llm in llms for link in getattr(worker.chains(llm).post_auth, "links", ())]
    assert links[0] is links[1]
    assert len({*map(id, links)}) == 4


async def test_a_plugin_that_is_attached_in_other_ways_alone_is_not_started_as_it_is(worker: Worker) -> None:
    """Its own configuration may be no whole one; once it is attached without another, it is."""
    own = Attachment(plugin_id=1, config={"label": "own"})
    await worker.start([attached(1, own)], [entity(1, "a")])
    assert LIVES == ["+own"]
    await worker.change([attached(1, own), attached(2, Attachment(plugin_id=1))], [entity(1, "a")])
    assert LIVES == ["+own", "+a"]


async def test_an_app_may_have_plugins_of_its_own(worker: Worker) -> None:
    """In their places among those of everybody, and nobody else's exchanges know of them."""
    llm = attached(
        1,
        Attachment(plugin_id=1, app_id=7),
        Attachment(plugin_id=2),
        Attachment(plugin_id=3, app_id=8),
        Attachment(plugin_id=1),
    )
    await worker.start([llm], [entity(1, "a"), entity(2, "b"), entity(3, "c")])
    chains = worker.chains(llm)
    assert names_of(chains.post_auth) == ["b", "a"]
    found = {app_id: names_of(each.post_auth) for app_id, each in chains.by_app.items()}
    assert found == {7: ["a", "b", "a"], 8: ["b", "c", "a"]}
    assert LIVES == ["+a", "+b", "+c"], "one life of each, whoever it is for"


async def test_a_plugin_that_is_attached_twice_keeps_its_states_apart(worker: Worker) -> None:
    """What it holds back of a stream at one place is not what it holds back at the other."""
    llm = attached(1, Attachment(plugin_id=1, app_id=7), Attachment(plugin_id=2), Attachment(plugin_id=1))
    await worker.start([llm], [entity(1, "a"), entity(2, "b")])
    chains = worker.chains(llm)
    keys = [[link.key for link in chain.links] for chain in (chains.post_auth, chains.by_app[7].post_auth) if chain]
    assert keys == [["2", "1#1"], ["1", "2", "1#1"]]


@pytest.mark.parametrize("where", ["plugin", "attachment", "llm"])
async def test_what_is_not_active_does_not_act(worker: Worker, where: str) -> None:
    """Nor does it live, where nobody else uses it; an inactive LLM needs no instance of its own."""
    config = {"label": "own"} if where == "llm" else None
    llm = attached(1, Attachment(plugin_id=1, is_active=where != "attachment", config=config), is_active=where != "llm")
    await worker.start([llm], [entity(1, "a", is_active=where != "plugin")])
    assert (["+a"], [])[where == "plugin"] == LIVES
    if where != "llm":
        assert worker.chains(llm) == Chains()


async def test_a_change_replaces_what_changed(worker: Worker) -> None:
    """The new one is there before the old one goes; an LLM has no chains while its plugins are not what they should."""
    llm, other = attached(1, Attachment(plugin_id=1)), attached(2, Attachment(plugin_id=2))
    await worker.start([llm, other], [entity(1, "a"), entity(2, "b")])
    kept = worker.chains(other).post_auth
    changed = entity(1, "a2", version=2)
    worker.plugins.take(by_id(changed, entity(2, "b")))
    assert worker.plugins.chains(llm) is None
    await worker.change([llm, other], [changed, entity(2, "b")])
    assert LIVES == ["+a", "+b", "+a2", "-a"]
    assert names_of(worker.chains(llm).post_auth) == ["a2"]
    assert getattr(worker.chains(other).post_auth, "links", None) == getattr(kept, "links", ())


async def test_an_attachment_s_new_configuration_that_fails_leaves_the_old_one(worker: Worker) -> None:
    """Its place is the same, so the instance before it goes on."""
    good, bad = ({"label": "own", "fails": fails} for fails in (False, True))
    llms = [attached(1, Attachment(plugin_id=1, config=config)) for config in (good, bad)]
    await worker.start(llms[:1], [entity(1, "a")])
    await worker.change(llms[1:], [entity(1, "a")])
    assert LIVES == ["+own", "+own", "-own"]
    chain = worker.chains(llms[1]).post_auth
    assert chain
    await chain.run(ExchangeFacts(), EnrichedRequest("POST", "/x", "", Headers(), b"", ""), [])
    assert [(each.status, each.is_serving) for each in worker.plugins.health()] == [("failed", True)]


async def test_another_version_is_another_life(worker: Worker) -> None:
    """Whatever changed of a plugin: an operator who changes it wants it started anew."""
    llm = attached(1, Attachment(plugin_id=1))
    await worker.start([llm], [entity(1, "a")])
    await worker.change([llm], [entity(1, "a", version=2)])
    await worker.change([llm], [entity(1, "a", version=2)])
    assert LIVES == ["+a", "+a", "-a"]


async def test_a_plugin_can_be_tried_out(worker: Worker) -> None:
    """With its own or another configuration; it serves nobody."""
    await worker.start([], [])
    await worker.plugins.try_out(entity(1, "a"))
    with pytest.raises(PluginLoadError, match="no database"):
        await worker.plugins.try_out(entity(1, "a"), {"label": "b", "fails": True})
    assert LIVES == ["+a", "-a", "+b", "-b"]
    assert worker.plugins.health() == []


@pytest.mark.parametrize(
    "values",
    [{"command": "file:///no/such"}, {"command": ""}, {"hook_types": ("pre_auth",)}, {"checksum": "0" * 64}],
)
async def test_what_no_version_of_ours_can_load_is_a_failed_plugin(worker: Worker, values: dict[str, Any]) -> None:
    """Its LLM answers, with a refusal that names it."""
    llm = attached(1, Attachment(plugin_id=1))
    await worker.start([llm], [replace(entity(1, "a"), **values)])
    assert [each.status for each in worker.plugins.health()] == ["failed"]
    assert names_of(worker.chains(llm).post_auth) == ["a"]


async def test_a_plugin_acts_at_every_hook_that_it_has(worker: Worker) -> None:
    """Each has a chain of its own, of those who act there."""
    llm = attached(1, Attachment(plugin_id=2), Attachment(plugin_id=1))
    await worker.start([llm], [entity(1, "all", kind="Everywhere"), entity(2, "some")])
    chains = worker.chains(llm)
    assert names_of(chains.post_auth) == ["some", "all"]
    for chain in (chains.auth, chains.response_body, chains.stream_whole, chains.stream_complete):
        assert names_of(chain) == ["all"]
    assert (chains.pre_auth, chains.response_headers, chains.stream_chunks) == (None, None, None)


async def test_authentication_asks_everybody(worker: Worker) -> None:
    """Nobody knows the app yet; the one that an attachment names is whom its plugin's callers are, failing others."""
    llm = attached(1, Attachment(plugin_id=1, app_id=7), Attachment(plugin_id=1), Attachment(plugin_id=2, app_id=8))
    await worker.start([llm], [entity(1, "a", kind="Everywhere"), entity(2, "b", kind="Everywhere")])
    chains = worker.chains(llm)
    assert chains.auth
    assert [(link.plugin, link.app_id) for link in chains.auth.links] == [("a", 7), ("a", None), ("b", 8)]
    assert names_of(chains.response_body) == ["a"]
    assert names_of(chains.by_app[7].response_body) == ["a", "a"]
    assert [own.auth for own in chains.by_app.values()] == [None, None]


async def test_what_an_attachment_says_of_streams_needs_no_other_life(worker: Worker) -> None:
    """It is the place's, not the plugin's: nothing is loaded again, and other LLMs go on as they were."""
    other = attached(2, Attachment(plugin_id=1))
    plugins = [entity(1, "a", kind="Everywhere", on_stream="refuse")]
    await worker.start([attached(1, Attachment(plugin_id=1)), other], plugins)
    found: dict[str, list[Any]] = {}
    for on_stream in (None, "buffer", "skip", "refuse"):
        llm = attached(1, Attachment(plugin_id=1, on_stream=on_stream))
        await worker.change([llm, other], plugins)
        chains = worker.chains(llm)
        skipped = [link.plugin for link in chains.stream_skipped]
        found[str(on_stream)] = [names_of(chains.stream_whole), chains.stream_refused_by, skipped]
        assert worker.chains(other).stream_refused_by == "a"
    assert found == {
        "None": [[], "a", []], "buffer": [["a"], "", []], "skip": [[], "", ["a"]], "refuse": [[], "a", []],
    }  # fmt: skip
    assert LIVES == ["+a"]


async def test_endpoints_and_receivers_are_one_of_each_plugin(worker: Worker) -> None:
    """The instance that belongs to no attachment where there is one; another object only where something changed."""
    own = attached(1, Attachment(plugin_id=1, config={"label": "own"}), Attachment(plugin_id=2))
    plugins = [entity(1, "a", kind="Door"), entity(2, "b")]
    await worker.start([own], plugins)
    endpoints, receivers = worker.plugins.endpoints, worker.plugins.receivers
    assert [(slug, loaded.key) for slug, loaded in endpoints.items()] == [("a", "1@1.all.1")]
    assert {plugin_id: loaded.key for plugin_id, loaded in receivers.items()} == {1: "1@1.all.1"}
    await worker.change([own, attached(3)], plugins)
    assert worker.plugins.endpoints is endpoints
    assert worker.plugins.receivers is receivers
    await worker.change([own, attached(2, Attachment(plugin_id=1))], plugins)
    assert [loaded.key for loaded in worker.plugins.endpoints.values()] == ["1"]
    assert [loaded.key for loaded in worker.plugins.receivers.values()] == ["1"]
    await worker.change([], [entity(2, "b")])
    assert (worker.plugins.endpoints, worker.plugins.receivers) == ({}, {})


@pytest.mark.parametrize(
    ("values", "hook_types"),
    [
        ({}, ()), ({"hook_types": ("auth",)}, ("auth",)), ({"hook_types": ("auth",), "manifest": {}}, ()),
        ({"hook_types": ("auth",), "manifest": {}, "hook_types_customized": True}, ("auth",)),
    ],
)  # fmt: skip
def test_hooks_follow_the_manifest_unless_an_operator_chose(
    values: dict[str, Any], hook_types: tuple[str, ...]
) -> None:
    """A plugin whose new version acts elsewhere is not held to what the old one said of itself."""
    assert registration_of(entity(1, "a", **values)).hook_types == hook_types


async def test_an_exchange_may_call_what_its_llm_had_when_it_began(worker: Worker) -> None:
    """At any hook, also of the apps that have their own, as which of them it is may not be known yet; before its LLM
    is known it may call anything."""
    llms = [attached(1, Attachment(plugin_id=1)), attached(2, Attachment(plugin_id=2, app_id=7)), attached(3)]
    await worker.start(llms, [entity(1, "a", kind="Everywhere"), entity(2, "b")])
    loaded = {each.key.partition("@")[0]: each for each in worker.plugins._serving().plugins}
    known = SnapshotBuilder(worker.plugins.chains).build(Entities(llms=by_id(*llms))).llms_by_id
    using = [[uses(llm, loaded[key]) for key in ("1", "2")] for llm in (*known.values(), None)]
    assert using == [[True, False], [False, True], [False, False], [True, True]]
    assert uses(known[2].by_app[7], loaded["2"])


async def test_a_plugin_for_one_app_cannot_act_before_the_app_is_known(worker: Worker) -> None:
    """Its exchanges are refused by name, rather than passing a filter that is never asked; nobody else's are."""
    llm = attached(1, Attachment(plugin_id=1, app_id=7), Attachment(plugin_id=2))
    await worker.start([llm], [entity(1, "door", kind="EarlyAndLate"), entity(2, "b")])
    chains = worker.chains(llm)
    assert (chains.pre_auth, names_of(chains.post_auth)) == (None, ["b"])
    own = chains.by_app[7].post_auth
    assert own
    with pytest.raises(PluginFailed, match="attached for one app alone") as caught:
        await own.run(ExchangeFacts(), EnrichedRequest("POST", "/x", "", Headers(), b"", ""), [])
    assert (caught.value.plugin, caught.value.hook) == ("door", "post_auth")


@pytest.mark.parametrize("values", [{"on_failure": "open"}, {"hook_types": ("post_auth",)}])
async def test_unless_an_operator_said_that_it_need_not(worker: Worker, values: dict[str, Any]) -> None:
    """By its policy, or by leaving that hook out."""
    llm = attached(1, Attachment(plugin_id=1, app_id=7))
    await worker.start([llm], [entity(1, "door", kind="EarlyAndLate", **values)])
    own = worker.chains(llm).by_app[7].post_auth
    assert own
    request = EnrichedRequest("POST", "/x", "", Headers(), b"", "")
    assert await own.run(ExchangeFacts(), request, []) == request


async def test_a_hundred_plugins_are_nothing_to_an_llm_that_uses_none(worker: Worker) -> None:
    """It has no chain anywhere, so that it pays one comparison with ``None`` for each hook; whoever uses one of them
    runs that one alone."""
    plugins = [entity(plugin_id, f"p{plugin_id}", kind="Everywhere") for plugin_id in range(1, 101)]
    everything = attached(1, *(Attachment(plugin_id=plugin.id) for plugin in plugins))
    bare, one = attached(2), attached(3, Attachment(plugin_id=50))
    await worker.start([everything, bare, one], plugins)
    assert len(names_of(worker.chains(everything).post_auth)) == 100
    assert worker.chains(bare) == Chains()
    assert not worker.chains(bare).acts_on_streams
    assert names_of(worker.chains(one).post_auth) == ["p50"]
    chain = worker.chains(one).post_auth
    assert chain
    await chain.run(ExchangeFacts(), EnrichedRequest("POST", "/x", "", Headers(), b"", ""), [])
    called = {health.name: health.calls for health in worker.plugins.health() if health.calls}
    assert called == {"p50": 1}


async def test_plugins_are_kept_alive_beside_the_server(worker: Worker) -> None:
    """Until the worker ends."""
    await worker.start([], [entity(1, "a")])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await worker.plugins.run()


async def test_plugins_know_the_gateway_and_have_services() -> None:
    """By its id and namespace; each plugin has services of its own, of the runtime that it is in."""
    made: list[tuple[int, str, str]] = []

    def services(plugin_id: int, name: str, runtime: str) -> Any:
        made.append((plugin_id, name, runtime))
        return RecordingServices()

    plugins = WorkerPlugins()
    given = Settings.model_validate({"gateway": {"id": "edge-1", "namespace": "eu"}})
    await plugins.start(given, Path(), {}, by_id(entity(1, "a", kind="Door")), services)
    context = plugins.endpoints["a"].context()
    await plugins.close()
    assert made == [(1, "a", "gateway")]
    assert (context.edge_id, context.edge_namespace) == ("edge-1", "eu")
