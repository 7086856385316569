"""Where a worker's control API and console read events. Loads neither of the two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.eventstore.opening import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings import ControlEventsSettings
    from sluice.eventstore.panels.interface import Panels

EVENTS_DATABASE = "events.db"
"""In ``data_dir``: where collectors of the same folder keep their events database."""


def open_events(events: ControlEventsSettings, data_dir: Path) -> Panels:
    """Where the settings say that events are read; it has connections of its own. Raises EventStoreError."""
    if events.elasticsearch_url:
        return open_store(
            elasticsearch_url=events.elasticsearch_url,
            username=events.username,
            password=events.password.get_secret_value(),
        )
    return open_store(database_url=events.database_url or f"sqlite:///{(data_dir / EVENTS_DATABASE).absolute()}")
