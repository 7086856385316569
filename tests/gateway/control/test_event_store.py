"""Where events are read, as the settings say; what reads them is loaded by whoever asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.control.event_store import EVENTS_DATABASE, open_events
from gateway.settings import ControlEventsSettings
from sluice.eventstore.queries import EventStoreError


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ({}, "DatabasePanels"),
        ({"database_url": "sqlite:////nowhere/events.db"}, "DatabasePanels"),
        ({"elasticsearch_url": "http://127.0.0.1:1"}, "ElasticsearchPanels"),
    ],
)
async def test_what_is_named_is_opened(tmp_path: Path, named: dict[str, Any], kind: str) -> None:
    """By default the events database beside the journals; nothing is made or asked before the first question."""
    panels = open_events(ControlEventsSettings.model_validate(named), tmp_path)
    assert type(panels).__name__ == kind
    await panels.close()
    assert not (tmp_path / EVENTS_DATABASE).exists()


def test_what_cannot_be_asked_is_refused_by_its_setting(tmp_path: Path) -> None:
    """Whoever opens it at a start ends with that."""
    with pytest.raises(EventStoreError, match=r"control\.events\.elasticsearch_url"):
        open_events(ControlEventsSettings.model_validate({"elasticsearch_url": "ftp://nowhere"}), tmp_path)


def test_a_named_store_is_opened_without_the_api() -> None:
    """A worker looks at its start whether it can be asked, and would have the API in memory from then on: seven MiB."""
    code = (
        "import sys; from pathlib import Path; from gateway.control.event_store import open_events; "
        "from gateway.settings import ControlEventsSettings as Named; "
        "open_events(Named(elasticsearch_url='http://127.0.0.1:1'), Path()); "
        "print(*({'fastapi', 'gateway.control.serving', 'gateway.control.api.renderer'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout == "\n"
