"""What Alembic runs is given its connection and its transaction: it opens none of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

import gateway.control.migrations


def test_there_is_no_database_but_the_one_given() -> None:
    """Without a connection nothing is migrated: no setting, no file and no default names a database here."""
    config = Config()
    config.set_main_option("script_location", str(Path(gateway.control.migrations.__file__).parent))
    with pytest.raises(KeyError, match="connection"):
        command.upgrade(config, "head")
