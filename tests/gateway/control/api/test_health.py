"""Health in detail: the database and the plugins, in states and counts."""

from __future__ import annotations

import pytest

from gateway.control.errors import ControlDatabaseError
from sluice.plugin_host.host import PluginHealth
from tests.gateway.control.api.harness import Api


async def test_it_is_healthy_while_the_database_is(api: Api) -> None:
    """Needs no token; plugins that failed are told, and make nobody restart the gateway."""
    api.plugins.found = [PluginHealth("1", 1, "x", "failed", "secret reason", False, 0, 0, 0)]
    answer = await api.client.get("/health/detailed", headers={"authorization": ""})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["service"], body["status"], body["database"]["status"]) == ("sluice", "healthy", "healthy")
    assert (body["plugins"]["all_ready"], body["plugins"]["summary"]["failed_plugins"]) == (False, 1)
    assert "secret reason" not in answer.text


async def test_it_is_not_while_the_database_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, without where the database is."""

    async def away() -> int:
        message = "postgresql://db.internal refused"
        raise ControlDatabaseError(message)

    monkeypatch.setattr(api.store, "generation", away)
    answer = await api.client.get("/health/detailed")
    assert (answer.status_code, answer.json()["database"]) == (
        503,
        {"status": "unhealthy", "error": "ControlDatabaseError"},
    )
    assert "db.internal" not in answer.text


async def test_the_root_says_what_it_is(api: Api) -> None:
    """As the reference does."""
    answer = await api.client.get("/", headers={"authorization": ""})
    assert answer.json() == {"service": "sluice", "version": "0.0.0", "status": "running"}
