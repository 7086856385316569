"""A gateway's control API over a real store, and the shell's commands on it, without a socket between them."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.testing
from anyio.from_thread import start_blocking_portal

from gateway.control.admin import client as client_module
from gateway.control.database import DATABASE_FILE
from gateway.settings import ControlSettings
from tests.gateway.control.admin.shell import Shell, opened

command_of = functools.cache(typer.main.get_command)


@pytest.fixture
def control() -> ControlSettings:
    """The settings of the API; a test module may have others."""
    return ControlSettings(allow_private_endpoints=True)


@pytest.fixture
def shell(
    control: ControlSettings, migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    """Commands, whose token is given by an option."""
    shutil.copy(migrated_sqlite, tmp_path / DATABASE_FILE)
    monkeypatch.delenv("SLUICE_ADMIN_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened(tmp_path, control)) as api:
        shell = Shell(api, portal, tmp_path)
        monkeypatch.setattr(client_module, "transport", shell.transport)
        monkeypatch.setattr(typer.testing, "_get_command", command_of)
        yield shell
