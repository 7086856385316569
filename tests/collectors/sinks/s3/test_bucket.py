"""Requests to a bucket, against a real S3-compatible server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.s3.bucket import Bucket
from collectors.sinks.s3.settings import S3Settings
from sluice.dev.servers.ports import free_port
from tests.collectors.sinks.s3.benches import BucketBench
from tests.s3_server import CREDENTIALS, S3Server


def settings(server: S3Server, name: str, **changes: Any) -> S3Settings:
    """Straight to the server."""
    config = {"bucket": name, "endpoint_url": server.url, "addressing_style": "path", "timeout": 60, **CREDENTIALS}
    return S3Settings.model_validate({**config, **changes})


@pytest.fixture
def name(s3_server: S3Server) -> str:
    """A bucket of this test's."""
    made = BucketBench(s3_server).name
    s3_server.client.create_bucket(Bucket=made)
    return made


@pytest.fixture
def bucket(s3_server: S3Server, name: str) -> Iterator[Bucket]:
    """One to ask."""
    made = Bucket(settings(s3_server, name), 4)
    yield made
    made.close()


def test_an_object_is_put_once(bucket: Bucket, s3_server: S3Server, name: str) -> None:
    """The second put is told that it is there, and changes nothing."""
    assert bucket.put("a/b", b"first", "text/plain", {"newest-ms": "5"})
    assert not bucket.put("a/b", b"second", "text/plain", {})
    assert s3_server.objects(name) == {"a/b": b"first"}
    assert bucket.metadata("a/b") == {"newest-ms": "5"}


def test_where_there_are_no_conditional_puts(s3_server: S3Server, name: str) -> None:
    """They can be switched off; the last one wins then, as the setting says."""
    bucket = Bucket(settings(s3_server, name, if_none_match=False), 1)
    assert bucket.put("a", b"first", "text/plain", {})
    assert bucket.put("a", b"second", "text/plain", {})
    assert s3_server.objects(name) == {"a": b"second"}
    bucket.close()


def test_keys_come_from_one_on_and_over_pages(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has 1000; here it has two."""
    for key in ("a/1", "a/2", "a/3", "a/4", "a/5", "b/1"):
        bucket.put(key, b"", "text/plain", {})
    real = bucket._ask
    monkeypatch.setattr(bucket, "_ask", lambda operation, **arguments: real(operation, MaxKeys=2, **arguments))
    assert list(bucket.keys("a/", "")) == ["a/1", "a/2", "a/3", "a/4", "a/5"]
    assert list(bucket.keys("a/", "a/2")) == ["a/3", "a/4", "a/5"]
    assert list(bucket.keys("none/", "")) == []


def test_what_is_missing(bucket: Bucket, s3_server: S3Server) -> None:
    """An object, or the bucket: each says so."""
    with pytest.raises(Halt):
        bucket.metadata("none")
    other = Bucket(settings(s3_server, "no-such-bucket"), 1)
    for ask in (other.check, lambda: list(other.keys("", "")), lambda: other.put("k", b"", "text/plain", {})):
        with pytest.raises(Halt, match="NoSuchBucket"):
            ask()
    other.close()


def test_a_server_that_is_away(s3_server: S3Server) -> None:
    """It is waited for; botocore does not try again by itself."""
    bucket = Bucket(settings(s3_server, "logs", endpoint_url=f"http://127.0.0.1:{free_port()}"), 1)
    for ask in (bucket.check, lambda: bucket.put("k", b"", "text/plain", {}), lambda: bucket.metadata("k")):
        with pytest.raises(Retryable):
            ask()
    bucket.close()


@pytest.mark.parametrize("changes", [{"profile": "none-of-mine", "access_key_id": "", "secret_access_key": ""}])
def test_what_cannot_be_connected_at_all(s3_server: S3Server, changes: dict[str, Any]) -> None:
    """Said with the first request, as something to mend."""
    bucket = Bucket(settings(s3_server, "logs", **changes), 1)
    with pytest.raises(Halt, match="profile"):
        bucket.check()
    bucket.close()


def test_a_close_may_be_repeated(bucket: Bucket) -> None:
    """And it connects again when it is asked again."""
    bucket.close()
    bucket.check()
    bucket.close()
    bucket.close()


def test_folders_are_what_slashes_make(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over pages, each once, sorted; objects beside them are none."""
    for key in ("a/z/1", "a/b/1", "a/b/2", "a/c/d/1", "a/file", "x/y"):
        bucket.put(key, b"", "text/plain", {})
    asked, real = [], bucket._ask

    def few(operation: str, **arguments: Any) -> dict[str, Any]:
        asked.append(operation)
        return real(operation, **arguments, MaxKeys=2)

    monkeypatch.setattr(bucket, "_ask", few)
    assert bucket.folders("a/") == ["b", "c", "z"]
    assert len(asked) > 1
    assert bucket.folders("nothing/") == []


def test_a_download_is_the_object(bucket: Bucket, s3_server: S3Server) -> None:
    """Whole; of one that is not there, or was deleted, it is said so; sizes are listed."""
    body = bytes(range(256)) * 10_000
    bucket.put("a", body, "text/plain", {})
    file = io.BytesIO()
    assert bucket.download("a", file)
    assert file.getvalue() == body
    assert list(bucket.objects("")) == [("a", len(body))]
    bucket.delete("a")
    bucket.delete("a")
    assert not bucket.download("a", file)
    with pytest.raises(Halt, match="NoSuchBucket"):
        Bucket(settings(s3_server, "no-such-bucket"), 1).download("a", file)
