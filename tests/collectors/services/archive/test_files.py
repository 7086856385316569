"""The files of a partition in an hour: names that are taken once, and what is found is read before it is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.columns import Decoder
from collectors.services.archive.contents import DamagedFileError
from collectors.services.archive.files import Form, PartitionFiles, examine
from collectors.services.archive.layout import Hour, folder_of
from collectors.services.archive.places import FolderPlace
from schemas.codec import SchemaBook
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import NOW_MICROS, TOPICS, make_record, numbered, partition_of

TOPIC = TOPICS.event("analytics").name
HOUR = Hour.of_ms(NOW_MICROS // 1_000)
PATH = folder_of(TOPIC, HOUR)


def files(place: FolderPlace, first: int = 0, max_bytes: int = 1_000) -> PartitionFiles:
    """Of analytics in the hour of ``records``."""
    form = Form("parquet", "zstd", max_bytes)
    return PartitionFiles(place, TOPIC, "analytics", HOUR, partition_of(), 0, first, form, Decoder(SchemaBook()))


def records(count: int = 20) -> list[StoredRecord]:
    """With offsets from 0."""
    return numbered([make_record() for _ in range(count)])


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_where_files_end_does_not_depend_on_how_they_are_read(tmp_path: Path, batch: int) -> None:
    """Polled one by one or all at once, the files are those of the records."""
    given = records()
    one, other = FolderPlace(tmp_path / "one"), FolderPlace(tmp_path / "other")
    whole, parts = files(one), files(other)
    whole.add(given)
    whole.end()
    for start in range(0, 20, batch):
        parts.add(given[start : start + batch])
    parts.end()
    assert [each.sha256 for each in whole.files] == [each.sha256 for each in parts.files]
    assert len(whole.files) > 3
    assert whole.first == 20


def test_what_is_examined_is_what_was_written(tmp_path: Path) -> None:
    """From the bytes alone, to the last figure; a name that is taken keeps its content and is counted as it is."""
    place, given = FolderPlace(tmp_path), records()
    first = files(place)
    first.add(given)
    first.end()
    seen = [examine(place, PATH, each.name, "analytics", Decoder(SchemaBook())) for each in first.files]
    assert seen == first.files
    again = files(place)
    again.add(given)
    again.end()
    assert again.files == first.files


def test_what_is_archived_already_is_passed_over(tmp_path: Path) -> None:
    """By its offset."""
    made = files(FolderPlace(tmp_path), first=15)
    made.add(records())
    made.end()
    assert (made.files[0].named.first, sum(each.records for each in made.files)) == (15, 5)


def test_a_name_that_lies_about_its_content_is_found(tmp_path: Path) -> None:
    """Other offsets, another end, another hour, no name at all."""
    place, given = FolderPlace(tmp_path), records(3)
    made = files(place)
    made.add(given)
    made.end()
    body = (tmp_path / PATH / made.files[0].name).read_bytes()
    wrong = [(PATH, f"{TOPIC}-0-0-{1:020}-{2:020}.parquet"), (PATH, f"{TOPIC}-0-0-{0:020}-{7:020}.parquet")]
    wrong += [(folder_of(TOPIC, Hour(HOUR.number - 1)), made.files[0].name), (PATH, "x.parquet")]
    for path, name in wrong:
        place.put(path, name, body)
        with pytest.raises(DamagedFileError):
            examine(place, path, name, "analytics", Decoder(SchemaBook()))
