"""A journal's id: kept through every restart, and another's once it is made anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sluice.eventlog.journal.identity import IDENTITY_FILE, ensure_identity, journal_id
from tests.sluice.eventlog.journal.making import begun


async def test_an_id_for_as_long_as_the_journal_lies_there(tmp_path: Path) -> None:
    """Restarts keep it; who removes the folder gets another journal."""
    folder = tmp_path / "w0"
    assert journal_id(folder) == ""
    found = []
    for _ in range(2):
        await begun(folder).close()
        found.append(journal_id(folder))
    shutil.rmtree(folder)
    await begun(folder).close()
    assert found[0] == found[1] != journal_id(folder) != ""


@pytest.mark.parametrize("content", [b"", b"\xff\n", b"not-an-id\n"])
def test_a_damaged_id_is_made_anew(tmp_path: Path, content: bytes) -> None:
    """Nobody is told an id that is none."""
    (tmp_path / IDENTITY_FILE).write_bytes(content)
    assert journal_id(tmp_path) == ""
    ensure_identity(tmp_path)
    assert len(journal_id(tmp_path)) == 36
