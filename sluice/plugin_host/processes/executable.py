"""The file of a ``file://`` plugin: looked at before it is run, and sure to be the file that is run.

The file is opened once. Type, permissions and checksum are of what was opened, and a binary is run by that very
descriptor, so that nobody can swap it in between. A script must be opened by its interpreter again, by path; for both
``verify`` compares device, inode, size and time of change when the plugin has answered and before it is told anything:
what was replaced or written to since the check is killed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sluice.plugin_host.errors import PluginLoadError

_SCHEME = "file://"
_HASHED_AT_ONCE = 1 << 20


class _Stamp(NamedTuple):
    """What changes when a file is replaced or written to; the time of change cannot be set by its owner."""

    device: int
    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Executable:
    """An open, checked file; ``close`` it."""

    plugin: str
    path: Path
    descriptor: int
    is_script: bool
    _stamp: _Stamp

    @property
    def target(self) -> str:
        """What to run: the descriptor of a binary, the path of a script."""
        return str(self.path) if self.is_script else f"/proc/self/fd/{self.descriptor}"

    def verify(self) -> None:
        """Raises PluginLoadError where the path no longer leads to what was checked."""
        try:
            found = _stamp(self.path.stat(follow_symlinks=False))
        except OSError:
            found = None
        if found != self._stamp:
            problem = f"{self.path} was changed while it was being started"
            raise PluginLoadError(self.plugin, problem, "replace it as a whole, under another name, then register that")

    def check_sum(self, expected: str) -> None:
        """Raises PluginLoadError where its SHA-256 is another. Reads it whole: run in a thread."""
        digest, offset = hashlib.sha256(), 0
        while piece := os.pread(self.descriptor, _HASHED_AT_ONCE, offset):
            digest.update(piece)
            offset += len(piece)
        if digest.hexdigest() != expected.removeprefix("sha256:"):
            problem = f"the SHA-256 of {self.path} is {digest.hexdigest()}, not its checksum {expected}"
            remedy = "put the right file there, or correct `checksum` if this one is it"
            raise PluginLoadError(self.plugin, problem, remedy)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)


def open_executable(plugin: str, command: str, allowed: Iterable[Path]) -> Executable:
    """The file that a command names; PluginLoadError says what is wrong with it."""
    folders = [each.resolve() for each in allowed]
    path = _checked_path(plugin, command.removeprefix(_SCHEME), folders)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise PluginLoadError(plugin, f"{path} cannot be read ({error.strerror})", _READABLE) from error
    try:
        opened = Path(f"/proc/self/fd/{descriptor}").readlink()
        _check_place(plugin, opened, folders)  # again: a folder may have been swapped
        stamp = _checked_stamp(plugin, path, os.fstat(descriptor))
        _check_capabilities(plugin, path, descriptor)
        return Executable(plugin, path, descriptor, os.pread(descriptor, 2, 0) == b"#!", stamp)
    except BaseException:
        os.close(descriptor)
        raise


_READABLE = "let the user that the gateway runs as read it"


def _checked_path(plugin: str, text: str, allowed: list[Path]) -> Path:
    path = Path(text)
    if not path.is_absolute() or not text.isprintable():
        raise PluginLoadError(plugin, f"{text!r:.200} is no absolute path", "write file:///absolute/path")
    if ".." in path.parts:
        raise PluginLoadError(plugin, f"{path} has a '..' in it", "write the path without detours")
    try:
        mode = path.lstat().st_mode
        folder = path.parent.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        problem = f"{path} cannot be found ({getattr(error, 'strerror', None) or 'a loop of links'})"
        raise PluginLoadError(plugin, problem, "correct `command`, or put the executable there") from error
    if stat.S_ISLNK(mode):
        raise PluginLoadError(plugin, f"{path} is a symbolic link", f"name what it points to: {os.path.realpath(path)}")
    _check_place(plugin, folder / path.name, allowed)
    return path


def _check_place(plugin: str, real: Path, allowed: list[Path]) -> None:
    if not any(real.parent.is_relative_to(each) for each in allowed):
        listed = ", ".join(map(str, allowed)) or "which is empty"
        problem = f"{real} is in none of plugin_host.allowed_directories ({listed})"
        raise PluginLoadError(plugin, problem, "move it there, or allow its directory")


def _checked_stamp(plugin: str, path: Path, status: os.stat_result) -> _Stamp:
    if not stat.S_ISREG(status.st_mode):
        raise PluginLoadError(plugin, f"{path} is no regular file", "name the executable itself")
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        problem = f"{path} runs as another user (set-user-ID), and could outlive the gateway"
        raise PluginLoadError(plugin, problem, f"chmod ug-s {path}")
    if not status.st_mode & 0o111 or not os.access(path, os.X_OK):
        raise PluginLoadError(plugin, f"{path} may not be executed", f"chmod +x {path}")
    return _stamp(status)


def _check_capabilities(plugin: str, path: Path, descriptor: int) -> None:
    """As with set-user-ID, the kernel forgets its promise to kill a program whose file gives it capabilities."""
    try:
        os.getxattr(descriptor, "security.capability")
    except OSError:  # it has none, or its file system knows none
        return
    problem = f"{path} has capabilities of its own, and could outlive the gateway"
    raise PluginLoadError(plugin, problem, f"setcap -r {path}")


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns)
