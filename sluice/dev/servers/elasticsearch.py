"""A real Elasticsearch: the distribution that its own integration tests run on, which Maven Central carries.

It lacks what modules and X-Pack bring (ILM, Painless, ingest processors, ``GET /``): ``_cluster/health`` is the
question to ask it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from sluice.dev.servers.fetch import Fetcher
from sluice.dev.servers.folders import NOBODY_UID, RunFolder, default_cache_folder
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.servers.prerequisites import find_java
from sluice.dev.servers.process import ServerProcess
from sluice.dev.servers.progress import Progress, Step, silent
from sluice.dev.servers.server import HttpServer

VERSION = "8.19.21"

_NAME = f"Elasticsearch {VERSION}"
_ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
_ABOUT_BYTES = 107_000_000

# C1 alone and the serial collector: ready in 7-12 s instead of 18.
_JVM_FLAGS = "-XX:-UseG1GC -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_HEAP = "512m"
_LAUNCHER_FLAGS = "-Xms4m -Xmx32m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_UNWANTED_JVM_OPTIONS = ("-XX:+UseG1GC", "-Xlog", "-XX:ErrorFile", "-XX:+HeapDump")

_SETTINGS = {
    "discovery.type": "single-node",
    "network.host": LOOPBACK,
    "xpack.security.enabled": "false",
    # A developer's disk is often fuller than 85 %; no shard of ours should be refused for that.
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    # The serial collector leaves garbage lie until the heap is full: counted as used, it has small questions refused.
    "indices.breaker.total.use_real_memory": "false",
}

# Everything to standard output, which is the log file; the shipped one rolls files in places of its own.
_LOG4J = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


class ElasticsearchServer(HttpServer):
    """A single node on the loopback interface, without security; ready when every primary shard is assigned (yellow:
    there is no second node to be green with)."""

    name = _NAME
    version = VERSION
    health_path = "/_cluster/health?wait_for_status=yellow&timeout=1s"


ServerT = TypeVar("ServerT", bound=ElasticsearchServer)
MakeServer = Callable[[ServerProcess, RunFolder, int], ServerT]


def start_elasticsearch(
    progress: Progress = silent, *, port: int | None = None, data_dir: Path | None = None, cache_dir: Path | None = None
) -> ElasticsearchServer:
    """Fetch Elasticsearch if need be, start it and return when it is ready.

    ``data_dir`` keeps data between runs (a temporary folder otherwise).
    """
    return start_node(ElasticsearchServer, progress, port=port, data_dir=data_dir, cache_dir=cache_dir)


def start_node(
    server_of: MakeServer[ServerT],
    progress: Progress,
    *,
    port: int | None = None,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    settings: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    heap: str = _HEAP,
) -> ServerT:
    """The same as whatever ``server_of`` makes: ``settings`` go over the ones of ``elasticsearch.yml``, ``files`` lie
    beside it."""
    fetcher = Fetcher(cache_dir or default_cache_folder(), _NAME, _ABOUT_BYTES, progress)
    home = fetcher.unpacked(f"elasticsearch-{VERSION}", _ARTIFACT)
    port = port or free_port()
    folder = RunFolder.open(fetcher.cache, "elasticsearch", data_dir)
    progress(Step(_NAME, f"starting on {LOOPBACK}:{port}"))
    _configure(home, folder.path, port, settings or {})
    for name, content in (files or {}).items():
        (folder.path / "config" / name).write_text(content, "utf-8")
    uid = NOBODY_UID if os.getuid() == 0 else None  # it refuses to run as root
    if uid is not None:
        folder.give_to(uid)
    process = ServerProcess(
        _NAME,
        _command(home, folder.path, heap),
        folder=folder.path,
        log_path=folder.path / "elasticsearch.log",
        uid=uid,
    )
    server = server_of(process, folder, port)
    server.start()
    return server


def _configure(home: Path, folder: Path, port: int, settings: Mapping[str, str]) -> None:
    """Lay out the run's own configuration, so that the unpacked distribution is never written to."""
    config = folder / "config"
    shutil.rmtree(config, ignore_errors=True)
    shutil.copytree(home / "config", config)
    (folder / "tmp").mkdir(exist_ok=True)
    placed = {
        "http.port": str(port),
        "transport.port": str(free_port()),
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
    }
    lines = [f"{key}: {value}\n" for key, value in {**_SETTINGS, **placed, **settings}.items()]
    (config / "elasticsearch.yml").write_text("".join(lines), "utf-8")
    (config / "log4j2.properties").write_text(_LOG4J, "utf-8")
    options = (config / "jvm.options").read_text("utf-8").splitlines(keepends=True)
    wanted = [line for line in options if not line.startswith(_UNWANTED_JVM_OPTIONS)]
    (config / "jvm.options").write_text("".join(wanted), "utf-8")


def _command(home: Path, folder: Path, heap: str) -> list[str]:
    """In the foreground: the launcher and its server then share one process group, which ends as one."""
    environment = {
        "ES_JAVA_HOME": find_java().parent.parent,
        "ES_JAVA_OPTS": f"-Xms{heap} -Xmx{heap} {_JVM_FLAGS}",
        "CLI_JAVA_OPTS": _LAUNCHER_FLAGS,
        "ES_PATH_CONF": folder / "config",
        "ES_TMPDIR": folder / "tmp",
    }
    return ["env", *(f"{key}={value}" for key, value in environment.items()), str(home / "bin" / "elasticsearch")]
