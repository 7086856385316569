"""What is kept of a service's configuration: for its owner's eyes, whole or not at all, never another service's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog

from collectors.configuration.last_good import LastGood
from sluice.settings import SettingsError

URL = "https://config.example"


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    """The newest of it, by another process too; nothing where nothing was kept."""
    assert LastGood(tmp_path / "data", URL).read() is None
    for data in (b"one", b"two"):
        LastGood(tmp_path / "data", URL).write(data)
    assert LastGood(tmp_path / "data", URL).read() == b"two"
    assert LastGood(tmp_path / "data", f"{URL}/other").read() is None


def test_it_is_its_owner_s_alone(tmp_path: Path) -> None:
    """Whatever the umask says: secrets may stand in it. No half of a file is left beside it."""
    before = os.umask(0)
    try:
        LastGood(tmp_path, URL).write(b"secret")
    finally:
        os.umask(before)
    path = LastGood(tmp_path, URL).path
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_can_write_is_not_used(tmp_path: Path, mode: int) -> None:
    """It names programs that would be run as us."""
    kept = LastGood(tmp_path, URL)
    kept.write(b"data")
    kept.path.chmod(mode)
    with pytest.raises(SettingsError, match="could have been written by others"):
        kept.read()


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """With its path."""
    kept = LastGood(tmp_path, URL)
    kept.path.mkdir(parents=True)
    with pytest.raises(SettingsError, match=str(kept.path)):
        kept.read()


def test_a_disk_that_refuses_ends_nothing(tmp_path: Path) -> None:
    """It is logged: what runs does not need the file."""
    (tmp_path / "data").write_text("no folder")
    with structlog.testing.capture_logs() as lines:
        LastGood(tmp_path / "data", URL).write(b"data")
    assert [line["event"] for line in lines] == ["configuration is not kept"]
