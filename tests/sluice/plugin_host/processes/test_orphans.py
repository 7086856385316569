"""What was started for a folder is ended with it, and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sluice.plugin_host.processes.orphans import end_orphans
from sluice.plugin_host.processes.variables import SOCKETS


def test_only_what_was_started_for_a_folder_is_ended(tmp_path: Path) -> None:
    """Neither a neighbour whose name begins the same, nor who merely speaks of it."""
    places = (str(tmp_path / "a"), str(tmp_path / "ab"), "")
    environments = [{SOCKETS: place, "NOTE": f"{SOCKETS}={tmp_path / 'a'}"[1:]} for place in places]
    processes = [subprocess.Popen(["/bin/sleep", "60"], env=each) for each in environments]
    try:
        end_orphans([tmp_path / "c", tmp_path / "a"])
        assert processes[0].wait(5) == -9
        assert [each.poll() for each in processes[1:]] == [None, None]
    finally:
        for each in processes:
            each.kill()
            each.wait()


def test_where_no_folder_was_left_nobody_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most starts have nothing to sweep, and pay nothing."""
    monkeypatch.setattr(os, "scandir", None)
    end_orphans([])
