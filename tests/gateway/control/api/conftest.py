"""The API for each test, over a store on SQLite; what depends on the database runs on PostgreSQL too."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.control.database import DATABASE_FILE, control_url
from gateway.control.store import ControlStore
from tests.gateway.control.api.harness import Api, open_api


@pytest.fixture
def migrated_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """SQLite alone: that both databases keep the same is held by the store's own tests."""
    shutil.copy(migrated_sqlite, tmp_path / DATABASE_FILE)
    return control_url("", tmp_path)


@pytest.fixture
async def api(store: ControlStore) -> AsyncIterator[Api]:
    """The API, its admin signed in."""
    async with open_api(store) as api:
        yield api
