"""A manifest says what a plugin is and needs; one that is wrong is refused with everything that is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.manifest import MAX_MANIFEST_BYTES, Manifest, manifest_of, parse_manifest, read_document
from sluice.sdk import BasePlugin, Context, ManifestProvider, PostAuthHandler

GOOD: dict[str, Any] = {
    "id": "com.example.filter",
    "version": "1.2.0",
    "name": "Filter",
    "description": "Keeps things out.",
    "capabilities": {"hooks": ["on_response", "post_auth", "studio_ui"], "primary_hook": "post_auth"},
    "permissions": {"services": ["kv.readwrite", "llms.read", "tools.call"], "kv": ["read"]},
    "ui": {"slots": []},
}


def refusal(**changes: Any) -> str:
    """Why a manifest with these changes is refused."""
    with pytest.raises(PluginLoadError) as caught:
        parse_manifest("p", {**GOOD, **changes})
    return caught.value.problem


def test_a_manifest_that_is_right() -> None:
    """Hooks of others and scopes of others are known to be theirs; keys of others are nobody's business here."""
    assert parse_manifest("p", GOOD) == Manifest(
        id="com.example.filter",
        version="1.2.0",
        name="Filter",
        description="Keeps things out.",
        hooks=("post_auth", "on_response"),
        scopes=("llms.read", "kv.readwrite"),
        other_scopes=("tools.call",),
    )
    least = {"id": "a", "version": "1", "name": "A", "capabilities": {"hooks": ["agent"]}}
    assert parse_manifest("p", least) == Manifest(id="a", version="1", name="A")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": None}, "id is missing"), ({"version": ""}, "version is no text, or empty"),
        ({"name": 7}, "name is no text"), ({"capabilities": None}, "capabilities.hooks names no hook"),
        ({"capabilities": {"hooks": []}}, "capabilities.hooks names no hook"),
        ({"capabilities": {"hooks": "post_auth"}}, "capabilities.hooks names no hook"),
        ({"capabilities": {"hooks": ["post-auth"]}}, "capabilities.hooks: post-auth is none of agent, auth, "),
        ({"capabilities": {"hooks": [["post_auth"]]}}, "capabilities.hooks: ['post_auth'] is none of"),
        (
            {"capabilities": {"hooks": ["auth"], "primary_hook": "post_auth"}},
            "capabilities.primary_hook 'post_auth' is not in capabilities.hooks",
        ),
        ({"capabilities": {"hooks": ["auth"], "primary_hook": []}}, "capabilities.primary_hook [] is not in"),
        ({"permissions": {"services": "all"}}, "permissions.services is no list of texts"),
        ({"permissions": {"services": [{}]}}, "permissions.services is no list of texts"),
        *(
            ({"permissions": {"services": ["kv.readwrite", scope]}}, f"{scope} is given to nobody")
            for scope in ("analytics.read", "analytics.detailed", "analytics.reports")
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str) -> None:
    """By its key; a scope that nobody is given is told before an operator looks for where to grant it."""
    assert said in refusal(**changes)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """An author corrects it once."""
    problem = refusal(id=None, name=None, capabilities={})
    assert problem == "its manifest is wrong: id is missing; name is missing; capabilities.hooks names no hook"


@pytest.mark.parametrize(
    ("given_text", "said"),
    [
        (b"{", "is no JSON"), (b"[]", "is no JSON object"), (b"", "is no JSON"), ({}, "is of type dict, not JSON text"),
        (None, "is of type NoneType"), (b" " * (MAX_MANIFEST_BYTES + 1), "more than"), (b"[" * 100_000, "is no JSON"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_manifest_is_refused(given_text: Any, said: str) -> None:
    """By what it is."""
    with pytest.raises(PluginLoadError) as caught:
        read_document("p", given_text)
    assert said in caught.value.problem


class Manifested(BasePlugin, PostAuthHandler, ManifestProvider):
    """Says what it is told to."""

    said: Any = json.dumps(GOOD).encode()

    def get_manifest(self) -> bytes:
        if isinstance(self.said, BaseException):
            raise self.said
        return self.said  # type: ignore[no-any-return]

    async def handle_post_auth(self, ctx: Context, request: Any) -> Any:
        return None


def test_a_plugin_of_this_process_shows_its_manifest() -> None:
    """As it said it; one that raises, exits or says nonsense is refused by the operator's name."""
    plugin = Manifested()
    assert manifest_of(plugin) == GOOD
    for said, problem in ((ValueError("x"), "raised ValueError"), (SystemExit(3), "raised SystemExit"), (b"", "JSON")):
        plugin.said = said
        with pytest.raises(PluginLoadError, match="plugin 'mine'") as caught:
            manifest_of(plugin, "mine")
        assert problem in caught.value.problem


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(ANY_JSON, ANY_JSON, ANY_JSON)
def test_garbage_is_read_or_refused(capabilities: Any, permissions: Any, name: Any) -> None:
    """Nothing else than PluginLoadError leaves."""
    document = {**GOOD, "capabilities": capabilities, "permissions": permissions, "name": name}
    try:
        manifest = parse_manifest("p", document)
    except PluginLoadError:
        return
    assert manifest.name == name
