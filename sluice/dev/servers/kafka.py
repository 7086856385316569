"""A real Apache Kafka in KRaft mode: one process that is broker and controller."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sluice.dev.servers.errors import ServerStartError
from sluice.dev.servers.fetch import Fetcher
from sluice.dev.servers.folders import RunFolder, default_cache_folder
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.servers.prerequisites import find_java
from sluice.dev.servers.process import ServerProcess
from sluice.dev.servers.progress import Progress, Step, silent
from sluice.dev.servers.server import Server

VERSION = "4.3.1"

_NAME = f"Apache Kafka {VERSION}"
_ARTIFACTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
_ABOUT_BYTES = 45_000_000

# C1 alone and the serial collector: ready in 4 s instead of 6, 208 MB resident instead of 376.
_JVM_FLAGS = ("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOG_FLAGS = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)
_READY = b"Kafka Server started"
"""Written after the broker is unfenced, so that a produce to a topic it had before succeeds."""

EXTRA_LISTENERS = "listeners.extra"
"""A setting of ours: listeners beside the plain one, each with a comma behind it."""

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.retention.check.interval.ms": "5000",
    # 128 MB by default, which a heap of 256 MB does not have to give.
    "log.cleaner.dedupe.buffer.size": "8388608",
    # After a kill the broker waits for its own old registration to expire: up again in 4.4 s instead of 12.5 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}


class KafkaServer(Server):
    """A single broker on the loopback interface, without authentication."""

    name = _NAME
    version = VERSION

    @property
    def bootstrap_servers(self) -> str:
        """``host:port``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def address(self) -> str:
        """The same as ``bootstrap_servers``."""
        return self.bootstrap_servers

    def is_ready(self) -> bool:
        """Whether the broker has said so since it was launched."""
        return _READY in self._process.log_since_launch()


def start_kafka(
    progress: Progress = silent,
    *,
    port: int | None = None,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    settings: Mapping[str, str] | None = None,
    format_options: Sequence[str] = (),
) -> KafkaServer:
    """Fetch Kafka if need be, start it and return when it is ready.

    ``data_dir`` keeps data between runs (a temporary folder otherwise); ``settings`` go over the ones of
    ``server.properties``; ``format_options`` are for its storage tool, which writes what must exist before it starts.
    """
    fetcher = Fetcher(cache_dir or default_cache_folder(), _NAME, _ABOUT_BYTES, progress)
    java = [str(find_java()), *_JVM_FLAGS, *_LOG_FLAGS, "-cp", fetcher.class_path(f"kafka-{VERSION}", _ARTIFACTS)]
    port = port or free_port()
    folder = RunFolder.open(fetcher.cache, "kafka", data_dir)
    progress(Step(_NAME, f"starting on {LOOPBACK}:{port}"))
    properties = _write_properties(folder.path, port, settings or {})
    _format(java, folder.path, properties, format_options)
    process = ServerProcess(
        _NAME, [*java, "kafka.Kafka", str(properties)], folder=folder.path, log_path=folder.path / "kafka.log", uid=None
    )
    server = KafkaServer(process, folder, port)
    server.start()
    return server


def _write_properties(folder: Path, port: int, settings: Mapping[str, str]) -> Path:
    controller_port = free_port()
    own = f"PLAINTEXT://{LOOPBACK}:{port}"
    others = settings.get(EXTRA_LISTENERS, "")
    settings = {key: value for key, value in settings.items() if key != EXTRA_LISTENERS}
    placed = {
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"{own},{others}CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"{own},{others}".rstrip(","),
        "log.dirs": str(folder / "data"),
    }
    path = folder / "server.properties"
    lines = [f"{key}={value}\n" for key, value in {**_SETTINGS, **placed, **settings}.items()]
    path.write_text("".join(lines), "utf-8")
    return path


def _format(java: list[str], folder: Path, properties: Path, options: Sequence[str]) -> None:
    """Write the storage's identity, once in the life of the data."""
    if (folder / "data" / "meta.properties").exists():
        return
    cluster_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode("ascii")
    # A leading "-" would be taken for an option.
    cluster_id = cluster_id.replace("-", "s", 1) if cluster_id.startswith("-") else cluster_id
    arguments = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", str(properties)]
    arguments += options
    log_path = folder / "format.log"
    with log_path.open("wb") as log:
        ended = subprocess.run([*java, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)  # noqa: S603 (Java, found on the PATH)
    if ended.returncode != 0:
        raise ServerStartError(_NAME, "its storage could not be formatted", log_path)
