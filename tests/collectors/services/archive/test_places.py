"""Both places, a folder and a bucket, under the same laws; and the archive in a bucket that fails as it is told to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import CollectorError, Halt, Retryable
from collectors.services.archive.origin import open_archive
from collectors.services.archive.places import BucketPlace, FolderPlace, Place, read
from collectors.services.archive.verify import Verifier, topics_at
from collectors.settings import Settings
from collectors.sinks.s3.settings import BucketSettings
from tests.collectors.services.archive.benches import TOPICS, Bench, filled, in_order
from tests.s3_server import CREDENTIALS, Door, Fault, S3Server

Made = Callable[[], Place]


def bucket_settings(server: S3Server, name: str, **changes: Any) -> dict[str, Any]:
    """Of a bucket of this test's own."""
    where = {"bucket": name, "prefix": "a/", "endpoint_url": server.url, "addressing_style": "path"}
    return {**where, **CREDENTIALS, **changes}


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, unique_name: str) -> Place:
    """Empty."""
    if request.param == "folder":
        return FolderPlace(tmp_path / "deep" / "archive")
    server = request.getfixturevalue("s3_server")
    server.client.create_bucket(Bucket=unique_name)
    return BucketPlace(BucketSettings.model_validate(bucket_settings(server, unique_name)))


def test_a_name_keeps_its_first_content(place: Place) -> None:
    """Nothing is ever replaced; the second is told."""
    assert place.put("t/date=x", "one", b"first")
    assert not place.put("t/date=x", "one", b"second")
    assert read(place, "t/date=x", "one") == b"first"
    place.close()


def test_folders_and_files_are_listed(place: Place) -> None:
    """Each folder's own, sorted; of one that there is not nothing."""
    for path, name in (("t/b/c", "2"), ("t/b/c", "1"), ("t/a", "x"), ("", "root"), ("u", "y")):
        place.put(path, name, name.encode() * 3)
    assert place.folders("") == ["t", "u"]
    assert place.folders("t") == ["a", "b"]
    assert place.files("t/b/c") == {"1": 3, "2": 3}
    assert place.files("") == {"root": 4 * 3}
    assert (place.folders("nothing"), place.files("nothing")) == ([], {})
    place.close()


def test_what_is_removed_or_never_was_is_not_there(place: Place) -> None:
    """Removing twice is once; reading says so."""
    place.put("t", "x", b"y")
    place.remove("t", "x")
    place.remove("t", "x")
    assert read(place, "t", "x") is None
    with pytest.raises(FileNotFoundError), place.local("t", "x"):
        pass
    place.close()


def test_a_local_file_has_the_content(place: Place) -> None:
    """However large; its end of name tells its form."""
    body = bytes(range(256)) * 20_000
    place.put("t", "x.parquet", body)
    with place.local("t", "x.parquet") as path:
        assert path.read_bytes() == body
        assert path.name.endswith("x.parquet")
    place.close()


def test_half_written_files_are_nobody_s_and_go(tmp_path: Path) -> None:
    """What a killed process left is not listed, and removed when asked."""
    place = FolderPlace(tmp_path)
    place.put("t", "x", b"y")
    (tmp_path / "t" / ".z.parquet.12ab.tmp").write_bytes(b"half")
    assert place.files("t") == {"x": 1}
    place.tidy("t")
    assert [each.name for each in (tmp_path / "t").iterdir()] == ["x"]


def test_a_file_that_is_tidied_away_while_it_is_written_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an archiver that took its writer for dead; the content is there once, whole."""
    place, real, calls = FolderPlace(tmp_path), os.link, 0

    def link(*given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            place.tidy("t")
        real(*given)

    monkeypatch.setattr(os, "link", link)
    assert place.put("t", "x", b"whole")
    assert (calls, place.files("t"), read(place, "t", "x")) == (2, {"x": 5}, b"whole")


def test_a_folder_that_cannot_be_one_halts(tmp_path: Path) -> None:
    """The error names the key and the remedy."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Halt, match=r"archive\.folder .*Not a directory; make it a folder"):
        FolderPlace(tmp_path / "file" / "archive").put("t", "x", b"y")


def test_another_archiver_may_make_the_folder_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that begin at one time: who finds no folder and is overtaken puts its file into the other's."""
    archive, is_dir = tmp_path / "archive", Path.is_dir

    def is_overtaken(self: Path) -> bool:
        found = is_dir(self)
        if self == archive and not found:
            archive.mkdir()
        return found

    monkeypatch.setattr(Path, "is_dir", is_overtaken)
    assert FolderPlace(archive).put("", "x", b"y")
    assert (archive / "x").read_bytes() == b"y"


async def test_an_archive_in_a_bucket_is_one_in_a_folder(tmp_path: Path, s3_server: S3Server, unique_name: str) -> None:
    """The same files, verified and read back byte for byte, found by s3://bucket/prefix with the settings' credentials;
    a flipped bit is found there too."""
    s3_server.client.create_bucket(Bucket=unique_name)
    settings = bucket_settings(s3_server, unique_name)
    bench = Bench(tmp_path, s3=settings, max_file_bytes=4_000)
    filled(bench.log, hours=2)
    assert await bench.sweep_all() == 2
    assert await bench.sweep() == 0
    known = Settings.model_validate({"archive": {"s3": settings}})
    origin = open_archive(f"s3://{unique_name}/a", known)
    topics = sorted(TOPICS.events())
    found = [each async for _, part in origin.read(await origin.ranges(topics), topics) for each in part]
    assert in_order(found) == in_order(bench.log.all)
    await origin.close()
    place = BucketPlace(BucketSettings.model_validate(settings))
    assert Verifier(place).verify(topics_at(place)).problems == []
    key, body = next((key, body) for key, body in s3_server.objects(unique_name).items() if key.endswith(".parquet"))
    s3_server.client.put_object(Bucket=unique_name, Key=key, Body=body[:200] + b"\x01" + body[201:])
    [problem] = Verifier(place).verify(topics_at(place)).problems
    assert key.endswith(problem.where)
    place.close()


FAULTS: dict[str, tuple[Fault, type[CollectorError]]] = {
    "away": (Fault(503, "ServiceUnavailable"), Retryable),
    "slow": (Fault(seconds=3.0), Retryable),
    "forbidden": (Fault(403, "AccessDenied"), Halt),
    "throttled": (Fault(503, "SlowDown"), Retryable),
    "answer lost": (Fault(500, "InternalError", is_done=True), Retryable),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_bucket_that_fails_loses_and_repeats_nothing(
    tmp_path: Path, s3_server: S3Server, unique_name: str, name: str
) -> None:
    """Away, slow, forbidden, throttled, or its answers lost, at any put: said so, and the next sweeps finish it."""
    s3_server.client.create_bucket(Bucket=unique_name)
    door = Door(s3_server)
    await door.open()
    fault, raised = FAULTS[name]
    seconds = 1.5 if name == "slow" else 60.0
    bench = Bench(tmp_path, s3=bucket_settings(s3_server, unique_name, endpoint_url=door.url, timeout=seconds))
    filled(bench.log, hours=1, each=4)
    passes: Any = None
    for before in (0, 2, 5):
        door.faults.clear()
        door.faults.extend([*[passes] * before, fault])
        with pytest.raises(raised):
            await bench.sweep_all()
    door.faults.clear()
    await bench.sweep_all()
    place = BucketPlace(BucketSettings.model_validate(bucket_settings(s3_server, unique_name)))
    found = await asyncio.to_thread(lambda: Verifier(place).verify(topics_at(place)))
    assert (found.problems, found.records) == ([], len(bench.log.all))
    place.close()
    await door.close()
