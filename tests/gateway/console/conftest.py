"""A console over a hundred exchanges that a ledger knows of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.console.running import READ_TOKEN, Console, Ledger, running, spread


@pytest.fixture
def ledger() -> Ledger:
    """What there is to be seen: a hundred exchanges of the last ten hours."""
    return spread(Ledger(), 100, 10)


@pytest.fixture
async def console(tmp_path: Path, ledger: Ledger) -> AsyncIterator[Console]:
    """The console over them."""
    async with running(tmp_path, ledger.events) as console:
        yield console


@pytest.fixture
async def admin(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """Who may do everything."""
    async with console.client() as client:
        yield client


@pytest.fixture
async def reader(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """Who may look only."""
    async with console.client(READ_TOKEN) as client:
        yield client
