"""Topic ids, asked of a real broker and of one that knows none."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NodeNotReadyError

from sluice.eventlog.kafka.topic_ids import topic_ids
from tests.collectors.sinks.kafka.topics import shown_topic
from tests.servers import Kafka


async def test_a_topic_that_is_made_again_has_another_id(kafka_server: Kafka, unique_name: str) -> None:
    """Its name is the same; asking makes no topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server.bootstrap_servers)
    await admin.start()
    assert await topic_ids(admin._client, [unique_name], 5.0) == {}
    found: list[str] = []
    async with asyncio.timeout(20):
        for _ in range(2):
            await shown_topic(kafka_server, unique_name, 2)
            while len(found) < 3 and not (known := await topic_ids(admin._client, [unique_name, "no"], 5.0)):
                pass
            found += [known[unique_name], (await topic_ids(admin._client, [unique_name], 5.0))[unique_name]]
            await admin.delete_topics([unique_name])
            while await topic_ids(admin._client, [unique_name], 5.0):
                pass
    await admin.close()
    assert found[0] == found[1] != found[2] == found[3]


class FakeClient:
    """Answers nothing well."""

    def __init__(self, error: type[Exception] | None, node: int | None = 1) -> None:
        self.error, self.node = error, node

    def get_random_node(self) -> int | None:
        return self.node

    async def send(self, _node: int, _request: Any) -> Any:
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


async def test_no_id_is_no_error() -> None:
    """A broker that is old, away or hangs tells none, in bounded time, and a rebalance goes on."""
    for error in (RuntimeError, NodeNotReadyError, OSError, None):
        assert await topic_ids(FakeClient(error), ["t"], 0.05) == {}
    assert await topic_ids(FakeClient(None, node=None), ["t"], 0.05) == {}
    assert await topic_ids(FakeClient(OSError), [], 0.05) == {}
