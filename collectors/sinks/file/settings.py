"""The ``config`` of ``sink://file``: the reference's keys and ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from collectors.sinks.settings import Compression, Duration, FormatName, Size, check_compression
from schemas.events import Kind
from sluice.eventlog.settings import Section


class FileSettings(Section):
    """``sink://file``."""

    output_directory: Annotated[Path, Field(examples=["/var/lib/sluice/events"])] = Path("./data")
    """The entry's own. A relative one begins where ``collectors.yaml`` lies."""
    enabled: bool = True
    """The reference's place for the entry's ``enabled``."""
    format: FormatName | None = None
    """By default as the reference: CSV of budgets, JSON lines of all else."""
    aggregate_mode: bool = False
    """Budgets as totals in ``budget_aggregate.json`` instead of a file of events."""
    compression: Compression = "none"
    """Of its files; Parquet has it within."""
    max_bytes: Size = 64 << 20
    """A file is finished when its events have so many bytes, uncompressed."""
    max_age: Duration = 300.0
    """And when its first event has been in it for so long."""
    epoch: Annotated[int, Field(ge=0, examples=[1])] = 0
    """The least epoch in names. The sink raises it where it sees that a log was made anew; raise it by hand where it
    cannot: after the log's clock was set back."""

    @model_validator(mode="after")
    def compression_is_there(self) -> Self:
        """zstd is not in the standard library yet."""
        check_compression(self.compression, self.format)
        return self

    def format_name(self, kind: Kind) -> FormatName:
        """The format of a kind's files."""
        return self.format or ("csv" if kind == "budget" else "jsonl")
