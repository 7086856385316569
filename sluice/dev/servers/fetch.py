"""Brings the servers from Maven Central, by Maven itself: its settings, proxies and mirrors are the user's own.

Nothing here knows an address. Downloads lie in a Maven repository of our own, so that its growth is the progress.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sluice.dev.servers.errors import FetchError, tail
from sluice.dev.servers.folders import locked, open_cache
from sluice.dev.servers.prerequisites import find_maven
from sluice.dev.servers.progress import Progress, Step

# Pinned: what Maven 3.8 takes by default is an old 2.x that knows neither goal in this form.
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"

_POLL_SECONDS = 0.5

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice.dev</groupId><artifactId>server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>{dependencies}</dependencies>
</project>
"""

_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


class Fetcher:
    """Fetches for one server into one cache, once for every process and thread that asks at the same time."""

    def __init__(self, cache_dir: Path, server: str, about_bytes: int, progress: Progress) -> None:
        self.cache = open_cache(cache_dir)
        self._server = server
        self._about_bytes = about_bytes
        self._progress = progress
        self._repository = self.cache / "maven"

    def class_path(self, name: str, coordinates: Sequence[str]) -> str:
        """The class path of artifacts and all they need at run time, as Java takes it."""
        listing = self.cache / f"{name}.classpath"
        if not _all_exist(listing):
            with locked(self.cache / "fetch.lock", self._waiting):
                if not _all_exist(listing):  # nobody fetched it while we waited
                    self._fetch_class_path(listing, coordinates)
        return listing.read_text("utf-8").strip()

    def unpacked(self, name: str, artifact: str, *, has_folder: bool = True) -> Path:
        """An archive, unpacked; unpacked again where something of it has been swept away.

        ``has_folder``: whether the archive holds one folder of this name, and not its files themselves.
        """
        home, marker = self.cache / name, self.cache / f"{name}.size"
        if not _is_whole(home, marker):
            with locked(self.cache / "fetch.lock", self._waiting):
                if not _is_whole(home, marker):  # nobody unpacked it while we waited
                    self._unpack(home, artifact, has_folder=has_folder)
                    marker.write_text(str(folder_bytes(home)), "ascii")
        return home

    def _fetch_class_path(self, listing: Path, coordinates: Sequence[str]) -> None:
        work = self._fresh_work_folder()
        dependencies = "".join(_DEPENDENCY.format(*each.split(":")) for each in coordinates)
        (work / "pom.xml").write_text(_POM.format(dependencies=dependencies), "utf-8")
        self._maven(work, "build-classpath", "-DincludeScope=runtime", f"-Dmdep.outputFile={work / 'classpath'}")
        (work / "classpath").replace(listing)

    def _unpack(self, home: Path, artifact: str, *, has_folder: bool) -> None:
        work = self._fresh_work_folder()
        self._maven(work, "unpack", f"-Dartifact={artifact}", f"-DoutputDirectory={work / 'unpacked'}")
        shutil.rmtree(home, ignore_errors=True)
        (work / "unpacked" / home.name if has_folder else work / "unpacked").replace(home)

    def _fresh_work_folder(self) -> Path:
        work = self.cache / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        return work

    def _maven(self, work: Path, goal: str, *options: str) -> None:
        log_path = self.cache / f"maven-{goal}.log"
        command = [str(find_maven()), "-B", "-q", f"-Dmaven.repo.local={self._repository}", f"{_PLUGIN}:{goal}"]
        before = folder_bytes(self._repository)
        with (
            log_path.open("wb") as log,
            subprocess.Popen(  # noqa: S603 (Maven, found on the PATH)
                [*command, *options], cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            ) as maven,
        ):
            while not _ended(maven):
                self._progress(self._step("downloading", folder_bytes(self._repository) - before))
        if maven.returncode != 0:
            raise FetchError(
                f"Maven could not fetch {self._server}:\n{tail(log_path)}\nthe whole log: {log_path}; behind a proxy "
                "or a mirror, tell Maven in ~/.m2/settings.xml"
            )

    def _waiting(self) -> None:
        self._progress(Step(self._server, "waiting for another download to finish"))

    def _step(self, doing: str, done_bytes: int) -> Step:
        return Step(self._server, doing, max(0, done_bytes), self._about_bytes)


def folder_bytes(folder: Path) -> int:
    """How much lies in a folder; files that vanish while we look count nothing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{where}/{name}").st_size
            except FileNotFoundError:
                continue
    return total


def _is_whole(home: Path, marker: Path) -> bool:
    return marker.exists() and marker.read_text("ascii") == str(folder_bytes(home))


def _all_exist(listing: Path) -> bool:
    if not listing.exists():
        return False
    return all(Path(jar).exists() for jar in listing.read_text("utf-8").strip().split(os.pathsep))


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
