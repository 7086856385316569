"""What a database has, beside what ``tables.py`` says."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from gateway.control.tables import METADATA


def differences(connection: Connection) -> list[object]:
    """Tables, columns, keys and indexes that are on one side alone, or not the same."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, METADATA))
