"""A plugin serves when it is complete: initialised, its endpoints right, and with something to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from sluice.plugin_host import host as host_module
from sluice.plugin_host import loading as loading_module
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.host import PluginHost
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.loader import make_plugin
from sluice.plugin_host.loading import Loading, slug_of
from sluice.plugin_host.local import LocalPlugin, open_local
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.plugin_host.settings import PluginHostSettings
from sluice.sdk import (
    BasePlugin,
    Context,
    CustomEndpointHandler,
    DataCollector,
    EdgePayload,
    EdgePayloadReceiver,
    EndpointRegistration,
    ManifestProvider,
    PostAuthHandler,
    PreAuthHandler,
)
from sluice.sdk.testing import RecordingServices
from tests.sluice.plugin_host import lives
from tests.sluice.plugin_host.lives import instances, registration, started
from tests.sluice.plugin_host.plugins import Limit


class Services(RecordingServices):
    """Says when it is let go of."""

    def __init__(self, released: list[str], name: str) -> None:
        super().__init__()
        self._released, self._name = released, name

    def release(self) -> None:
        self._released.append(self._name)


class Endpoints(BasePlugin, CustomEndpointHandler):
    """Registers what its configuration says."""

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        said = self.config.get("registers", [{"path": "/"}])
        if said == "hang":
            await asyncio.get_running_loop().create_future()
        if said == "raise":
            raise OSError("no routes")
        if not isinstance(said, list):
            return said  # type: ignore[no-any-return]
        return [EndpointRegistration(**each) if isinstance(each, dict) else each for each in said]


class Both(Endpoints, PostAuthHandler):
    """Has endpoints and a hook."""

    async def handle_post_auth(self, ctx: Context, request: Any) -> Any:
        return None


class Collector(BasePlugin, DataCollector):
    """Takes what happens."""

    async def handle_proxy_log(self, ctx: Context, log: Any) -> Any:
        return None


class Receiver(BasePlugin, EdgePayloadReceiver):
    """Takes what edges send."""

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        return True


class Manifested(BasePlugin, PreAuthHandler, PostAuthHandler, ManifestProvider):
    """Says by its manifest where it acts."""

    async def handle_pre_auth(self, ctx: Context, request: Any) -> Any:
        return None

    async def handle_post_auth(self, ctx: Context, request: Any) -> Any:
        return None

    def get_manifest(self) -> bytes:
        hooks = self.config["hooks"]
        return json.dumps({"id": "a", "version": "1", "name": "A", "capabilities": {"hooks": hooks}}).encode()


class Bench:
    """Loads plugins, and remembers what became of them."""

    def __init__(self) -> None:
        self.released: list[str] = []
        self.shut_down: list[str] = []
        self.loading = Loading(
            folder=Path(),
            services=lambda _id, name, _runtime: Services(self.released, name),
            settings=PluginHostSettings(),
            runtime="gateway",
            edge_id="edge-1",
            edge_namespace="eu",
            data_dir=Path(),
        )

    async def _shut_down(self, loaded: LoadedPlugin) -> None:
        self.shut_down.append(loaded.name)

    async def load(self, kind: Any, others: Sequence[LoadedPlugin] = (), **values: Any) -> LoadedPlugin:
        """The plugin."""
        command = kind if isinstance(kind, str) else f"python://{kind.__module__}:{kind.__name__}"
        registration = PluginRegistration.model_validate({"id": 1, "name": "mine", "command": command, **values})
        return await self.loading.load(Instance(registration.name, registration), others, self._shut_down)

    async def refusal(self, kind: Any, others: Sequence[LoadedPlugin] = (), **values: Any) -> PluginLoadError:
        """Why it does not serve; what was begun is ended."""
        with pytest.raises(PluginLoadError) as caught:
            await self.load(kind, others, **values)
        name = values.get("name", "mine")
        assert caught.value.plugin == name
        assert [*self.shut_down, *self.released] == [name]
        self.shut_down.clear()
        self.released.clear()
        return caught.value


@pytest.fixture(name="bench")
def a_bench() -> Bench:
    """With services that can be let go of."""
    return Bench()


@pytest.mark.parametrize("kind", [Endpoints, Collector, Receiver])
async def test_a_plugin_needs_no_hook_of_an_exchange(bench: Bench, kind: Any) -> None:
    """To answer HTTP, to take events or payloads is enough."""
    loaded = await bench.load(kind)
    assert (loaded.links, bench.shut_down) == ({}, [])


@pytest.mark.parametrize(
    ("kind", "hook_types", "able"),
    [
        (Limit, ["pre_auth"], "post_auth"), (Limit, ["data_collection"], "post_auth"),
        (Limit, ["custom_endpoint"], "post_auth"), (Collector, ["custom_endpoint"], "data_collection"),
        (Endpoints, ["data_collection", "post_auth"], "custom_endpoint"), (Receiver, ["post_auth"], "nothing"),
        (Both, ["auth"], "post_auth, custom_endpoint"),
    ],
)  # fmt: skip
async def test_one_that_may_do_nothing_is_refused(bench: Bench, kind: Any, hook_types: list[str], able: str) -> None:
    """An operator who restricts a plugin to what it is not would believe himself protected."""
    error = await bench.refusal(kind, hook_types=hook_types)
    assert error.problem == f"implements none of its hook_types ({', '.join(hook_types)})"
    assert error.remedy == f"it implements: {able}"


async def test_one_that_may_do_more_than_it_can_is_told_of(bench: Bench) -> None:
    """It does what it can; that it filters nothing elsewhere, an operator must be able to see."""
    with capture_logs() as logs:
        loaded = await bench.load(Both, hook_types=["post_auth", "auth", "response", "custom_endpoint"])
    assert list(loaded.links) == ["post_auth"]
    told = [line for line in logs if line["event"] == "plugin implements less than its hook_types"]
    assert [(line["plugin"], line["missing"]) for line in told] == [("mine", ["auth", "response"])]
    with capture_logs() as logs:
        await bench.load(Both, hook_types=["post_auth", "custom_endpoint"])
        await bench.load(Both)
    assert logs == []


async def test_a_manifest_that_leaves_hooks_out_is_told_of(bench: Bench) -> None:
    """A filter that its own manifest forgot does not filter."""
    with capture_logs() as logs:
        loaded = await bench.load(Manifested, config={"hooks": ["post_auth"]})
    assert list(loaded.links) == ["post_auth"]
    told = [line for line in logs if line["event"] == "plugin implements more than its manifest names"]
    assert [(line["plugin"], line["left_out"]) for line in told] == [("mine", ["pre_auth"])]


class Lies(Limit):
    """Is not what it seems, when it is asked for its methods."""

    def __getattribute__(self, name: str) -> Any:
        if name == "handle_post_auth":
            raise RuntimeError("guess")
        return super().__getattribute__(name)


async def test_what_cannot_be_asked_for_its_hooks_is_refused(bench: Bench) -> None:
    """By name: an error of one plugin is not one of whoever loads all of them."""
    assert (await bench.refusal(Lies)).problem == "cannot be loaded (RuntimeError: guess)"


async def test_services_that_cannot_be_had_refuse_their_plugin(bench: Bench) -> None:
    """As where their database is gone."""

    def services(*_: Any) -> Any:
        raise OSError("no disk")

    with pytest.raises(PluginLoadError, match=r"cannot be loaded \(OSError: no disk\)"):
        await replace(bench.loading, services=services).load(
            Instance("a", registration(Limit, "mine")), (), bench._shut_down
        )


async def test_endpoints_are_an_operator_s_to_allow(bench: Bench) -> None:
    """A plugin that is for a hook alone opens no door."""
    closed = await bench.load(Both, hook_types=["post_auth"])
    assert (list(closed.links), closed.endpoints, closed.slug) == (["post_auth"], (), "")
    opened = await bench.load(Both, hook_types=["custom_endpoint"])
    assert (list(opened.links), len(opened.endpoints)) == ([], 1)


async def test_endpoints_are_below_the_slug(bench: Bench) -> None:
    """The configuration's where it has one, as plugins of other gateways expect; else the plugin's name."""
    loaded = await bench.load(Endpoints, config={"registers": [{"path": "/a/*", "methods": ("get", "Post")}]})
    assert loaded.slug == "mine"
    assert [(each.path, each.methods) for each in loaded.endpoints] == [("/a/*", ("GET", "POST"))]
    assert (await bench.load(Endpoints, config={"slug": "echo"})).slug == "echo"
    for config in ({"slug": ""}, {"slug": 7}, {}):
        assert slug_of(PluginRegistration.model_construct(name="n", config=config)) == "n"


@pytest.mark.parametrize(
    ("registers", "said"),
    [
        ([{"path": "a"}], "path 'a' does not begin with '/'"), ([{"path": "/../a"}], "climbs with '..'"),
        ([{"path": "/a", "methods": ("BREW",)}], "method 'BREW' is not one of"),
        ([{"path": "/a", "methods": ()}], "name at least one of"),
        ([{"path": "/a"}, {"path": "/a", "methods": ("get",)}], "GET '/a' is registered already"),
        ([{"path": "/{a}"}, {"path": "/{b}"}], "GET '/{b}' is registered already, as '/{a}'"),
        (["/a"], "a registration is of type str"), ("text", "registrations are of type str"),
        (7, "registrations are of type int"),
    ],
)  # fmt: skip
async def test_endpoints_that_cannot_be_refuse_the_plugin(bench: Bench, registers: Any, said: str) -> None:
    """Before anybody calls them."""
    error = await bench.refusal(Endpoints, config={"registers": registers})
    assert "its endpoints cannot be: " in error.problem
    assert said in error.problem


@pytest.mark.parametrize("slug", ["a/b", "..", "a b", "x" * 65, "ä"])
async def test_a_slug_that_no_path_can_have_is_refused(bench: Bench, slug: str) -> None:
    """It would never be called, or something else would."""
    assert "slug" in (await bench.refusal(Endpoints, config={"slug": slug})).problem


async def test_asking_for_endpoints_has_a_deadline(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And may fail."""
    monkeypatch.setattr(loading_module, "ENDPOINTS_SECONDS", 0.02)
    hanging = await bench.refusal(Endpoints, config={"registers": "hang"})
    assert hanging.problem == "get_endpoint_registrations took more than 0.02 s"
    raising = await bench.refusal(Endpoints, config={"registers": "raise"})
    assert raising.problem == "get_endpoint_registrations raised OSError: no routes"


async def test_a_slug_is_one_plugin_s(bench: Bench) -> None:
    """The one that has it keeps it; another life of the same plugin is no other plugin."""
    first = await bench.load(Endpoints, name="first", id=1, config={"slug": "echo"})
    error = await bench.refusal(Endpoints, [first], name="second", id=2, config={"slug": "echo"})
    assert error.problem == "its slug 'echo' is plugin 'first''s already"
    await bench.load(Endpoints, [first], name="first", id=1, config={"slug": "echo"})
    await bench.load(Endpoints, [first], name="second", id=2, config={"slug": "other"})
    without = await bench.load(Both, name="third", id=3, hook_types=["post_auth"], config={"slug": "echo"})
    await bench.load(Endpoints, [without], name="first", id=1, config={"slug": "echo"})


@pytest.mark.parametrize(
    ("hooks", "hook_types", "acts"),
    [
        (["post_auth"], [], ["post_auth"]), (["pre_auth", "post_auth", "agent"], [], ["pre_auth", "post_auth"]),
        (["post_auth"], ["pre_auth"], ["pre_auth"]),
    ],
)  # fmt: skip
async def test_a_manifest_says_where_a_plugin_acts(
    bench: Bench, hooks: list[str], hook_types: list[str], acts: list[str]
) -> None:
    """Unless an operator does."""
    loaded = await bench.load(Manifested, config={"hooks": hooks}, hook_types=hook_types)
    assert list(loaded.links) == acts
    assert loaded.instance.registration.hook_types == tuple(hook_types), "what it is compared by stays the operator's"


async def test_a_manifest_for_others_is_refused(bench: Bench) -> None:
    """It would act everywhere instead of nowhere."""
    error = await bench.refusal(Manifested, config={"hooks": ["studio_ui"]})
    assert error.problem == "its manifest names no hook of a gateway"


async def test_what_opening_raises_is_that_plugin_s(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is, the others load; and its services are let go of."""

    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(loading_module, "open_plugin", broken)
    assert (await bench.refusal(Limit)).problem == "cannot be loaded (ZeroDivisionError: oops)"
    assert (await bench.refusal("file:///a")).problem == "cannot be loaded (ZeroDivisionError: oops)"


async def test_a_plugin_s_hooks_share_its_gate(bench: Bench) -> None:
    """With its bounds, as the operator set them; each is counted by itself."""
    loaded = await bench.load(
        Manifested,
        config={"hooks": ["pre_auth", "post_auth"]},
        breaker_failures=1,
        on_stream="skip",
        on_oversize="skip",
    )
    pre_auth, post_auth = loaded.links["pre_auth"], loaded.links["post_auth"]
    assert pre_auth.gate is post_auth.gate is loaded.gate
    assert pre_auth.tally is not post_auth.tally
    assert {(link.on_stream, link.on_oversize, link.key) for link in loaded.links.values()} == {
        ("skip", "skip", "mine")
    }
    loaded.gate.failed("why")
    assert loaded.gate.is_shut


def endpoints(name: str, plugin_id: int, slug: str) -> PluginRegistration:
    """A plugin with endpoints."""
    return registration(lives.Endpoints, name, id=plugin_id, config={"slug": slug})


async def test_a_taken_slug_refuses_the_plugin_that_comes_later() -> None:
    """The one that serves keeps it, though the other stands before it; when it goes, the other may have it."""
    host = await started(endpoints("first", 1, "echo"))
    taking = endpoints("second", 2, "echo")
    assert await host.reconcile(instances(taking, endpoints("first", 1, "echo"))) == []
    assert [(health.name, health.status) for health in host.health()] == [("second", "failed"), ("first", "ready")]
    assert "its slug 'echo' is plugin 'first''s already" in host.health()[0].error
    again = Instance("second", taking, revision=1)
    retired = await host.reconcile([again])
    assert [loaded.name for loaded in retired] == ["first"]
    assert [(loaded.name, loaded.slug) for loaded in host.plugins] == [("second", "echo")]
    with pytest.raises(PluginLoadError, match="plugin 'b': its slug 'x' is plugin 'a''s already"):
        await started(endpoints("a", 1, "x"), endpoints("b", 2, "x"))


class Lasting(lives.Endpoints):
    """Says when it has ended, and never does where it hangs."""

    hanging: ClassVar[set[str]] = set()
    ended: ClassVar[list[str]] = []

    async def shutdown(self, ctx: Context) -> None:
        label = self.config["label"]
        if label in self.hanging:
            self.ended.append(f"{label} hangs")
            await asyncio.get_running_loop().create_future()
        self.ended.append(label)


def lasting(name: str, at: int, slug: str) -> PluginRegistration:
    """One that answers below this slug."""
    return registration(Lasting, name, id=at, config={"slug": slug, "label": name})


async def test_what_was_loaded_for_nothing_is_shut_down() -> None:
    """The one whose slug is taken at once; the others where the change is cut meanwhile, with the host."""
    Lasting.hanging, Lasting.ended = {"b"}, []
    host = PluginHost(Path())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(
            host.reconcile(instances(lasting("a", 1, "x"), lasting("b", 2, "x"), lasting("c", 3, "y")))
        )
        async with asyncio.timeout(5):
            while Lasting.ended != ["b hangs"]:  # noqa: ASYNC110 - a plugin's life
                await asyncio.sleep(0)
        task.cancel()
    await host.close()
    assert sorted(Lasting.ended) == ["a", "b hangs", "c"]


async def test_a_start_that_fails_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were started ahead of the one that fails end with the host."""
    Lasting.hanging, Lasting.ended = set(), []

    async def open_plugin(given: PluginRegistration, _opening: Any) -> Any:
        if given.command.startswith("file://"):
            return LocalPlugin(make_plugin(lasting(given.name, given.id, "x"), Lasting))
        return await open_local(given, Path())

    monkeypatch.setattr(loading_module, "open_plugin", open_plugin)
    process = PluginRegistration.model_validate({"id": 2, "name": "far", "command": "file:///x"})
    host = PluginHost(Path())
    with pytest.raises(PluginLoadError, match="no licence"):
        await host.start(instances(registration(lives.RefusesToStart, "bad"), process))
    assert Lasting.ended == []
    await host.close()
    assert Lasting.ended == ["far"]


async def test_processes_start_together_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer holds up no other; a core is not asked to start a hundred at once. They take their
    places in the order that was asked for; of two that want one slug the first of that order has it."""
    starting, most = list[str](), 0
    answers: dict[str, asyncio.Event] = {name: asyncio.Event() for name in "abcde"}

    async def open_slowly(given: PluginRegistration, _opening: Any) -> Any:
        nonlocal most
        starting.append(given.name)
        most = max(most, len(starting))
        await answers[given.name].wait()
        starting.remove(given.name)
        made = registration(lives.Endpoints, given.name, config=given.config)
        return LocalPlugin(make_plugin(made, lives.Endpoints))

    monkeypatch.setattr(loading_module, "open_plugin", open_slowly)
    monkeypatch.setattr(host_module, "LOADS_AT_ONCE", 3)
    wanted = [
        PluginRegistration.model_validate(
            {"id": at, "name": name, "command": "file:///x", "config": {"slug": slug}}
        )
        for at, (name, slug) in enumerate(zip("abcde", ("same", "b", "same", "d", "e"), strict=True), 1)
    ]  # fmt: skip
    host = PluginHost(Path())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(host.reconcile(instances(*wanted)))
        for name in "cbdea":
            while name not in starting:  # noqa: ASYNC110 - a plugin's life
                await asyncio.sleep(0)
            assert [health.status for health in host.health()].count("loading") == len(starting)
            answers[name].set()
        await task
    assert most == 3
    assert [(health.name, health.status) for health in host.health()] == [
        ("a", "ready"), ("b", "ready"), ("c", "failed"), ("d", "ready"), ("e", "ready"),
    ]  # fmt: skip
