"""Both stores are the one interface, and so is what settings open."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from sluice.eventstore.opening import open_store
from sluice.eventstore.panels.interface import UNREAD, Panels
from sluice.eventstore.tables import TABLES


@pytest.mark.parametrize("name", ["sqlite", "elasticsearch"])
async def test_what_is_opened_answers_every_question(name: str, tmp_path: Path) -> None:
    """With the very arguments of the Protocol."""
    url = "http://127.0.0.1:9" if name == "elasticsearch" else ""
    store = open_store(database_url=f"sqlite:///{tmp_path / 'e.db'}", elasticsearch_url=url)
    for method in ("figures", "search", "exchange", "close"):
        wanted, given = inspect.signature(getattr(Panels, method)), inspect.signature(getattr(store, method))
        assert list(wanted.parameters)[1:] == list(given.parameters)
    await store.close()


def test_what_is_left_out_of_a_search_is_there_to_be_left_out() -> None:
    """Each is a column of some event."""
    assert {name for table in TABLES.values() for name in table.c.keys()} >= UNREAD  # noqa: SIM118 - no dict
