"""Runs the steps that a database has not seen yet, within the transaction it is given."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.engine import Connection

from gateway.control.errors import ControlDatabaseError
from gateway.control.migrations import HEAD


def upgrade(connection: Connection, revision: str | None) -> None:
    """From ``revision`` (``None``: an empty database) to ``HEAD``. Raises ControlDatabaseError where it is newer."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    if revision is not None and not _knows(config, revision):
        message = (
            f"the control database has revision {revision}, which a newer version of Sluice wrote; this one knows up "
            f"to {HEAD}. Start the newer version, or restore a backup from before it"
        )
        raise ControlDatabaseError(message)
    command.upgrade(config, HEAD)


def _knows(config: Config, revision: str) -> bool:
    try:
        return ScriptDirectory.from_config(config).get_revision(revision) is not None
    except CommandError:
        return False
