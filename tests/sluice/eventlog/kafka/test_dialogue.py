"""One connection to one broker: whatever comes back is an answer or an error of ours, in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataRequest

from sluice.eventlog.kafka.dialogue import Dialogue, NotKafkaError
from tests.servers import Kafka
from tests.sluice.eventlog.serving import hang, serving

VERSIONS = ApiVersionResponse_v0(0, [(18, 0, 0)]).encode()


async def test_a_broker_is_understood(kafka_server: Kafka) -> None:
    """Its versions, then its metadata: two questions on one connection."""
    host, _, port = kafka_server.bootstrap_servers.partition(":")
    dialogue = await Dialogue.connect(host, int(port), None, host, 5.0)
    await dialogue.learn_versions()
    answer = await dialogue.ask(MetadataRequest([]))
    assert [broker[2] for broker in answer.brokers] == [int(port)]
    dialogue.close()


def sized(content: bytes) -> bytes:
    """With its length in front."""
    return len(content).to_bytes(4) + content


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda number: sized(number + VERSIONS), None),
        (lambda _: sized(b"\0\0\0\x63" + VERSIONS), NotKafkaError),
        (lambda _: b"HTTP/1.1 400 Bad Request", NotKafkaError),
        (lambda _: b"\x15\x03\x03\x00\x02\x02\x50", NotKafkaError),
        (lambda _: b"\xff\xff\xff\xff", NotKafkaError),
        (lambda _: b"\0\0\0\0", NotKafkaError),
        (sized, NotKafkaError),
        (lambda number: sized(number + b"\0\0\x7f\xff\xff\xff\0"), NotKafkaError),
        (lambda number: sized(number + VERSIONS)[:-1], EOFError),
        (lambda _: b"", EOFError),
        (lambda number: sized(number + ApiVersionResponse_v0(35, []).encode()), KafkaError),
    ],
)
async def test_every_answer_ends_well(answer: Callable[[bytes], bytes], expected: type[Exception] | None) -> None:
    """Another's number, another protocol, a length that lies, half an answer, none, an error."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(4))
        question = await reader.readexactly(size)
        writer.write(answer(question[4:8]))

    async with serving(handle) as port:
        dialogue = await Dialogue.connect("127.0.0.1", port, None, "", 5.0)
        try:
            if expected is None:
                await dialogue.learn_versions()
            else:
                with pytest.raises(expected):
                    await dialogue.learn_versions()
        finally:
            dialogue.close()


async def test_silence_is_bounded() -> None:
    """By the seconds that were given."""
    async with serving(hang) as port:
        dialogue = await Dialogue.connect("127.0.0.1", port, None, "", 0.1)
        with pytest.raises(TimeoutError):
            await dialogue.learn_versions()
        dialogue.close()
