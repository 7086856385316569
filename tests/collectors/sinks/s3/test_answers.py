"""What each of S3's errors asks for."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)

from collectors.errors import Halt, Retryable
from collectors.sinks.s3.answers import cause_of, code_of, status_of


def error(code: str, status: int, **headers: str) -> ClientError:
    """As botocore raises it."""
    response: Any = {
        "Error": {"Code": code, "Message": "of secret values"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return ClientError(response, "PutObject")


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("SlowDown", 503, "throttled"),
        ("503", 503, "throttled"),
        ("TooManyRequests", 429, "throttled"),
        ("RequestLimitExceeded", 400, "throttled"),
        ("ServiceUnavailable", 503, "transient"),
        ("InternalError", 500, "transient"),
        ("", 502, "transient"),
        ("504", 504, "transient"),
        ("RequestTimeout", 400, "transient"),
        ("ConditionalRequestConflict", 409, "transient"),
        ("OperationAborted", 409, "transient"),
        ("InsufficientStorage", 507, "transient"),
        ("AccessDenied", 403, "s3:PutObject"),
        ("403", 403, "s3:PutObject"),
        ("InvalidAccessKeyId", 403, "access_key_id"),
        ("SignatureDoesNotMatch", 403, "secret_access_key"),
        ("ExpiredToken", 400, "expired"),
        ("RequestTimeTooSkewed", 403, "clock"),
        ("NoSuchBucket", 404, "make the bucket"),
        ("404", 404, "make the bucket"),
        ("PermanentRedirect", 301, "region"),
        ("AuthorizationHeaderMalformed", 400, "region"),
        ("NotImplemented", 501, "if_none_match"),
        ("InvalidStorageClass", 400, "settings"),
    ],
)
def test_what_an_answer_asks_for(code: str, status: int, expected: str) -> None:
    """Judged by code, and by status where there is none; the bucket is named, the message's values are not."""
    cause = cause_of(error(code, status), "logs")
    assert "bucket logs" in str(cause)
    assert "secret values" not in str(cause)
    if isinstance(cause, Halt):
        assert expected in cause.remedy
    else:
        assert expected == ("throttled" if cause.throttled else "transient")


def test_how_long_to_wait_is_kept() -> None:
    """A date or garbage is not taken for seconds."""
    cause = cause_of(error("SlowDown", 503, **{"retry-after": "7"}), "logs")
    assert isinstance(cause, Retryable)
    assert cause.retry_after_seconds == 7
    for value in ("soon", "-1", ""):
        other = cause_of(error("SlowDown", 503, **{"retry-after": value}), "logs")
        assert isinstance(other, Retryable)
        assert other.retry_after_seconds is None


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (EndpointConnectionError(endpoint_url="http://x"), Retryable),
        (ReadTimeoutError(endpoint_url="http://x"), Retryable),
        (NoCredentialsError(), Halt),
        (NoRegionError(), Halt),
        (BotoCoreError(), Halt),
    ],
)
def test_what_no_answer_asks_for(raised: BotoCoreError, kind: type[Exception]) -> None:
    """A server that is away comes back; credentials and regions do not by themselves."""
    assert isinstance(cause_of(raised, "logs"), kind)


def test_an_answer_without_anything() -> None:
    """It is no reason to break."""
    empty = ClientError({}, "PutObject")
    assert (code_of(empty), status_of(empty)) == ("", 0)
    assert isinstance(cause_of(empty, "logs"), Halt)
