"""From a worker's plane to its console."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.console.running import Console, running


async def test_its_connections_are_its_own(console: Console) -> None:
    """The store that pages ask is not the control API's, so neither waits for the other."""
    assert console.parts.events is not console.services.events


async def test_settings_are_what_it_is_made_of(tmp_path: Path) -> None:
    """Hours, questions at once, collectors."""
    own = {"session_hours": 1, "max_queries": 2, "collectors": ["http://127.0.0.1:9464/"]}
    async with running(tmp_path, console=own) as console:
        assert console.parts.sessions.seconds == 3600
        assert console.parts.collectors.urls == ("http://127.0.0.1:9464",)
