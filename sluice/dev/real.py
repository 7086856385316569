"""A real Kafka and a real Elasticsearch together, for ``sluice dev servers`` and for the demo with ``--real``."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sluice.dev.servers import (
    ElasticsearchServer,
    KafkaServer,
    MissingPrerequisitesError,
    Step,
    missing_prerequisites,
    start_elasticsearch,
    start_kafka,
)

_SHOW_SECONDS = 1.0


class RealServers:
    """Both servers; they end with the ``with`` block, and with this process however it ends."""

    def __init__(self, kafka: KafkaServer, elasticsearch: ElasticsearchServer) -> None:
        self.kafka = kafka
        self.elasticsearch = elasticsearch

    @classmethod
    def start(
        cls,
        tell: Callable[[str], None],
        kafka_port: int | None = None,
        elasticsearch_port: int | None = None,
        cache_dir: Path | None = None,
    ) -> Self:
        """Fetch what is missing and start both at once, telling what is being done. Raises ServerError."""
        if missing := missing_prerequisites():
            raise MissingPrerequisitesError(missing)
        steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        with ThreadPoolExecutor(2) as threads:
            kafka = threads.submit(start_kafka, steps.put, port=kafka_port, cache_dir=cache_dir)
            elasticsearch = threads.submit(start_elasticsearch, steps.put, port=elasticsearch_port, cache_dir=cache_dir)
            _show_until_done([kafka, elasticsearch], steps, tell)
        with ExitStack() as undo:
            for future in (kafka, elasticsearch):
                if future.exception() is None:
                    undo.callback(future.result().close)
            both = cls(kafka.result(), elasticsearch.result())
            undo.pop_all()
        return both

    def describe(self) -> str:
        """What to write into the settings, and the variables that the tests read."""
        return (
            f"\n{self.kafka.name} and {self.elasticsearch.name} are ready. Two settings:\n\n"
            f"  sluice.yaml       kafka: {{bootstrap_servers: {self.kafka.bootstrap_servers}, single_broker: true}}\n"
            f"  collectors.yaml   path: sink://elasticsearch\n"
            f"                    config: {{elasticsearch_url: {self.elasticsearch.url}}}\n\n"
            f"For tests, and for ${{…}} in settings:\n\n"
            f"  export KAFKA_BOOTSTRAP={self.kafka.bootstrap_servers} ES_URL={self.elasticsearch.url}\n\n"
            f"Their data is temporary. Ctrl-C ends both."
        )

    def close(self) -> None:
        """End both and delete their data."""
        with ThreadPoolExecutor(2) as threads:
            for future in [threads.submit(self.kafka.close), threads.submit(self.elasticsearch.close)]:
                future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


Starting = Future[Any]


def _show_until_done(starting: list[Starting], steps: queue.SimpleQueue[Step], tell: Callable[[str], None]) -> None:
    """The newest step of each server, once a second, where it is another one."""
    shown: dict[str, str] = {}
    running: set[Starting] = set(starting)
    while running:
        running = wait_for(running, timeout=_SHOW_SECONDS).not_done
        for server, line in {step.server: str(step) for step in _drain(steps)}.items():
            if shown.get(server) != line:
                tell(line)
                shown[server] = line


def _drain(steps: queue.SimpleQueue[Step]) -> Iterator[Step]:
    while not steps.empty():
        yield steps.get()
