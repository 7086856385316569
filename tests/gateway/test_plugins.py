"""The plugins of a worker: loaded once, chained for each LLM in its own order, replaced, shut down whatever happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.control.entities import Attachment, LlmEntity, PluginEntity
from gateway.control.file_entities import entities_of
from gateway.plugins import WorkerPlugins
from gateway.settings import Settings
from gateway.snapshot import Chains
from sluice.plugin_host.errors import PluginFailed, PluginLoadError
from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
)
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers
from tests.gateway.flow import started_plugins

LIVES: list[str] = []


class Config(BaseModel):
    """Who it is, and how it starts."""

    label: str = "?"
    fails: bool = False
    size: int = 0


class Living(BasePlugin[Config], PostAuthHandler):
    """Says when it lives; answers with as many bytes as it is told."""

    async def initialize(self, ctx: Context, config: Config) -> None:
        LIVES.append(f"+{config.label}")
        if config.fails:
            raise ValueError("no database")

    async def shutdown(self, ctx: Context) -> None:
        LIVES.append(f"-{self.config.label}")

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.modify(body=b"x" * self.config.size)


class Early(BasePlugin, PreAuthHandler):
    """Acts at one hook alone."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.allow()


OF_A_FILE = """
from sluice.sdk import BasePlugin, PreAuthHandler, PluginResponse

class Local(BasePlugin, PreAuthHandler):
    async def handle_pre_auth(self, ctx, request):
        return PluginResponse.allow()
"""


def plugin(name: str, kind: str = "Living", **config: Any) -> dict[str, Any]:
    """A registration."""
    command = kind if kind.endswith(".py") else f"python://{__name__}:{kind}"
    return {"name": name, "command": command, "config": config}


def settings(plugins: list[dict[str, Any]], gateway: dict[str, Any] | None = None, **chains: list[str]) -> Settings:
    """Each LLM with its plugins."""
    llms = [
        {"id": at, "slug": slug, "base_url": "http://a", "plugins": names}
        for at, (slug, names) in enumerate(chains.items(), 1)
    ]
    numbered = [registration | {"id": at} for at, registration in enumerate(plugins, 1)]
    return Settings.model_validate({"plugins": numbered, "llms": llms, "gateway": gateway or {}})


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


def entity(plugin_id: int, label: str, **values: Any) -> PluginEntity:
    """A plugin that was made over the API."""
    config = {"label": label, **values.pop("config", {})}
    command = f"python://{__name__}:{values.pop('kind', 'Living')}"
    return PluginEntity(id=plugin_id, name=label, slug=label, command=command, config=config, **values)


def attached(llm_id: int, *attachments: Attachment, **values: Any) -> LlmEntity:
    """An LLM with these plugins."""
    name = f"llm-{llm_id}"
    return LlmEntity(
        id=llm_id, slug=name, name=name, vendor="openai", endpoint="http://a", attachments=attachments, **values
    )


def by_id(*made: Any) -> dict[int, Any]:
    """Entities, by their ids."""
    return {each.id: each for each in made}


class Worker:
    """Plugins of a worker whose configuration changes."""

    def __init__(self) -> None:
        self.plugins = WorkerPlugins()

    async def start(self, llms: list[LlmEntity], plugins: list[PluginEntity]) -> None:
        """Begin with these."""
        await self.plugins.start(Settings(), Path(), by_id(*llms), by_id(*plugins))

    async def change(self, llms: list[LlmEntity], plugins: list[PluginEntity]) -> None:
        """Go on with these, and let go of others."""
        self.plugins.take(by_id(*plugins))
        await self.plugins.retire(await self.plugins.reconcile(by_id(*llms)))

    def chains(self, llm: LlmEntity) -> Chains:
        """Of an LLM whose plugins are there."""
        chains = self.plugins.chains(llm)
        assert chains is not None
        return chains


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
    [{"command": "file:///bin/sh"}, {"command": ""}, {"hook_types": ("data_collection",)}, {"checksum": "0" * 64}],
)
async def test_what_no_version_of_ours_can_load_is_a_failed_plugin(worker: Worker, values: dict[str, Any]) -> None:
    """Its LLM answers, with a refusal that names it."""
    llm = attached(1, Attachment(plugin_id=1))
    await worker.start([llm], [replace(entity(1, "a"), **values)])
    assert [each.status for each in worker.plugins.health()] == ["failed"]
    assert names_of(worker.chains(llm).post_auth) == ["a"]
