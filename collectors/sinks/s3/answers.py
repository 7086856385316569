"""What S3's errors mean: judged by code, and only then by status."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoRegionError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from collectors.errors import Halt, Retryable, without_values

_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "Busy"}
_TRANSIENT = {
    "InternalError", "RequestTimeout", "ServiceUnavailable", "OperationAborted", "ConditionalRequestConflict",
    "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "BadDigest", "IncompleteBody",
}  # fmt: skip
_REMEDIES = {
    "AccessDenied": "grant s3:PutObject, s3:GetObject and s3:ListBucket on it, and kms:GenerateDataKey on its key",
    "AllAccessDisabled": "see the state of the account",
    "AuthorizationHeaderMalformed": "set region to the bucket's",
    "ExpiredToken": "give credentials that have not expired",
    "InvalidAccessKeyId": "see access_key_id, or what the environment gives",
    "NoSuchBucket": "make the bucket, or see bucket, region and endpoint_url",
    "NotImplemented": "the server does not know a request; if_none_match: false is for those without conditional puts",
    "PermanentRedirect": "set region to the bucket's",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SignatureDoesNotMatch": "see secret_access_key and region",
}
_BY_STATUS = {
    301: "set region to the bucket's",
    403: _REMEDIES["AccessDenied"],
    404: _REMEDIES["NoSuchBucket"],
}
ALREADY_THERE = "PreconditionFailed"


def code_of(error: ClientError) -> str:
    """The error's code; of an answer without a body it is the status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The answer's status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def cause_of(error: BotoCoreError | ClientError, bucket: str) -> Retryable | Halt:
    """What to do now."""
    where = f"bucket {bucket}"
    if isinstance(error, BotoConnectionError | HTTPClientError):
        return Retryable(f"{where}: {type(error).__name__}: no answer")
    if isinstance(error, NoRegionError):
        return Halt(f"{where}: no region is known", "set region")
    if not isinstance(error, ClientError):
        return Halt(f"{where}: {without_values(str(error))}", "see the credentials, region and endpoint_url")
    code, status = code_of(error), status_of(error)
    message = f"{where}: {code or 'no code'} ({status})"
    if code in _THROTTLED or status == 429 or (status == 503 and code not in _TRANSIENT):
        return Retryable(message, _retry_after(error.response), throttled=True)
    if code in _TRANSIENT or (status >= 500 and status != 501):
        return Retryable(message, _retry_after(error.response))
    remedy = _REMEDIES.get(code) or _BY_STATUS.get(status) or "see the bucket's settings and those of this sink"
    return Halt(message, remedy)


def _retry_after(response: dict[str, Any]) -> float | None:
    value = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return float(value) if value.isdecimal() else None
