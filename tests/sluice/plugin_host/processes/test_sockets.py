"""Folders for sockets are private, short enough, and gone when their owners are."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sluice.plugin_host.processes.sockets import MAX_FOLDER_BYTES, SocketFolder


def test_a_folder_is_private_and_holds_sockets(tmp_path: Path) -> None:
    """Mode 0700, with room for the name that a plugin gives its socket."""
    folder = SocketFolder(tmp_path)
    assert folder.path.is_relative_to(tmp_path)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder.path / "plugin12345678901234"))
    assert Path(folder.host_socket).parent == folder.path
    folder.close()
    folder.close()
    assert not folder.path.exists()


def test_a_long_data_dir_has_its_sockets_elsewhere(tmp_path: Path) -> None:
    """A socket's path has 107 bytes."""
    folder = SocketFolder(tmp_path / ("long" * 20))
    assert len(str(folder.path)) <= MAX_FOLDER_BYTES
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    folder.close()


def test_what_others_made_in_a_temporary_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor swept: neither a link, nor a folder that others may write to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = tmp_path / f"sluice-sockets-{os.geteuid()}"
    precious = tmp_path / "elsewhere" / "plugin-precious"
    precious.mkdir(parents=True)
    place.symlink_to(precious.parent)
    with pytest.raises(PermissionError, match="not a folder of ours alone"):
        SocketFolder(tmp_path / ("long" * 20))
    place.unlink()
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(PermissionError):
        SocketFolder(tmp_path / ("long" * 20))
    place.chmod(0o700)
    SocketFolder(tmp_path / ("long" * 20)).close()
    assert precious.is_dir()


def test_neighbours_in_a_temporary_folder_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they are called."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "plugin-of-somebody").mkdir()
    SocketFolder(tmp_path / ("long" * 20)).close()
    assert (tmp_path / "plugin-of-somebody").is_dir()


def test_folders_of_the_dead_are_swept(tmp_path: Path) -> None:
    """Of a process that was killed; never those of who lives."""
    living = SocketFolder(tmp_path)
    script = (
        "import os, sys, pathlib; from sluice.plugin_host.processes.sockets import SocketFolder;"
        "print(SocketFolder(pathlib.Path(sys.argv[1])).path, flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert left.is_dir()
    another = SocketFolder(tmp_path)
    assert not left.exists()
    assert living.path.is_dir()
    living.close()
    another.close()


def test_what_is_no_folder_of_ours_stays(tmp_path: Path) -> None:
    """Also a link that is named like one."""
    SocketFolder(tmp_path).close()
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "sockets" / "plugin-link").symlink_to(precious)
    SocketFolder(tmp_path).close()
    assert precious.is_dir()
