"""Where an archive is, as people write it: a folder, or ``s3://bucket/prefix``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from collectors.entries import S3Entry
from collectors.operations.running import UsageError
from collectors.services.archive.places import BucketPlace, FolderPlace, Place
from collectors.settings import Settings
from collectors.sinks.s3.settings import BucketSettings

_S3 = "s3://"


def place_at(address: str, settings: Settings | None) -> Place:
    """Raises UsageError. How a bucket is asked is what ``collectors.yaml`` says of it: of its archive, or of an
    entry; else what the environment says."""
    if address.startswith(_S3):
        return BucketPlace(_bucket(address, settings))
    folder = Path(address)
    if not folder.is_dir():
        raise UsageError(f"--archive: {address} is no folder; give one, or s3://bucket/prefix")
    return FolderPlace(folder.absolute())


def _bucket(address: str, settings: Settings | None) -> BucketSettings:
    parts = urlsplit(address)
    prefix = parts.path.lstrip("/")
    prefix = f"{prefix}/" if prefix and not prefix.endswith("/") else prefix
    for known in _known(settings):
        if known.bucket == parts.netloc:
            given = known.model_dump(include=set(BucketSettings.model_fields))
            return BucketSettings.model_validate(given | {"prefix": prefix})
    try:
        return BucketSettings(bucket=parts.netloc, prefix=prefix)
    except ValidationError as error:
        raise UsageError(f"--archive: {address}: {error.errors()[0]['msg']}") from error


def _known(settings: Settings | None) -> Iterable[BucketSettings]:
    if settings is None:
        return
    if settings.archive is not None and settings.archive.s3 is not None:
        yield settings.archive.s3
    for entry in settings.data_collection_plugins:
        if isinstance(entry, S3Entry):
            yield entry.config
