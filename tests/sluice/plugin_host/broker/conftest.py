"""What every test of the broker may ask for."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.sluice.plugin_host.broker.asking import Asking, asking


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="sluice-") as path:
        yield Path(path)


@pytest.fixture
async def host(folder: Path) -> AsyncIterator[Asking]:
    """With every scope, and its messages running."""
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks, asking(folder) as made:
        running = tasks.create_task(made.bus.run())
        yield made
        running.cancel()
