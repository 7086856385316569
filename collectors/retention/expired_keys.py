"""Keys of plugins that have expired: what a host with plugins deletes anyway, for hosts whose plugins are gone."""

from __future__ import annotations

from pathlib import Path

from collectors.errors import Retryable
from sluice.plugin_host.kv import FILE_NAME
from sluice.plugin_host.kv_database import PURGE_ROWS, KvDatabase
from sluice.sdk.errors import ServiceUnavailable


def delete_expired(data_dir: Path, now: int, is_dry: bool) -> int:
    """How many were, or would be; makes no database where there is none. Blocks; raises Retryable."""
    path = data_dir / FILE_NAME
    if not path.exists():
        return 0
    database = KvDatabase(path)
    try:
        if is_dry:
            return database.count_expired(now)
        deleted = 0
        while (count := database.purge(now)) == PURGE_ROWS:
            deleted += count
        return deleted + count
    except ServiceUnavailable as error:
        raise Retryable(str(error)) from error
    finally:
        database.close()
