"""The first revision: alone it makes the tables of the first version."""

from __future__ import annotations

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, inspect

from gateway.control.migrations.versions import revision_0001

TABLES = {
    "app_llms", "apps", "audit", "budget_periods", "budget_slices", "changes", "file_state", "idempotency",
    "llm_plugins", "llms", "plugins", "prices", "tokens",
}  # fmt: skip


def test_it_makes_every_table() -> None:
    """On an empty database it makes the thirteen tables; nothing comes before it."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        revision_0001.upgrade()
        assert set(inspect(connection).get_table_names()) >= TABLES
    assert revision_0001.down_revision is None
    engine.dispose()
