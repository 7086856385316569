"""Expired keys of plugins: counted and deleted, and no database is made for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from collectors.errors import Retryable
from collectors.retention.expired_keys import delete_expired
from sluice.plugin_host.kv import FILE_NAME
from sluice.plugin_host.kv_database import PURGE_ROWS, Entry, KvDatabase
from sluice.plugin_host.kv_schema import NEVER

NOW = 1_000_000


def test_what_has_expired_goes(tmp_path: Path) -> None:
    """All of it, beyond one turn's rows; a dry look counts it exactly; what has not, or never does, stays."""
    database = KvDatabase(tmp_path / FILE_NAME)
    for at in range(PURGE_ROWS + 3):
        database.write(Entry(1, f"old{at}".encode(), b"v", NOW - 1 - at % 5), 0, 1 << 30)
    database.write(Entry(1, b"later", b"v", NOW + 1), 0, 1 << 30)
    database.write(Entry(1, b"never", b"v", NEVER), 0, 1 << 30)
    assert delete_expired(tmp_path, NOW, is_dry=True) == PURGE_ROWS + 3
    assert delete_expired(tmp_path, NOW, is_dry=False) == PURGE_ROWS + 3
    assert delete_expired(tmp_path, NOW, is_dry=False) == 0
    assert database.list(1, b"", 10, 0) == [b"later", b"never"]
    database.close()


def test_no_database_is_made(tmp_path: Path) -> None:
    """A host without plugins has none."""
    assert delete_expired(tmp_path, NOW, is_dry=False) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_said(tmp_path: Path) -> None:
    """And left as it is."""
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(Retryable, match=FILE_NAME):
        delete_expired(tmp_path, NOW, is_dry=True)
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(tmp_path / FILE_NAME).execute("SELECT 1 FROM kv")
