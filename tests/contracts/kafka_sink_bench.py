"""The bench of ``sink://kafka``: topics of a real Kafka, which nobody may stop for one test."""

from __future__ import annotations

import secrets
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from collectors.sinks.interface import Sink
from collectors.sinks.kafka.settings import KafkaSinkSettings
from collectors.sinks.kafka.sink import KafkaSink
from schemas.events import KINDS
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.sinks.kafka.topics import shown_topic
from tests.contracts.sink_laws import SinkBench
from tests.sluice.eventlog.kafka.reading import records_in

PARTITIONS = 2


class KafkaBench(SinkBench):
    """All kinds in one topic. What it does while its cluster is away is in its own tests."""

    fixture: ClassVar[str] = "kafka_server"
    is_exact: ClassVar[bool] = False
    waits_for_its_place: ClassVar[bool] = False
    refuses_single_ones: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.topic = f"t{secrets.token_hex(5)}"

    async def open(self) -> None:
        await shown_topic(self.server, self.topic, PARTITIONS)

    def make(self) -> Sink[Any]:
        own = KafkaSettings(bootstrap_servers=self.server.bootstrap_servers, request_timeout_seconds=5)
        return KafkaSink(KafkaSinkSettings(topic=self.topic), KINDS, own)

    async def ids(self) -> Counter[str]:
        found = await records_in(self.server, self.topic, PARTITIONS)
        return Counter(dict(record.headers)["ce_id"].decode() for record in found)
