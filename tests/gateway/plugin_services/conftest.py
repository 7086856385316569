"""What tests of plugin services ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.plugin_services.making import Worker, worker_in


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    """With nothing configured yet."""
    async with worker_in(tmp_path) as made:
        yield made
