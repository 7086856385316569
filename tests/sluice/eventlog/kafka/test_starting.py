"""Starting a client of aiokafka's: who is cut off on the way leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from sluice.eventlog.kafka.starting import start
from tests.servers import Kafka


@pytest.mark.parametrize("client", [AIOKafkaAdminClient, AIOKafkaConsumer, AIOKafkaProducer])
async def test_cut_off_while_the_cluster_answers_it_leaves_no_connection(
    client: Any, kafka_server: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first connection is closed, though aiokafka has let go of it; so too where the answer is no answer."""
    asked: asyncio.Queue[AIOKafkaConnection] = asyncio.Queue()
    plain = AIOKafkaConnection.send
    error: Exception | None = None

    async def hang(connection: AIOKafkaConnection) -> None:
        asked.put_nowait(connection)
        if error is not None:
            raise error
        await asyncio.Event().wait()

    def send(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
        return hang(self) if isinstance(request, MetadataRequest) else plain(self, request, expect_response)

    monkeypatch.setattr(AIOKafkaConnection, "send", send)
    made = client(bootstrap_servers=kafka_server.bootstrap_servers)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(start(made))
        connection = await asked.get()
        assert connection.connected()
        task.cancel()
    assert task.cancelled()
    assert not connection.connected()
    for error in (ValueError("no answer"), KafkaError("no leader")):
        with pytest.raises(type(error)):
            await start(made)
        assert not (await asked.get()).connected()
    await (made.close if client is AIOKafkaAdminClient else made.stop)()


async def test_what_failed_is_forgotten_at_once() -> None:
    """A Kafka that is away for long leaves nothing to the garbage collector, try by try."""
    errors = list[weakref.ref[KafkaError]]()

    class Client:
        async def start(self) -> None:
            error = KafkaError("away")
            errors.append(weakref.ref(error))
            try:
                raise error
            finally:
                del error

    client: Any = Client()
    gc.disable()
    try:
        with suppress(KafkaError):
            await start(client)
        assert errors[0]() is None
    finally:
        gc.enable()
