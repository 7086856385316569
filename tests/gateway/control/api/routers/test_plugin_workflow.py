"""What a plugin says of itself is kept, and what it asks for is granted by an operator alone."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.entities import Actor
from sluice.plugin_host.running import Described
from tests.gateway.control.api.harness import Api

COMMAND = "file:///opt/sluice/plugins/it"
MANIFEST: dict[str, Any] = {
    "id": "it",
    "version": "2.1.0",
    "name": "It",
    "capabilities": {"hooks": ["post_auth", "on_response"], "primary_hook": "on_response"},
    "permissions": {"services": ["kv.readwrite", "apps.read", "portal.magic"]},
}
SCHEMA = {"type": "object", "properties": {"token": {"type": "string"}}}


def said(**others: Any) -> Described:
    """What the plugin says when it is loaded."""
    values = {"name": "It", "version": "2.1.0", "where": "process", "manifest": MANIFEST, "config_schema": SCHEMA}
    return Described(**{**values, "hooks": ("post_auth",), **others})


@pytest.fixture
async def made(api: Api) -> dict[str, Any]:
    """A plugin that was registered without hooks."""
    api.plugins.said[COMMAND] = said()
    return await api.plugin(command=COMMAND, hook_types=[])


async def test_a_validated_plugin_is_as_its_manifest_says(api: Api, made: dict[str, Any]) -> None:
    """Hooks, schema and manifest are kept; what it asks for waits for an operator."""
    path = f"/plugins/{made['id']}"
    assert (await api.get(f"{path}/workflow-status"))["data"]["status"] == "not_validated"
    found = (await api.post(f"{path}/validate-and-load", {}, 200))["data"]
    assert found["hook_types"] == ["post_auth", "on_response"]
    assert (found["primary_hook"], found["status"]) == ("on_response", "scopes_pending")
    assert (found["manifest"], found["config_schema"], found["where"]) == (MANIFEST, SCHEMA, "process")
    assert sorted(found["scopes"]) == ["apps.read", "kv.readwrite"]
    kept = (await api.get(path))["data"]
    assert kept["hook_types"] == ["post_auth", "on_response"]
    assert (kept["manifest"], kept["config_schema"], kept["service_scopes"]) == (MANIFEST, SCHEMA, [])
    assert kept["validated_at"] == found["loaded_at"]


async def test_scopes_are_granted_and_taken_away(api: Api, made: dict[str, Any]) -> None:
    """Exactly what the manifest asks for and a gateway has."""
    path = f"/plugins/{made['id']}"
    await api.post(f"{path}/validate-and-load", {}, 200)
    pending = (await api.get(f"{path}/workflow-status"))["data"]
    assert (pending["requires_approval"], pending["service_access_authorized"]) == (True, False)
    granted = (await api.post(f"{path}/approve-scopes", {"approved": True}, 200))["data"]
    assert sorted(granted["service_scopes"]) == ["apps.read", "kv.readwrite"]
    ready = (await api.get(f"{path}/workflow-status"))["data"]
    assert (ready["status"], ready["requires_approval"], ready["service_access_authorized"]) == ("ready", False, True)
    assert (await api.post(f"{path}/approve-scopes", {"approved": False}, 200))["data"]["service_scopes"] == []


async def test_nothing_is_granted_unseen(api: Api, made: dict[str, Any]) -> None:
    """409 before its manifest was read; 400 for what is no answer."""
    path = f"/plugins/{made['id']}/approve-scopes"
    assert (await api.post(path, {"approved": True}, 409))["code"] == "not_validated"
    for body in ({}, {"approved": "yes"}, {"approved": None}, {"approved": True, "scopes": ["kv.readwrite"]}):
        await api.post(path, body, 400)


async def test_hooks_that_an_operator_chose_survive(api: Api, made: dict[str, Any]) -> None:
    """However often the manifest is read."""
    path = f"/plugins/{made['id']}"
    await api.put(path, {"hook_types": ["post_auth"]})
    assert (await api.post(f"{path}/validate-and-load", {}, 200))["data"]["hook_types"] == ["post_auth"]
    assert (await api.get(path))["data"]["hook_types"] == ["post_auth"]
    await api.put(path, {"hook_types": []})
    await api.post(f"{path}/validate-and-load", {}, 200)
    assert (await api.get(path))["data"]["hook_types"] == ["post_auth", "on_response"]


async def test_what_cannot_be_loaded_says_why(api: Api, made: dict[str, Any]) -> None:
    """400, and the plugin stays as it was."""
    path = f"/plugins/{made['id']}"
    api.plugins.broken[COMMAND] = "has no execute bit"
    before = (await api.get(path))["data"]
    assert "no execute bit" in (await api.post(f"{path}/validate-and-load", {}, 400))["message"]
    assert "no execute bit" in (await api.get(f"{path}/config-schema", 400))["message"]
    assert (await api.get(path))["data"] == before


async def test_a_plugin_without_any_hook_is_refused(api: Api, made: dict[str, Any]) -> None:
    """400: there is nothing that it could be called for; one that collects, or has endpoints, needs none."""
    path = f"/plugins/{made['id']}/validate-and-load"
    api.plugins.said[COMMAND] = said(manifest=None, hooks=())
    assert (await api.post(path, {}, 400))["code"] == "no_hooks"
    api.plugins.said[COMMAND] = said(manifest=None, hooks=(), collects=frozenset({"analytics"}))
    await api.post(path, {}, 200)


async def test_a_schema_is_shown_and_read_again(api: Api, made: dict[str, Any]) -> None:
    """As the plugin says it, then as it was kept, until it is asked again."""
    path = f"/plugins/{made['id']}/config-schema"
    assert (await api.get(path))["data"]["config_schema"] == SCHEMA
    await api.post(f"{path}/refresh", {}, 200)
    other = {"type": "object"}
    api.plugins.said[COMMAND] = said(config_schema=other)
    assert (await api.get(path))["data"]["config_schema"] == SCHEMA
    assert (await api.post(f"{path}/refresh", {}, 200))["data"]["config_schema"] == other
    assert (await api.get(path))["data"]["config_schema"] == other


async def test_a_plugin_of_the_file_is_looked_at_and_not_changed(api: Api) -> None:
    """What it is stands in the file."""
    file = Actor("file")
    api.plugins.said[COMMAND] = said()
    plugin = await api.store.plugins.create({"name": "f", "slug": "f", "command": COMMAND}, file)
    found = (await api.post(f"/plugins/{plugin.id}/validate-and-load", {}, 200))["data"]
    assert found["manifest"] == MANIFEST
    assert (await api.get(f"/plugins/{plugin.id}"))["data"]["manifest"] is None
    await api.post(f"/plugins/{plugin.id}/approve-scopes", {"approved": False}, 409)


async def test_what_is_not_there_is_404(api: Api) -> None:
    """On every path."""
    for method, path in (("post", "validate-and-load"), ("get", "workflow-status"), ("get", "config-schema")):
        await getattr(api, method)(f"/plugins/9/{path}", *(({}, 404) if method == "post" else (404,)))
