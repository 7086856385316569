"""The config of files: the reference's keys work, ours say what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from collectors.entries import FileEntry
from collectors.sinks.file.settings import FileSettings


def entry(**config: Any) -> FileEntry:
    """An entry as collectors.yaml has it."""
    return FileEntry.model_validate({"name": "files", "path": "sink://file", "config": config})


def test_the_references_keys() -> None:
    """Texts where the reference has texts; without ``format`` budgets are CSV and all else JSON lines."""
    config = entry(output_directory="/var/x", enabled="true", aggregate_mode="true").config
    assert (config.output_directory, config.aggregate_mode) == (Path("/var/x"), True)
    assert [config.format_name(kind) for kind in ("proxy_log", "analytics", "budget")] == ["jsonl", "jsonl", "csv"]
    assert entry(format="csv").config.format_name("analytics") == "csv"
    assert entry(format="jsonl").config.format_name("budget") == "jsonl"


def test_enabled_of_the_config_switches_the_entry() -> None:
    """It is not ignored; either of the two can switch it off."""
    assert entry(enabled="false").enabled is False
    assert entry().enabled is True
    off = FileEntry.model_validate({"name": "f", "path": "sink://file", "enabled": False, "config": {"enabled": True}})
    assert off.enabled is False


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"format": "xml"}, "format"),
        ({"compression": "lz4"}, "compression"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_bytes": "big"}, "max_bytes"),
        ({"max_age": "soon"}, "max_age"),
        ({"max_age": 0}, "max_age"),
        ({"epoch": -1}, "epoch"),
        ({"outputdirectory": "/x"}, "outputdirectory"),
        ({"aggregate_mode": "maybe"}, "aggregate_mode"),
    ],
)
def test_what_is_wrong_is_named(config: dict[str, Any], named: str) -> None:
    """By its key."""
    with pytest.raises(ValidationError, match=named):
        FileSettings.model_validate(config)


def test_zstd_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said when the file is read, with the command; Parquet has its own."""
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(ValidationError, match="pip install"):
        FileSettings(compression="zstd")
    assert FileSettings(compression="zstd", format="parquet").compression == "zstd"
