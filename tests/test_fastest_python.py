"""The Python that environments are made with: the fastest on the PATH, the newer of two that are as fast."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "fastest-python"
TOOLS = ("tr", "sort", "head", "readlink")


def fastest(*folders: Path) -> tuple[int, str]:
    """What the script ends with and prints where the PATH has these folders, and nothing but what it needs itself."""
    ended = subprocess.run(
        ["/bin/sh", SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.pathsep.join(map(str, folders))},
    )
    return ended.returncode, ended.stdout.strip()


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with what the script calls."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in TOOLS:
        found = next(path for path in (Path("/usr/bin", name), Path("/bin", name)) if path.exists())
        (folder / name).symlink_to(found)
    return folder


def python(folder: Path, name: str, answer: str) -> None:
    """A Python that says this of itself."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
    (folder / name).chmod(0o755)


def test_the_fastest_is_taken_and_of_equals_the_newest(tmp_path: Path, tools: Path) -> None:
    """Wherever on the PATH it stands; who is too old, is broken or asks for something is passed by."""
    first, second = tmp_path / "first", tmp_path / "second"
    python(first, "python3.14", "echo 20 985 /slow/and/newest")
    python(first, "python3", "exit 1")
    python(first, "python3.12", "echo 9 987 '/fast/with a space'")
    python(second, "python3.13", "read answer; echo 9 986 /fast/and/newer")
    python(second, "python3.11", "echo nothing >&2; kill -9 $$")
    assert fastest(first, tools, second) == (0, "/fast/and/newer")
    assert fastest(first, tools) == (0, "/fast/with a space")


def test_where_there_is_none_it_says_so(tmp_path: Path, tools: Path) -> None:
    """By its status, and prints nothing."""
    assert fastest(tools) == (1, "")
    assert fastest(tmp_path / "missing", tools) == (1, "")


def test_a_real_one_is_measured(tmp_path: Path, tools: Path) -> None:
    """What it prints can be run."""
    (tmp_path / "python3").symlink_to(sys.executable)
    status, found = fastest(tmp_path, tools)
    assert status == 0
    assert subprocess.run([found, "-c", "import ensurepip"], check=False, timeout=30).returncode == 0
