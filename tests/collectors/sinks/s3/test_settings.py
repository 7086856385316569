"""The config of buckets: what does not fit together is said when the file is read."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.entries import S3Entry
from collectors.sinks.s3.settings import S3Settings


def test_a_bucket_is_enough() -> None:
    """Everything else is the environment's or has a default; batches are larger than those of other sinks."""
    settings = S3Settings.model_validate({"bucket": "logs"})
    assert (settings.format, settings.compression, settings.if_none_match) == ("jsonl", "gzip", True)
    entry = S3Entry.model_validate({"name": "s3", "path": "sink://s3", "config": {"bucket": "logs"}})
    assert entry.batch.max_age_seconds == 30


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, "bucket"),
        ({"bucket": "a"}, "bucket"),
        ({"bucket": "a/b"}, "what comes behind it is prefix"),
        ({"bucket": "s3://logs"}, "must be a bucket's name alone"),
        ({"bucket": "logs\n"}, "must be a bucket's name alone"),
        ({"endpoint_url": "http://host:99999"}, "a port from 1 to 65535"),
        ({"endpoint_url": "http://host:x"}, "a port from 1 to 65535"),
        ({"prefix": "a b/"}, "prefix"),
        ({"endpoint_url": "localhost:9000"}, "endpoint_url"),
        ({"endpoint_url": "http://user:secret@host"}, "endpoint_url"),
        ({"access_key_id": "a"}, "secret_access_key"),
        ({"secret_access_key": "a"}, "access_key_id"),
        ({"session_token": "a"}, "access_key_id"),
        ({"access_key_id": "a", "secret_access_key": "b", "profile": "p"}, "profile"),
        ({"sse_kms_key_id": "k"}, "server_side_encryption"),
        ({"server_side_encryption": "rot13"}, "server_side_encryption"),
        ({"format": "csv"}, "format"),
        ({"max_object_bytes": 0}, "max_object_bytes"),
        ({"bukcet": "x"}, "bukcet"),
    ],
)
def test_what_is_wrong_is_named(config: dict[str, Any], named: str) -> None:
    """By its key; a secret is never repeated."""
    given = config if "bucket" in config or not config else {"bucket": "logs", **config}
    with pytest.raises(ValidationError, match=named) as raised:
        S3Settings.model_validate(given)
    assert "'secret'" not in str(raised.value)


def test_secrets_are_not_shown() -> None:
    """Neither in a log nor in a traceback."""
    config = {"bucket": "logs", "access_key_id": "id", "secret_access_key": "hush", "session_token": "hush-too"}
    assert "hush" not in repr(S3Settings.model_validate(config))
