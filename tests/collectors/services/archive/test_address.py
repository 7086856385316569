"""Addresses of archives: folders that are there, buckets as the settings know them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.operations.running import UsageError
from collectors.services.archive.address import place_at
from collectors.services.archive.places import BucketPlace, FolderPlace
from collectors.settings import Settings

KNOWN: dict[str, Any] = {"bucket": "logs", "prefix": "x/", "access_key_id": "id", "secret_access_key": "hush"}


def settings_of(place: BucketPlace) -> Any:
    """As the bucket is asked by."""
    return place._bucket._settings


def test_a_folder_is_one(tmp_path: Path) -> None:
    """One that is not there is refused."""
    assert isinstance(place_at(str(tmp_path), None), FolderPlace)
    with pytest.raises(UsageError, match="is no folder; give one, or s3://bucket/prefix"):
        place_at(str(tmp_path / "nothing"), None)


@pytest.mark.parametrize(("address", "prefix"), [("s3://logs", ""), ("s3://logs/", ""), ("s3://logs/a/b", "a/b/")])
@pytest.mark.parametrize("by", ["archive", "entry", ""])
def test_a_bucket_is_asked_as_the_settings_say(address: str, prefix: str, by: str) -> None:
    """Of the archive, or of an entry with that bucket; the prefix is the address's. Else as the environment says."""
    entry = {"name": "lake", "path": "sink://s3", "config": KNOWN | {"format": "parquet"}}
    given = {"archive": {"archive": {"s3": KNOWN}}, "entry": {"data_collection_plugins": [entry]}}
    place = place_at(address, Settings.model_validate(given.get(by, {})))
    assert isinstance(place, BucketPlace)
    found = settings_of(place)
    assert (found.bucket, found.prefix) == ("logs", prefix)
    assert found.secret_access_key.get_secret_value() == ("hush" if by else "")


def test_no_bucket_s_name_is_refused() -> None:
    """With what one is."""
    with pytest.raises(UsageError, match="must be a bucket's name"):
        place_at("s3://a", None)
