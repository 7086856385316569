"""Only what was looked at is run, and every refusal says why and what to do."""

from __future__ import annotations

import hashlib
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.processes.executable import Executable, open_executable
from tests.sluice.plugin_host.processes.peers import write_script


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """One that may be run."""
    return write_script(tmp_path / "plugin", "echo original")


def opened(path: Path | str, allowed: Path | None = None) -> Executable:
    """The executable of a path, anywhere unless told."""
    return open_executable("p", f"file://{path}", [allowed or Path("/")])


def test_a_script_is_run_by_its_path(script: Path) -> None:
    """What it imports lies beside it."""
    with closing(opened(script, script.parent)) as executable:
        assert executable.target == str(script)
        executable.verify()


def test_a_binary_is_run_by_the_very_file_that_was_looked_at(tmp_path: Path) -> None:
    """Though another lies at its path by then."""
    path = tmp_path / "plugin"
    path.write_bytes(Path("/bin/echo").resolve().read_bytes())
    path.chmod(0o755)
    with closing(opened(path)) as executable:
        path.unlink()
        write_script(path, "echo swapped")
        run = subprocess.run(
            [executable.target, "original"], pass_fds=(executable.descriptor,), capture_output=True, check=True
        )
        assert run.stdout == b"original\n"
        with pytest.raises(PluginLoadError, match="was changed while it was being started"):
            executable.verify()


def rewrite(path: Path) -> None:
    """In place, to the same length."""
    path.write_text(path.read_text().replace("original", "swapped!"))


def replace(path: Path) -> None:
    """By another of the same content."""
    other = write_script(path.with_name("other"), "echo original")
    other.rename(path)


def swap_and_swap_back(path: Path) -> None:
    """As if nothing had happened."""
    path.rename(path.with_name("away"))
    path.with_name("away").rename(path)


@pytest.mark.parametrize("change", [rewrite, replace, swap_and_swap_back, os.unlink])
def test_a_change_after_the_look_is_found(script: Path, change: object) -> None:
    """Also one that leaves the content, or puts everything back."""
    assert callable(change)
    with closing(opened(script)) as executable:
        times = script.stat()
        change(script)
        if script.exists():
            os.utime(script, ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(PluginLoadError, match="was changed"):
            executable.verify()


def test_the_checksum_is_that_of_the_open_file(script: Path) -> None:
    """With or without its scheme; another is refused with both sums."""
    right = hashlib.sha256(script.read_bytes()).hexdigest()
    with closing(opened(script)) as executable:
        executable.check_sum(right)
        executable.check_sum(f"sha256:{right}")
        with pytest.raises(PluginLoadError, match=f"is {right}, not its checksum {'0' * 64}; put the right file there"):
            executable.check_sum("0" * 64)


class Refusals:
    """Files that are not run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def missing(self) -> Path:
        return self.folder / "missing"

    def below_a_file(self) -> Path:
        return write_script(self.folder / "file", "") / "x"

    def directory(self) -> Path:
        (self.folder / "directory").mkdir()
        return self.folder / "directory"

    def fifo(self) -> Path:
        os.mkfifo(self.folder / "fifo", 0o755)
        return self.folder / "fifo"

    def link(self) -> Path:
        (self.folder / "link").symlink_to(write_script(self.folder / "target", ""))
        return self.folder / "link"

    def without_execute_bit(self) -> Path:
        path = write_script(self.folder / "plain", "")
        path.chmod(0o644)
        return path

    def set_user_id(self) -> Path:
        path = write_script(self.folder / "suid", "")
        path.chmod(0o4755)
        return path

    def set_group_id(self) -> Path:
        path = write_script(self.folder / "sgid", "")
        path.chmod(0o2755)
        return path

    def detour(self) -> Path:
        write_script(self.folder / "plugin", "")
        return self.folder / "x" / ".." / "plugin"

    def unprintable(self) -> str:
        return f"{self.folder}/a\x00b"

    def relative(self) -> str:
        return "plugin"


@pytest.mark.parametrize(
    ("case", "problem", "remedy"),
    [
        ("missing", "cannot be found", "put the executable there"),
        ("below_a_file", "cannot be found", "correct `command`"),
        ("directory", "is no regular file", "name the executable"),
        ("fifo", "is no regular file", "name the executable"),
        ("link", "is a symbolic link", "name what it points to: .*/target"),
        ("without_execute_bit", "may not be executed", r"chmod \+x"),
        ("set_user_id", "set-user-ID", "chmod ug-s"),
        ("set_group_id", "set-user-ID", "chmod ug-s"),
        ("detour", "has a '..' in it", "without detours"),
        ("unprintable", "is no absolute path", "file:///absolute/path"),
        ("relative", "is no absolute path", "file:///absolute/path"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(tmp_path: Path, case: str, problem: str, remedy: str) -> None:
    """And names the plugin."""
    with pytest.raises(PluginLoadError, match=f"plugin 'p': .*{problem}.*; .*{remedy}"):
        opened(getattr(Refusals(tmp_path), case)())


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """The one folder that is allowed."""
    folder = tmp_path / "allowed"
    folder.mkdir()
    return folder


def test_only_allowed_directories_are_run_from(tmp_path: Path, allowed: Path) -> None:
    """A neighbour whose name begins the same is not inside."""
    (tmp_path / "allowed-not").mkdir()
    with pytest.raises(PluginLoadError, match=r"is in none of plugin_host.allowed_directories \(.*/allowed\)"):
        opened(write_script(tmp_path / "allowed-not" / "plugin", ""), allowed)
    with pytest.raises(PluginLoadError, match="which is empty"):
        open_executable("p", f"file://{write_script(allowed / 'plugin', '')}", [])


def test_a_link_does_not_lead_out_of_an_allowed_directory(tmp_path: Path, allowed: Path) -> None:
    """Folders are resolved before they are compared."""
    (tmp_path / "elsewhere").mkdir()
    write_script(tmp_path / "elsewhere" / "plugin", "")
    (allowed / "inside").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PluginLoadError, match=r"elsewhere/plugin is in none of"):
        opened(allowed / "inside" / "plugin", allowed)


def test_a_folder_that_is_swapped_between_look_and_open_leads_nowhere(
    tmp_path: Path, allowed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is where the opened file really lies that counts."""
    (allowed / "sub").mkdir()
    write_script(allowed / "sub" / "plugin", "")
    (tmp_path / "elsewhere").mkdir()
    write_script(tmp_path / "elsewhere" / "plugin", "")
    genuine = os.open

    def swap_and_open(path: Path, flags: int) -> int:
        (allowed / "sub").rename(tmp_path / "away")
        (allowed / "sub").symlink_to(tmp_path / "elsewhere")
        return genuine(path, flags)

    monkeypatch.setattr(os, "open", swap_and_open)
    with pytest.raises(PluginLoadError, match=r"elsewhere/plugin is in none of"):
        opened(allowed / "sub" / "plugin", allowed)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give capabilities to a file")
def test_a_file_with_capabilities_is_not_run(tmp_path: Path) -> None:
    """The kernel would let it outlive its parent."""
    path = tmp_path / "plugin"
    path.write_bytes(Path("/bin/true").resolve().read_bytes())
    path.chmod(0o755)
    opened(path).close()
    os.setxattr(path, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    with pytest.raises(PluginLoadError, match="has capabilities of its own, and could outlive the gateway; setcap -r"):
        opened(path)


def test_an_allowed_directory_may_be_a_link(tmp_path: Path, allowed: Path) -> None:
    """As current versions often are."""
    write_script(allowed / "plugin", "")
    (tmp_path / "current").symlink_to(allowed)
    opened(tmp_path / "current" / "plugin", tmp_path / "current").close()


def test_nothing_stays_open_behind_a_refusal(tmp_path: Path) -> None:
    """A file is closed when it is refused."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(PluginLoadError):
        opened(Refusals(tmp_path).without_execute_bit())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
