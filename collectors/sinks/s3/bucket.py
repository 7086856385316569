"""A bucket, asked by threads: list, head and put, and what their answers mean.

botocore signs, finds credentials and endpoints, and is used from several threads at once. It does not retry: the
pipeline does, with its own backoff and for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, BinaryIO

import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from collectors.errors import Halt
from collectors.sinks.s3.answers import ALREADY_THERE, cause_of, code_of, status_of
from collectors.sinks.s3.settings import BucketSettings

_CONNECT_SECONDS = 5.0
_PART_BYTES = 1 << 20


@cache
def _loader(data_path: str | None) -> Any:
    """Of what botocore knows of services: read once, and not for each client, which takes ten times as long."""
    return botocore.loaders.create_loader(data_path)


class Bucket:
    """Connects with its first request; raises ``Retryable`` or ``Halt``."""

    def __init__(self, settings: BucketSettings, connections: int) -> None:
        self._settings = settings
        self._connections = connections
        self._client: Any = None

    def connect(self) -> None:
        """Find region and credentials; nothing is asked yet."""
        if self._client is not None:
            return
        settings = self._settings
        try:
            session = botocore.session.Session(profile=settings.profile or None)
            session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
            self._client = session.create_client(
                "s3",
                region_name=settings.region or ("us-east-1" if settings.endpoint_url else None),
                endpoint_url=settings.endpoint_url or None,
                aws_access_key_id=settings.access_key_id or None,
                aws_secret_access_key=settings.secret_access_key.get_secret_value() or None,
                aws_session_token=settings.session_token.get_secret_value() or None,
                config=Config(
                    connect_timeout=min(_CONNECT_SECONDS, settings.timeout),
                    read_timeout=settings.timeout,
                    retries={"total_max_attempts": 1},
                    max_pool_connections=self._connections,
                    s3={"addressing_style": settings.addressing_style},
                ),
            )
        except BotoCoreError as error:
            raise cause_of(error, settings.bucket) from error
        except ValueError as error:
            raise Halt(f"bucket {settings.bucket}: {error}", "see endpoint_url and region") from error

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        self.connect()
        answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._settings.bucket, **arguments)
        return answer

    def check(self) -> None:
        """Whether it is there and may be listed."""
        try:
            self._ask("list_objects_v2", Prefix=self._settings.prefix, MaxKeys=1)
        except (BotoCoreError, ClientError) as error:
            raise cause_of(error, self._settings.bucket) from error

    def keys(self, prefix: str, start_after: str) -> Iterator[str]:
        """Those that begin so, from one on."""
        return (key for key, _ in self.objects(prefix, start_after))

    def objects(self, prefix: str, start_after: str = "") -> Iterator[tuple[str, int]]:
        """As ``keys``, each with its size in bytes."""
        arguments: dict[str, Any] = {"Prefix": prefix, "StartAfter": start_after}
        while True:
            try:
                answer = self._ask("list_objects_v2", **arguments)
            except (BotoCoreError, ClientError) as error:
                raise cause_of(error, self._settings.bucket) from error
            yield from ((found["Key"], int(found["Size"])) for found in answer.get("Contents", ()))
            if not answer.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    def folders(self, prefix: str) -> list[str]:
        """What stands between the prefix and the next slash of keys that have one, sorted, each once."""
        arguments: dict[str, Any] = {"Prefix": prefix, "Delimiter": "/"}
        found: list[str] = []
        while True:
            try:
                answer = self._ask("list_objects_v2", **arguments)
            except (BotoCoreError, ClientError) as error:
                raise cause_of(error, self._settings.bucket) from error
            found += [each["Prefix"][len(prefix) : -1] for each in answer.get("CommonPrefixes", ())]
            if not answer.get("IsTruncated"):
                return sorted(found)
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    def download(self, key: str, file: BinaryIO) -> bool:
        """Write an object's bytes into a file, some at a time; ``False`` where there is none."""
        try:
            body = self._ask("get_object", Key=key)["Body"]
            try:
                while part := body.read(_PART_BYTES):
                    file.write(part)
            finally:
                body.close()
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                return False
            raise cause_of(error, self._settings.bucket) from error
        except BotoCoreError as error:
            raise cause_of(error, self._settings.bucket) from error
        return True

    def delete(self, key: str) -> None:
        """Remove an object; twice is once."""
        try:
            self._ask("delete_object", Key=key)
        except (BotoCoreError, ClientError) as error:
            raise cause_of(error, self._settings.bucket) from error

    def find(self, key: str) -> Mapping[str, str] | None:
        """As ``metadata``; ``None`` where there is no such object, or no bucket."""
        try:
            found: Mapping[str, str] = self._ask("head_object", Key=key).get("Metadata", {})
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise cause_of(error, self._settings.bucket) from error
        except BotoCoreError as error:
            raise cause_of(error, self._settings.bucket) from error
        return found

    def metadata(self, key: str) -> Mapping[str, str]:
        """What was put beside an object."""
        try:
            found: Mapping[str, str] = self._ask("head_object", Key=key).get("Metadata", {})
        except (BotoCoreError, ClientError) as error:
            raise cause_of(error, self._settings.bucket) from error
        return found

    def put(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> bool:
        """Make an object; ``False`` where it is there already."""
        settings = self._settings
        optional = {
            "IfNoneMatch": "*" if settings.if_none_match else "",
            "ServerSideEncryption": settings.server_side_encryption,
            "SSEKMSKeyId": settings.sse_kms_key_id,
            "StorageClass": settings.storage_class,
        }
        given = {name: value for name, value in optional.items() if value}
        try:
            self._ask("put_object", Key=key, Body=body, ContentType=content_type, Metadata=dict(metadata), **given)
        except ClientError as error:
            if settings.if_none_match and (code_of(error) == ALREADY_THERE or status_of(error) == 412):
                return False
            raise cause_of(error, settings.bucket) from error
        except BotoCoreError as error:
            raise cause_of(error, settings.bucket) from error
        return True

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()
            self._client = None
