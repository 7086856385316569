"""What lies here carries the marker ``gateway``: ``make test`` runs it as a part of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before pytest selects by markers; the items are those of the whole run."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker("gateway")
