"""Topics that are there for everybody when they are made."""

from __future__ import annotations

import asyncio

from sluice.eventlog.kafka.cluster import topics_shown
from sluice.eventlog.settings import KafkaSettings
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import make_topic

SECONDS = 20.0


async def shown_topic(kafka: Kafka, name: str, partitions: int, **configs: str) -> None:
    """Make one, and wait until the brokers' metadata has it: that comes a moment after the answer."""
    await make_topic(kafka, name, partitions, **configs)
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    async with asyncio.timeout(SECONDS):
        while name not in await topics_shown(settings):  # noqa: ASYNC110 - nothing tells when it comes true
            await asyncio.sleep(0.02)
