"""The stores that ``retention`` names, opened from the entries of the same file."""

from __future__ import annotations

from pathlib import Path

from collectors.entries import FALLBACK, AnyEntry, DatabaseEntry, ElasticsearchEntry, FileEntry
from collectors.plans import EVENTS_DATABASE
from collectors.retention.files import FileStore
from collectors.retention.indices import IndexStore
from collectors.retention.rows import RowStore
from collectors.retention.stores import Store
from collectors.settings import HostSettings, Settings
from collectors.sinks.elasticsearch.access import open_http
from collectors.sinks.settings import DatabaseSettings
from schemas.topics import Topics

_CONNECTIONS = 2


def open_store(name: str, settings: Settings, host: HostSettings, folder: Path) -> Store:
    """The store of an entry, reached with its own settings; ``folder`` is where relative paths begin."""
    entry = next((each for each in settings.data_collection_plugins if each.name == name), None)
    if entry is None and name == FALLBACK:
        return RowStore(DatabaseSettings(url=f"sqlite:///{host.data_dir / EVENTS_DATABASE}"))
    return _open(name, entry, host, folder)


def _open(name: str, entry: AnyEntry | None, host: HostSettings, folder: Path) -> Store:
    if isinstance(entry, DatabaseEntry):
        return RowStore(entry.config)
    if isinstance(entry, FileEntry):
        topics = Topics(host.kafka.namespace, host.kafka.partitions)
        return FileStore((folder / entry.config.output_directory).absolute(), topics)
    if isinstance(entry, ElasticsearchEntry):
        return IndexStore(entry.config, open_http(entry.config, connections=_CONNECTIONS))
    message = f"retention.stores.{name}: no entry with a store that retention knows"
    raise ValueError(message)
