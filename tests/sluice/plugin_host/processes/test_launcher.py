"""The step between the gateway and a plugin: promises first, then the plugin itself, in the same process."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from sluice.plugin_host.processes import launcher

LAUNCHER = [sys.executable, "-I", "-S", launcher.__file__]


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run([*LAUNCHER, *arguments], capture_output=True, text=True, check=False, timeout=20)


def test_the_plugin_takes_its_place_with_its_own_name(tmp_path: Path) -> None:
    """One process, whose name is the executable's whatever it was run by."""
    link = tmp_path / "descriptor"
    link.symlink_to("/bin/sh")
    process = subprocess.Popen(
        [*LAUNCHER, str(os.getpid()), str(link), "name"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    printed, _ = process.communicate("echo $$ $0")
    assert printed.split() == [str(process.pid), "name"]


def test_it_will_be_killed_with_its_parent_and_has_no_signals_ignored(tmp_path: Path) -> None:
    """The promise holds in the plugin, and a closed pipe ends it as it ends any program."""
    probe = tmp_path / "probe"
    probe.write_text(
        f"#!{sys.executable}\n"
        "import ctypes\n"
        "got = ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(got), 0, 0, 0)\n"
        "print(got.value)\n"
    )
    probe.chmod(0o755)
    assert launch(str(os.getpid()), str(probe), str(probe)).stdout == "9\n"
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\ngrep SigIgn /proc/self/status\n")
    shell.chmod(0o755)
    ignored = int(launch(str(os.getpid()), str(shell), str(shell)).stdout.split()[1], 16)
    assert not ignored & 1 << 12  # SIGPIPE is 13


def test_what_it_was_run_by_is_not_left_open() -> None:
    """The plugin has three descriptors, and none of the gateway's."""
    with Path("/bin/sh").open("rb") as shell:
        descriptor = fcntl.fcntl(shell, fcntl.F_DUPFD, 50)
    try:
        run = subprocess.run(
            [*LAUNCHER, str(os.getpid()), f"/proc/self/fd/{descriptor}", "name"],
            input="echo /proc/self/fd/*",
            pass_fds=(descriptor,),
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    finally:
        os.close(descriptor)
    assert "/proc/self/fd/2" in run.stdout.split()
    assert f"/proc/self/fd/{descriptor}" not in run.stdout.split()


def test_a_parent_that_is_gone_already_has_no_plugin() -> None:
    """It may have died between the fork and the promise."""
    run = launch("1", "/bin/echo", "plugin")
    assert (run.returncode, run.stdout) == (1, "")


def test_what_cannot_be_run_says_so(tmp_path: Path) -> None:
    """With a status that shells use for it."""
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x7fELF nonsense")
    bad.chmod(0o755)
    run = launch(str(os.getpid()), str(bad), str(bad))
    assert run.returncode == 126
    assert "cannot be run: Exec format error" in run.stderr
