"""Plugins now, and loading one anew."""

from __future__ import annotations

import httpx

from tests.gateway.console.running import Console


async def test_state_figures_and_order(reader: httpx.AsyncClient) -> None:
    """Each plugin with its instances; the chain of each LLM; no configuration, which may hold credentials."""
    answer = await reader.get("plugins")
    [plugin] = answer.json()["plugins"]
    assert (plugin["name"], plugin["state"]) == ("firewall", "ready")
    assert plugin["instances"][0]["figures"]["post_auth"]["calls"] == 0
    assert [each["name"] for each in answer.json()["chains"][0]["plugins"]] == ["firewall"]
    assert "forbidden" not in answer.text


async def test_an_admin_loads_one_anew_and_the_audit_says_who(console: Console, admin: httpx.AsyncClient) -> None:
    """Renewed for every worker; an unknown one is 404."""
    assert (await admin.post("plugins/1/reload")).json() == {"plugin": "firewall"}
    entries = (await console.services.store.audit_entries()).items
    assert any(entry.kind == "plugin" and entry.actor.startswith("ops (") for entry in entries)
    assert (await admin.post("plugins/99/reload")).status_code == 404
