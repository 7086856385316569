"""One connection to one broker, a question at a time: aiokafka's own says too little of a failure."""

from __future__ import annotations

import asyncio
import ssl
import struct
from io import BytesIO
from itertools import count
from typing import Any

from aiokafka.errors import for_code
from aiokafka.protocol.admin import ApiVersionRequest

_SIZE = struct.Struct(">i")
_MAX_ANSWER_BYTES = 16 << 20


class NotKafkaError(Exception):
    """What came back is no answer of Kafka's; ``beginning`` are its first bytes."""

    def __init__(self, beginning: bytes) -> None:
        super().__init__(f"not Kafka's protocol: {beginning!r}")
        self.beginning = beginning


class Dialogue:
    """Asks and is answered, each within ``seconds``. Raises OSError, ssl.SSLError, EOFError, TimeoutError,
    NotKafkaError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
        self._reader = reader
        self._writer = writer
        self._seconds = seconds
        self._versions: dict[int, tuple[int, int]] = {}
        self._numbers = count(1)

    @classmethod
    async def connect(cls, address: str, port: int, tls: ssl.SSLContext | None, host: str, seconds: float) -> Dialogue:
        """To an address; with TLS, whose certificate must be for ``host``."""
        server_hostname = host if tls is not None else None
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=server_hostname)
        return cls(reader, writer, seconds)

    async def learn_versions(self) -> None:
        """The first question, which brokers answer to anybody."""
        answer = await self.ask(ApiVersionRequest())
        if answer.error_code:
            raise for_code(answer.error_code)
        self._versions = {key: (lowest, highest) for key, lowest, highest in answer.api_versions}

    async def ask(self, request: Any) -> Any:
        """The answer to one of aiokafka's requests, in the newest version that both sides know."""
        prepared = request.prepare(self._versions)
        number = next(self._numbers)
        header = prepared.build_request_header(correlation_id=number, client_id="sluice-probe")
        message = header.encode() + prepared.encode()
        async with asyncio.timeout(self._seconds):
            self._writer.write(_SIZE.pack(len(message)) + message)
            await self._writer.drain()
            beginning = await self._reader.readexactly(_SIZE.size)
            (size,) = _SIZE.unpack(beginning)
            if not _SIZE.size <= size <= _MAX_ANSWER_BYTES:
                raise NotKafkaError(beginning)
            answer = await self._reader.readexactly(size)
        return _parsed(prepared, number, answer)

    def close(self) -> None:
        """Let go of it at once."""
        transport = self._writer.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _parsed(request: Any, number: int, answer: bytes) -> Any:
    stream = BytesIO(answer)
    try:
        header = request.parse_response_header(stream)
        if header.correlation_id != number:
            raise NotKafkaError(answer[:8])
        return request.RESPONSE_TYPE.decode(stream)
    except (ValueError, struct.error) as error:
        raise NotKafkaError(answer[:8]) from error
