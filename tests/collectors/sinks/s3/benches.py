"""A bucket of a real server behind a door that fails as it is told."""

from __future__ import annotations

import asyncio
import gzip
import secrets
from typing import Any

import orjson

from collectors.sinks.s3.settings import S3Settings
from collectors.sinks.s3.sink import S3Sink
from tests.s3_server import CREDENTIALS, Door, S3Server


class BucketBench:
    """One for each test."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.name = f"b{secrets.token_hex(5)}"
        self.door = Door(server)

    async def open(self) -> None:
        """Make the bucket and open the door."""
        await asyncio.to_thread(self.server.client.create_bucket, Bucket=self.name)
        await self.door.open()

    def settings(self, **changes: Any) -> S3Settings:
        """Those of a sink on the bucket."""
        config = {"bucket": self.name, "endpoint_url": self.door.url, "addressing_style": "path", "timeout": 60}
        return S3Settings.model_validate({**config, **CREDENTIALS, **changes})

    def sink(self, **changes: Any) -> S3Sink:
        """Not started."""
        return S3Sink(self.settings(**changes), owner="tests/lake", writes=4)

    async def objects(self) -> dict[str, bytes]:
        """All of them, by key."""
        return await asyncio.to_thread(self.server.objects, self.name)

    async def ids(self) -> list[str]:
        """The events in gzipped lines, in the order of their keys."""
        found = await self.objects()
        return [
            orjson.loads(line)["event_id"] for key in sorted(found) for line in gzip.decompress(found[key]).splitlines()
        ]
