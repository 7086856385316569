"""The ``config`` of ``sink://s3``."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from collectors.sinks.settings import Compression, Duration, Size, has_good_port
from sluice.eventlog.settings import Section

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


class BucketSettings(Section):
    """A bucket of Amazon's or of whoever speaks its protocol: where it is, who asks, and how objects are put there."""

    bucket: Annotated[str, Field(examples=["company-logs"])]
    """Its name."""
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9!_.*'()=/-]{1,500})?$", examples=["llm/"])] = ""
    """Before every key; the entry's own. A folder's name ends with a slash."""
    region: Annotated[str, Field(examples=["eu-central-1"])] = ""
    """Empty: as the environment or the profile says."""
    endpoint_url: Annotated[str, Field(examples=["http://minio:9000"])] = ""
    """Of another server than Amazon's, such as http://minio:9000."""
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """Whether the bucket is in the path or in the host's name; many servers know only ``path``."""
    access_key_id: Annotated[str, Field(examples=["AKIAIOSFODNN7EXAMPLE"])] = ""
    """With ``secret_access_key``; without both the usual chain: environment, profile, web identity, instance."""
    secret_access_key: SecretStr = SecretStr("")
    """Of that key."""
    session_token: SecretStr = SecretStr("")
    """Of temporary credentials."""
    profile: Annotated[str, Field(examples=["logs"])] = ""
    """Of the shared configuration files of AWS."""
    server_side_encryption: Annotated[Literal["", "AES256", "aws:kms", "aws:kms:dsse"], Field(examples=["aws:kms"])] = (
        ""
    )
    """Empty: as the bucket says."""
    sse_kms_key_id: Annotated[str, Field(examples=["alias/sluice"])] = ""
    """With which the store encrypts; empty is its own."""
    storage_class: Annotated[str, Field(pattern=r"^[A-Z_]*$", examples=["STANDARD_IA"])] = ""
    """Empty: as the bucket says."""
    if_none_match: bool = True
    """Puts never replace an object. ``false`` for servers that do not know that: two owners of a partition at one
    moment may then leave some events twice."""
    timeout: Duration = 10.0
    """For one request."""

    @field_validator("bucket")
    @classmethod
    def bucket_is_a_name(cls, value: str) -> str:
        """Without what belongs into other keys."""
        if _BUCKET.fullmatch(value) is None:
            message = (
                "must be a bucket's name alone, of 3 to 255 letters, digits, dots, dashes and underscores, such as "
                "company-logs; what comes behind it is prefix, and a server's address endpoint_url"
            )
            raise ValueError(message)
        return value

    @field_validator("endpoint_url")
    @classmethod
    def endpoint_is_http(cls, value: str) -> str:
        """An absolute http(s) URL without credentials."""
        parts = urlsplit(value)
        if value and not has_good_port(parts):
            message = "must have a port from 1 to 65535, e.g. http://localhost:9000"
            raise ValueError(message)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username):
            message = "must be an absolute http:// or https:// URL without credentials, e.g. http://localhost:9000"
            raise ValueError(message)
        return value.rstrip("/")

    @model_validator(mode="after")
    def belong_together(self) -> Self:
        """Half of a credential is none, and a key is of an encryption."""
        if bool(self.access_key_id) != bool(self.secret_access_key.get_secret_value()):
            message = "access_key_id and secret_access_key are given together, or both left to the usual chain"
            raise ValueError(message)
        if self.session_token.get_secret_value() and not self.access_key_id:
            message = "session_token belongs to an access_key_id; give that too"
            raise ValueError(message)
        if self.access_key_id and self.profile:
            message = "profile: the credentials are given already by access_key_id; remove one of them"
            raise ValueError(message)
        if self.sse_kms_key_id and not self.server_side_encryption.startswith("aws:kms"):
            message = "sse_kms_key_id needs server_side_encryption: aws:kms"
            raise ValueError(message)
        return self


class S3Settings(BucketSettings):
    """``sink://s3``."""

    format: Literal["jsonl", "parquet"] = "jsonl"
    """Of its objects."""
    compression: Compression = "gzip"
    """Of its objects; Parquet has it within."""
    max_object_bytes: Size = 64 << 20
    """Of the events' bytes in the log; what a write has beyond it goes into further objects."""
    epoch: Annotated[int, Field(ge=0, examples=[1])] = 0
    """As of ``sink://file``."""
