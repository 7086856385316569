"""Manifests: what is written is read again, what was changed is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.services.archive.contents import DamagedFileError, Tally
from collectors.services.archive.layout import MANIFEST, Hour, folder_of
from collectors.services.archive.manifest import (
    FileFacts,
    Manifest,
    PartitionFacts,
    decode,
    digest,
    encode,
    hours_of,
    manifest_of,
    newest,
    read_manifest,
)
from collectors.services.archive.places import FolderPlace

NAME = f"t-0-0-{0:020}-{9:020}.parquet"


def a_manifest(number: int = 5, previous: tuple[Manifest, str] | None = None) -> Manifest:
    """Of one file."""
    tally = Tally(records=10, undecodable=1, late=2, first_ms=1, last_ms=2, last_record_ms=2, schemas={"ab"})
    return manifest_of(
        "t",
        Hour(number),
        previous,
        [PartitionFacts("t", 0, 0, 0, 10, 9, 2, ((3, 4),))],
        [FileFacts.of(NAME, 100, "00", tally)],
    )


def test_it_reads_as_it_was_written_and_adds_up() -> None:
    """Figures are those of the files; made twice it is the same to the byte."""
    manifest = a_manifest()
    assert decode(encode(manifest)) == manifest
    assert encode(a_manifest()) == encode(manifest)
    assert (manifest.records, manifest.undecodable, manifest.late, manifest.schemas) == (10, 1, 2, ("ab",))


def test_one_of_another_version_is_read() -> None:
    """With fields that are not ours, and without such as came later: its own checksum says whether it is as it was
    written, and no bit of it may be another."""
    raw = msgspec.json.decode(encode(a_manifest()))
    del raw["checksum"], raw["schema_sha256"]
    for each in raw["partitions"]:
        del each["log"]
    raw["writer"], raw["later"] = "sluice/other", {"a": [1]}
    body = msgspec.json.encode(raw)
    whole = b'{"checksum":"%s",%s' % (hashlib.sha256(body).hexdigest().encode(), body[1:])
    text = msgspec.json.format(whole, indent=1) + b"\n"
    assert decode(text) == msgspec.structs.replace(a_manifest(), writer="sluice/other")
    for changed in (text.replace(b"other", b"othex"), text.replace(b"later", b"latex"), whole, text + b"\n"):
        with pytest.raises(DamagedFileError):
            decode(changed)


def test_any_changed_byte_is_found() -> None:
    """Each bit of each field counts, spaces and the checksum itself too; so does a byte more or less."""
    manifest = a_manifest(5, (a_manifest(4), "00"))
    partitions = tuple(msgspec.structs.replace(each, log="id") for each in manifest.partitions)
    text = encode(msgspec.structs.replace(manifest, partitions=partitions, schema_sha256={"ab": "00"}))
    decode(text)
    for at, byte in enumerate(text):
        before, behind = text[:at], text[at + 1 :]
        others = [bytes([byte ^ 1 << bit]) for bit in range(8)]
        for changed in (*others, b"", b" " + text[at : at + 1]):
            with pytest.raises(DamagedFileError):
                decode(before + changed + behind)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_garbage_is_one_error_of_ours(text: bytes) -> None:
    """Whatever it is."""
    with pytest.raises(DamagedFileError):
        decode(text)


@pytest.mark.parametrize("text", [b"{}", b"[]", b"1", b'{"checksum":""}', b"[" * 5_000, b'{"a":' * 5_000])
def test_json_of_another_kind_too(text: bytes) -> None:
    """Deep nesting is no crash."""
    with pytest.raises(DamagedFileError):
        decode(text)


def put(place: FolderPlace, number: int, text: bytes) -> None:
    """A manifest of an hour."""
    place.put(folder_of("t", Hour(number)), MANIFEST, text)


def test_the_newest_is_found_from_the_end(tmp_path: Path) -> None:
    """Hours without one are passed over; strange folders are none."""
    place = FolderPlace(tmp_path)
    assert newest(place, "t") is None
    text = encode(a_manifest(30))
    put(place, 30, text)
    put(place, 3, encode(a_manifest(3)))
    place.put(folder_of("t", Hour(90)), NAME, b"")
    place.put("t/date=x/hour=1", "y", b"")
    assert newest(place, "t") == (a_manifest(30), digest(text))
    assert hours_of(place, "t") == [Hour(3), Hour(30), Hour(90)]


_LIES: list[Callable[[], bytes]] = [lambda: encode(a_manifest(4)), lambda: b"", lambda: encode(a_manifest())[:-2]]


@pytest.mark.parametrize("text", _LIES)
def test_one_that_is_of_another_hour_or_damaged_is_told(tmp_path: Path, text: Callable[[], bytes]) -> None:
    """Not taken, and not passed over: the place where it goes on is not guessed."""
    place = FolderPlace(tmp_path)
    put(place, 5, text())
    with pytest.raises(DamagedFileError):
        read_manifest(place, "t", Hour(5))
    with pytest.raises(DamagedFileError, match=r"manifest\.json"):
        newest(place, "t")
