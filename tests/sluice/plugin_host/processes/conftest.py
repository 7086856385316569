"""What tests of processes may ask for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """As pytest's own, with a name that leaves room for a socket's, as folders on servers do."""
    with tempfile.TemporaryDirectory(prefix="s-") as folder:
        yield Path(folder)
