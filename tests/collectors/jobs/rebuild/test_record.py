"""A job's record is what it was, whoever opens it next."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.record import RECORD, Record


def test_it_is_there_for_the_next_process(tmp_path: Path) -> None:
    """With its token, which is made once and is nobody else's."""
    record, other = Record(tmp_path), Record(tmp_path)
    record.load()
    record.blocked.append("old")
    record.kept["rebuilt"] = "kept"
    record.save()
    other.load()
    assert other == record
    (tmp_path / "elsewhere").mkdir()
    foreign = Record(tmp_path / "elsewhere")
    foreign.load()
    assert len(foreign.token) == 32
    assert foreign.token != record.token


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"token": "x"}', b'{"token": "x", "blocked": 1, "kept": {}}'])
def test_a_damaged_one_is_named(content: bytes, tmp_path: Path) -> None:
    """And nothing is guessed."""
    (tmp_path / RECORD).write_bytes(content)
    with pytest.raises(UsageError, match=r"rebuild.json is damaged; begin the job anew under another name"):
        Record(tmp_path).load()
