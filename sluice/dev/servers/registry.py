"""A real schema registry with Confluent's API: Apicurio Registry, in memory, for the long tests."""

from __future__ import annotations

from pathlib import Path

from sluice.dev.servers.fetch import Fetcher
from sluice.dev.servers.folders import RunFolder, default_cache_folder
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.servers.prerequisites import find_java
from sluice.dev.servers.process import ServerProcess
from sluice.dev.servers.progress import Progress, Step, silent
from sluice.dev.servers.server import HttpServer

VERSION = "3.3.3"
MINIMUM_JAVA = 21

_NAME = f"Apicurio Registry {VERSION}"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_ABOUT_BYTES = 159_000_000
_JVM_FLAGS = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_CONFLUENT_API = "/apis/ccompat/v7"


class RegistryServer(HttpServer):
    """Forgets everything when it ends; ready when it lists its subjects."""

    name = _NAME
    version = VERSION
    health_path = f"{_CONFLUENT_API}/subjects"
    health_seconds = 2.0

    @property
    def url(self) -> str:
        """Where Confluent's API begins."""
        return f"{super().url}{_CONFLUENT_API}"


def start_registry(
    progress: Progress = silent, *, port: int | None = None, cache_dir: Path | None = None
) -> RegistryServer:
    """Fetch it if need be, start it and return when it is ready; raises ServerError, also for a Java below 21."""
    java = find_java(MINIMUM_JAVA)
    fetcher = Fetcher(cache_dir or default_cache_folder(), _NAME, _ABOUT_BYTES, progress)
    home = fetcher.unpacked(f"apicurio-registry-{VERSION}", _ARTIFACT, has_folder=False)
    port = port or free_port()
    folder = RunFolder.open(fetcher.cache, "registry", None)
    progress(Step(_NAME, f"starting on {LOOPBACK}:{port}"))
    places = (
        f"-Dquarkus.http.host={LOOPBACK}",
        f"-Dquarkus.http.port={port}",
        f"-Dquarkus.management.port={free_port()}",
    )
    process = ServerProcess(
        _NAME,
        [str(java), *_JVM_FLAGS, *places, "-jar", str(home / "quarkus-run.jar")],
        folder=folder.path,
        log_path=folder.path / "registry.log",
        uid=None,
    )
    server = RegistryServer(process, folder, port)
    server.start()
    return server
