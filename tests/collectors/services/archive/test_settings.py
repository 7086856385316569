"""Settings of the archive: one place, forms that can be, and errors that name key and remedy."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.configuration.changes import restart_keys
from collectors.services.archive.settings import ArchiveSettings
from collectors.settings import Settings


def test_what_is_not_given() -> None:
    """Parquet with zstd of the three events, by the hour with five minutes of grace."""
    settings = ArchiveSettings.model_validate({"folder": "archive"})
    assert (settings.format, settings.compression, settings.max_file_bytes) == ("parquet", "zstd", 32 << 20)
    assert (settings.topics, settings.grace, settings.every) == (("proxy-log", "analytics", "budget"), 300.0, 60.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs a place: give folder or s3"),
        ({"folder": "a", "s3": {"bucket": "logs"}}, "one of them"),
        ({"folder": "a", "format": "csv"}, "format"),
        ({"folder": "a", "topics": []}, "topics"),
        ({"folder": "a", "grace": "soon"}, "grace"),
        ({"folder": "a", "every": 0}, "every"),
        ({"folder": "a", "max_file_bytes": "0"}, "max_file_bytes"),
        ({"s3": {"bucket": "logs", "format": "jsonl"}}, r"s3\.format"),
        ({"s3": {"bucket": "logs", "epoch": 1}}, r"s3\.epoch"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(given: dict[str, Any], said: str) -> None:
    """A key of a sink's that has no meaning here is unknown, not ignored."""
    with pytest.raises(ValidationError, match=said):
        ArchiveSettings.model_validate(given)


def test_it_is_taken_up_while_collectors_run() -> None:
    """No restart is asked for."""
    one, other = Settings(), Settings.model_validate({"archive": {"folder": "x"}})
    assert restart_keys(one, other) == ()
