"""``archive`` of ``collectors.yaml``: what is kept, where, and as what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from collectors.sinks.s3.settings import BucketSettings
from collectors.sinks.settings import Compression, Duration, Size, check_compression
from sluice.eventlog.settings import Section

ALL = "all"


class ArchiveSettings(Section):
    """Files by topic and hour, in a folder or in a bucket."""

    folder: Annotated[Path | None, Field(examples=["/var/lib/sluice/archive"])] = None
    """The archive's own; a relative one begins where ``collectors.yaml`` lies."""
    s3: BucketSettings | None = None
    """Instead of a folder; ``prefix`` is the archive's own."""
    format: Literal["parquet", "jsonl"] = "parquet"
    """Of its files."""
    compression: Compression = "zstd"
    """Of its files; Parquet has it within."""
    topics: Annotated[tuple[str, ...], Field(min_length=1, examples=[["all"]])] = ("proxy-log", "analytics", "budget")
    """As ``sluice tail`` names them; ``all`` is every topic: dead letters, reports, alerts, schemas too."""
    max_file_bytes: Size = 32 << 20
    """Of records' bytes in the log; what an hour has beyond it goes into further files."""
    grace: Duration = 300.0
    """An hour is over when so much of the next has passed: by the log's own times, or by this host's clock."""
    every: Duration = 60.0
    """How often it is looked whether an hour is over."""

    @model_validator(mode="after")
    def is_in_one_place(self) -> Self:
        """A folder or a bucket."""
        if (self.folder is None) == (self.s3 is None):
            message = "needs a place: give folder or s3, one of them, e.g. archive: {folder: /var/lib/sluice/archive}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def compression_is_there(self) -> Self:
        """zstd is not in the standard library yet; Parquet has its own."""
        check_compression(self.compression, self.format)
        return self
