"""The plugins of a worker: loaded once, chained for each LLM in its own order, shut down whatever happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.plugins import WorkerPlugins
from gateway.settings import Settings
from sluice.plugin_host.errors import PluginLoadError
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
    plugins = WorkerPlugins()
    await plugins.start(given, Path())
    chains = plugins.chains()
    await plugins.close()
    assert {slug: names_of(each.post_auth) for slug, each in chains.items()} == {
        "one": ["b", "a"], "two": ["a"], "none": [],
    }  # fmt: skip
    assert names_of(chains["one"].pre_auth) == ["early"]
    for slug in chains:
        assert chains[slug].response_headers is None
        assert chains[slug].response_body is None
    assert chains["two"].pre_auth is None


async def test_a_plugin_lives_once_whoever_uses_it() -> None:
    """Initialised at the start, in the order of registration; shut down at the end, the last one first."""
    given = settings([plugin("a", label="a"), plugin("b", label="b")], one=["b", "a"], two=["a"])
    plugins = WorkerPlugins()
    await plugins.start(given, Path())
    plugins.chains()
    plugins.chains()
    assert LIVES == ["+a", "+b"]
    for _ in range(2):
        await plugins.close()
    assert LIVES == ["+a", "+b", "-b", "-a"]


async def test_a_plugin_that_nobody_uses_is_started_too() -> None:
    """So that its faults are seen at the start, not when it is first attached."""
    plugins = WorkerPlugins()
    await plugins.start(settings([plugin("a", label="a")], one=[]), Path())
    await plugins.close()
    assert LIVES == ["+a", "-a"]


async def test_a_start_that_fails_can_be_closed() -> None:
    """The error names the plugin; those before it are shut down, those behind it were never started."""
    given = settings([plugin("a", label="a"), plugin("b", label="b", fails=True), plugin("c", label="c")], one=["a"])
    plugins = WorkerPlugins()
    with pytest.raises(PluginLoadError, match=r"'b'.*no database"):
        await plugins.start(given, Path())
    await plugins.close()
    assert "-a" in LIVES
    assert "+c" not in LIVES


@pytest.mark.parametrize("kind", ["Missing", "LIVES", "Config", "missing.py"])
async def test_what_is_no_plugin_is_refused(kind: str, tmp_path: Path) -> None:
    """By name, before anything is served."""
    plugins = WorkerPlugins()
    with pytest.raises(PluginLoadError, match="'wrong'"):
        await plugins.start(settings([plugin("wrong", kind)], one=["wrong"]), tmp_path)
    await plugins.close()


async def test_a_plugin_s_path_begins_in_the_settings_folder(tmp_path: Path) -> None:
    """Not where the process happened to be started."""
    (tmp_path / "local.py").write_text(OF_A_FILE)
    plugins = WorkerPlugins()
    await plugins.start(settings([plugin("local", "local.py")], one=["local"]), tmp_path)
    assert names_of(plugins.chains()["one"].pre_auth) == ["local"]
    await plugins.close()


async def test_before_its_start_a_worker_has_no_chains() -> None:
    """And nothing to close."""
    plugins = WorkerPlugins()
    assert plugins.chains() == {}
    await plugins.close()


@pytest.mark.parametrize("key", ["max_request_bytes", "max_response_bytes"])
async def test_a_plugin_may_make_no_more_than_the_gateway_carries(key: str) -> None:
    """The larger of the two bounds is its own: beyond it its answer is a failure."""
    for size, decision in ((3_000, "modify"), (3_001, "failed")):
        bounds = {"max_request_bytes": 2_000, "max_response_bytes": 2_000, key: 3_000}
        given = settings([plugin("a", size=size) | {"on_failure": "open"}], gateway=bounds, one=["a"])
        plugins = WorkerPlugins()
        await plugins.start(given, Path())
        chain, timings = plugins.chains()["one"].post_auth, []  # type: ignore[var-annotated]
        assert chain is not None
        request = EnrichedRequest("POST", "/x", "", Headers(), b"", "")
        changed = await chain.run(ExchangeFacts(), request, timings)
        await plugins.close()
        assert [timing["decision"] for timing in timings] == [decision], size
        assert len(changed.body) == (size if decision == "modify" else 0)
