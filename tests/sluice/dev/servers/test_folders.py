"""Where servers live."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.dev.servers import folders as folders_module
from sluice.dev.servers.folders import RunFolder, locked


def test_a_lock_is_held_by_one_and_tells_who_waits(tmp_path: Path) -> None:
    """Two runs that want the same download do it once, one after the other."""
    waits: list[None] = []

    class GiveUpError(Exception):
        pass

    def waiting() -> None:
        waits.append(None)
        raise GiveUpError

    with locked(tmp_path / "lock", lambda: None), pytest.raises(GiveUpError), locked(tmp_path / "lock", waiting):
        pytest.fail("two held one lock")
    assert waits
    with locked(tmp_path / "lock", waiting):
        pass


def test_only_abandoned_folders_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a run that lives stays, whatever its age; the one of a dead run goes when it is old."""
    living = RunFolder.open(tmp_path, "kafka", None)
    dead = RunFolder.open(tmp_path, "kafka", None)
    assert dead._lock is not None
    dead._lock.close()
    monkeypatch.setattr(folders_module, "_KEPT_SECONDS", -1.0)
    newest = RunFolder.open(tmp_path, "kafka", None)
    assert living.path.exists()
    assert not dead.path.exists()
    newest.close()
    living.close()
    assert not living.path.exists()


def test_a_callers_own_folder_is_kept(tmp_path: Path) -> None:
    """What was put where the caller said is not deleted."""
    folder = RunFolder.open(tmp_path, "kafka", tmp_path / "mine")
    folder.close()
    assert (tmp_path / "mine").is_dir()
