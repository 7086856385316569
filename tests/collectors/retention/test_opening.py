"""Stores are reached as their entries say."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.retention.files import FileStore
from collectors.retention.indices import IndexStore
from collectors.retention.opening import open_store
from collectors.retention.rows import RowStore
from collectors.settings import HostSettings, Settings

ENTRIES = [
    {"name": "search", "path": "sink://elasticsearch"},
    {"name": "archive", "path": "sink://file", "config": {"output_directory": "out"}},
    {"name": "rows", "path": "sink://database", "config": {"url": "sqlite:///x.db"}},
    {"name": "out", "path": "sink://stdout"},
]


async def test_each_has_its_store(tmp_path: Path) -> None:
    """With the entry's settings; a relative folder begins where the file lies, the fallback in the data folder."""
    settings = Settings.model_validate({"data_collection_plugins": ENTRIES})
    host = HostSettings(data_dir=tmp_path / "data")
    kinds = {"search": IndexStore, "archive": FileStore, "rows": RowStore, "fallback": RowStore}
    for name, kind in kinds.items():
        opened = open_store(name, settings, host, tmp_path)
        assert isinstance(opened, kind)
        await opened.close()
    archive = open_store("archive", settings, host, tmp_path)
    assert isinstance(archive, FileStore)
    assert archive._folder == tmp_path / "out"
    fallback = open_store("fallback", settings, host, tmp_path)
    assert isinstance(fallback, RowStore)
    assert str(fallback._engine.url.database) == str(tmp_path / "data" / "events.db")
    await fallback.close()
    for name in ("out", "nobody"):
        with pytest.raises(ValueError, match="no entry with a store"):
            open_store(name, settings, host, tmp_path)
