"""The benches of the sinks that write files, objects and lines."""

from __future__ import annotations

import asyncio
import gzip
import os
import secrets
import threading
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import orjson
import polars as pl

from collectors.sinks.file.settings import FileSettings
from collectors.sinks.file.sink import FileSink
from collectors.sinks.interface import Sink
from collectors.sinks.s3.settings import S3Settings
from collectors.sinks.s3.sink import S3Sink
from collectors.sinks.stdout import StdoutSink
from tests.contracts.sink_laws import SinkBench
from tests.s3_server import CREDENTIALS, Door, S3Server

_MARK = b"a mark of the bench's own\n"


def ids_of_lines(content: bytes) -> list[str]:
    """The ids of documents in lines."""
    return [orjson.loads(line)["event_id"] for line in content.splitlines()]


class FileBench(SinkBench):
    """Files in a folder; it is away while its folder is a file."""

    settings: ClassVar[dict[str, Any]] = {"format": "jsonl"}

    @property
    def path(self) -> Path:
        return self.folder / "files"

    def make(self) -> Sink[Any]:
        settings = FileSettings.model_validate({"output_directory": str(self.path), **self.settings})
        return FileSink(settings, self.path, owner="tests")

    async def finish(self, sink: Sink[Any]) -> None:
        """A close finishes the files; the sink begins others when it is written to again."""
        await sink.close()

    async def ids(self) -> Counter[str]:
        return Counter(event_id for path in self.path.iterdir() if path.name[0] != "." for event_id in self.read(path))

    def read(self, path: Path) -> list[str]:
        """The ids of one file."""
        return ids_of_lines(path.read_bytes())

    async def go_away(self) -> None:
        if self.path.exists():
            self.path.rename(self.folder / "elsewhere")
        self.path.write_text("in the way")

    async def come_back(self) -> None:
        self.path.unlink()
        if (self.folder / "elsewhere").exists():
            (self.folder / "elsewhere").rename(self.path)

    refuses_single_ones = False


class SmallFileBench(FileBench):
    """Files of a few events, compressed."""

    settings: ClassVar[dict[str, Any]] = {"format": "jsonl", "compression": "gzip", "max_bytes": 4_000}

    def read(self, path: Path) -> list[str]:
        return ids_of_lines(gzip.decompress(path.read_bytes()))


class ParquetFileBench(FileBench):
    """Parquet."""

    settings: ClassVar[dict[str, Any]] = {"format": "parquet", "compression": "zstd"}

    def read(self, path: Path) -> list[str]:
        return pl.read_parquet(path)["event_id"].to_list()


class S3Bench(SinkBench):
    """Objects of a real server; it is away while nobody opens its door."""

    fixture = "s3_server"
    refuses_single_ones = False
    settings: ClassVar[dict[str, Any]] = {"format": "jsonl", "compression": "none"}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bucket = f"b{secrets.token_hex(5)}"
        self.door: Door | None = None

    @property
    def s3(self) -> S3Server:
        assert isinstance(self.server, S3Server)
        return self.server

    async def open(self) -> None:
        await asyncio.to_thread(self.s3.client.create_bucket, Bucket=self.bucket)
        self.door = Door(self.s3)
        await self.door.open()

    async def close(self) -> None:
        assert self.door is not None
        await self.door.close()

    def make(self) -> Sink[Any]:
        assert self.door is not None
        settings = {"bucket": self.bucket, "endpoint_url": self.door.url, **CREDENTIALS, **self.settings}
        settings |= {"addressing_style": "path", "timeout": 60}
        return S3Sink(S3Settings.model_validate(settings), owner="tests", writes=4)

    async def ids(self) -> Counter[str]:
        objects = await asyncio.to_thread(self.s3.objects, self.bucket)
        return Counter(event_id for content in objects.values() for event_id in self.read(content))

    def read(self, content: bytes) -> list[str]:
        """The ids of one object."""
        return ids_of_lines(content)

    async def go_away(self) -> None:
        assert self.door is not None
        await self.door.close()

    async def come_back(self) -> None:
        assert self.door is not None
        await self.door.open()


class StdoutBench(SinkBench):
    """The one end of a pipe, whose other is read."""

    is_exact = False
    waits_for_its_place = False
    refuses_single_ones = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._content = bytearray()
        self._marks = 0
        reading, self._writing = os.pipe()
        self._reader = threading.Thread(target=self._read, args=(reading,), daemon=True)
        self._reader.start()

    def _read(self, descriptor: int) -> None:
        while piece := os.read(descriptor, 1 << 16):
            self._content += piece
        os.close(descriptor)

    def make(self) -> Sink[Any]:
        return StdoutSink("json", self._writing)

    async def ids(self) -> Counter[str]:
        """A mark of ours goes through the pipe: with it all that was written before has come."""
        self._marks += 1
        await asyncio.to_thread(os.write, self._writing, _MARK)
        async with asyncio.timeout(60):
            while self._content.count(_MARK) < self._marks:  # noqa: ASYNC110 - a thread reads
                await asyncio.sleep(0.002)
        return Counter(ids_of_lines(bytes(self._content).replace(_MARK, b"")))

    async def close(self) -> None:
        os.close(self._writing)
        self._reader.join()
