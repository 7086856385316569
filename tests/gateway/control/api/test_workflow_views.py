"""How far a plugin is on its way follows from what it asked for and what it was granted."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.api.workflow_views import ValidatedPlugin, ValidatedPluginView, requested_scopes, workflow_of
from gateway.control.entities import PluginEntity
from sluice.plugin_host.running import Described

MANIFEST: dict[str, Any] = {"id": "x", "version": "1", "name": "x", "capabilities": {"hooks": ["post_auth"]}}


def plugin(services: list[str] | None = None, **values: Any) -> PluginEntity:
    """One whose manifest asks for these."""
    manifest = MANIFEST if services is None else {**MANIFEST, "permissions": {"services": services}}
    return PluginEntity(**{"id": 1, "name": "x", "slug": "x", "command": "x.py", "manifest": manifest, **values})


@pytest.mark.parametrize(
    ("asked", "granted", "validated_at", "status"),
    [
        (None, (), None, "not_validated"),
        (["apps.read"], ("apps.read",), None, "not_validated"),
        (None, (), 1, "ready"),
        (["apps.read"], (), 1, "scopes_pending"),
        (["apps.read", "llms.read"], ("llms.read",), 1, "scopes_pending"),
        (["apps.read"], ("apps.read", "llms.read"), 1, "ready"),
        (["no.such"], (), 1, "ready"),
    ],
)
def test_a_plugin_waits_for_what_it_asked_for(
    asked: list[str] | None, granted: tuple[str, ...], validated_at: int | None, status: str
) -> None:
    """And for nothing else: a scope that no gateway has can be granted by nobody."""
    assert workflow_of(plugin(asked, service_scopes=granted, validated_at=validated_at)).status == status


@pytest.mark.parametrize(
    "manifest", [None, {}, {"permissions": 3}, {**MANIFEST, "permissions": {"services": ["a", 1]}}]
)
def test_a_manifest_that_is_wrong_asks_for_nothing(manifest: Any) -> None:
    """Rather than for what can be made of it."""
    assert requested_scopes(plugin(manifest=manifest)) == ()


@pytest.mark.parametrize(
    ("manifest", "hook_types", "primary"),
    [
        ({"capabilities": {"primary_hook": "auth"}}, ("post_auth",), "auth"),
        ({}, ("post_auth", "auth"), "post_auth"),
        (None, (), "pre_auth"),
    ],
)
def test_the_primary_hook_is_the_manifest_s_or_the_first(
    manifest: dict[str, Any] | None, hook_types: tuple[str, ...], primary: str
) -> None:
    """Of the registration, else of what it implements."""
    described = Described(name="x", manifest=manifest, hooks=("pre_auth",))
    found = ValidatedPlugin(plugin(manifest=manifest), described, hook_types, 1)
    assert ValidatedPluginView.of(found).primary_hook == primary
