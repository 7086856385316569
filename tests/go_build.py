"""The plugins in Go of ``tests/go_plugins``, built once for each state of their sources.

A test asks for ``go_plugins``. The first such test builds them, outside every test's timeout, into ``.cache``; further
runs find them there, and runs at the same time wait for each other. Where Go is missing these tests skip and say what
to install; under ``CI=true`` they fail.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_SOURCES = ROOT / "tests" / "go_plugins"
_PROTOS = ROOT / "sluice" / "plugin_wire"
_CACHE = ROOT / ".cache" / "go-plugins"
_LEGACY_HOOKS = ("pre_auth", "auth", "post_auth", "response", "data_collection")
_MISSING = "Go is missing; Debian, Ubuntu: apt-get install golang-go (1.19 or newer)"


@dataclass(frozen=True)
class GoPlugins:
    """Where the executables are; all in one folder."""

    folder: Path

    @property
    def unified(self) -> Path:
        """The newer generation: all hooks, endpoints, services."""
        return self.folder / "unified"

    def legacy(self, hook: str) -> Path:
        """The older one, of one hook."""
        return self.folder / f"legacy_{hook}"


class BuildError(Exception):
    """The compiler's or the module proxy's own words."""


_BUILT = pytest.StashKey[GoPlugins | BuildError | None]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Build before the first test that wants them."""
    if "go_plugins" in getattr(item, "fixturenames", ()):
        _build_once(item.config)
    return (yield)


@pytest.fixture(scope="session")
def go_plugins(pytestconfig: pytest.Config) -> GoPlugins:
    """The Go plugins, or the skip or failure that their absence means."""
    built = _build_once(pytestconfig)
    if isinstance(built, GoPlugins):
        return built
    if built is not None:
        pytest.fail(f"the Go plugins do not build:\n{built}", pytrace=False)
    if os.environ.get("CI") == "true":  # noqa: TID251 - settings are not read in tests
        pytest.fail(_MISSING, pytrace=False)
    pytest.skip(_MISSING)


def _build_once(config: pytest.Config) -> GoPlugins | BuildError | None:
    if _BUILT not in config.stash:
        try:
            config.stash[_BUILT] = build() if shutil.which("go") else None
        except BuildError as error:
            config.stash[_BUILT] = error
    return config.stash[_BUILT]


def build() -> GoPlugins:
    """The executables of the sources as they are now. Raises BuildError."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = _CACHE / _digest()
        if not folder.exists():
            for old in _CACHE.glob("[0-9a-f]*"):
                shutil.rmtree(old)
            _build_into(folder)
    return GoPlugins(folder)


def _digest() -> str:
    digest = hashlib.sha256()
    for path in (*sorted(_SOURCES.rglob("*")), *sorted(_PROTOS.glob("*.proto"))):
        if path.is_file():
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _build_into(folder: Path) -> None:
    work = _CACHE / "building"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(_SOURCES, work / "source")
    protos = [path.relative_to(ROOT).as_posix() for path in sorted(_PROTOS.glob("*.proto"))]
    descriptors = work / "source" / "served" / "descriptors.binpb"
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--include_imports"]
    _run([*protoc, f"--descriptor_set_out={descriptors}", *protos], ROOT)
    flags = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
    _run(["go", "build", *flags, "-o", f"{work / 'built'}/", "./unified", "./legacy"], work / "source")
    for hook in _LEGACY_HOOKS:
        os.link(work / "built" / "legacy", work / "built" / f"legacy_{hook}")
    (work / "built").rename(folder)
    shutil.rmtree(work)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(done.stdout + done.stderr)
