"""Files of ``sink://file``, as the sink made them: whole ones that are old, and never one that it still needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from collectors.entries import FileEntry
from collectors.errors import Halt
from collectors.retention.files import FileStore, published_pattern, read_content
from collectors.retention.settings import Limit
from collectors.retention.stores import Due
from collectors.settings import ControlSettings, HostSettings
from collectors.sinks.file.sink import FileSink, open_sink
from collectors.sinks.registry import SinkOpening
from schemas.events import Kind
from tests.collectors.events import TOPICS
from tests.collectors.retention.stored import DAY_MICROS, NOW, frame_of, micros, store

AGE = Limit(max_age=30 * 86_400.0)
FLOOR = 7 * DAY_MICROS


def sink_in(folder: Path, **settings: Any) -> FileSink:
    """As a service opens it."""
    entry = {"name": "s", "path": "sink://file", "config": {"output_directory": folder, **settings}}
    return open_sink(FileEntry.model_validate(entry), SinkOpening(HostSettings(), folder, ControlSettings()))


async def write(folder: Path, kind: Kind, *files: tuple[float, ...], partition: int = 0, **settings: Any) -> list[Path]:
    """A finished file for each, with events of these days, finished when the last of them was."""
    before, first = set(folder.iterdir()) if folder.exists() else set(), 0
    made: list[Path] = []
    for days in files:
        sink = sink_in(folder, **settings)
        await sink.start()
        await store(sink, frame_of(kind, *days, first=first, partition=partition))
        await sink.close()
        first += len(days)
        [path] = [each for each in set(folder.iterdir()) - before if not each.name.startswith(".")]
        before.add(path)
        finished = micros(min(days)) * 1_000
        os.utime(path, ns=(finished, finished))
        made.append(path)
    return made


FORMATS: list[tuple[Kind, dict[str, Any]]] = [
    ("proxy_log", {}),
    ("analytics", {"compression": "gzip"}),
    ("analytics", {"format": "csv", "compression": "zstd"}),
    ("budget", {"format": "csv"}),
    ("budget", {"format": "parquet"}),
]


@pytest.mark.parametrize(("kind", "settings"), FORMATS)
async def test_old_files_go_and_the_newest_of_a_partition_stays(
    kind: Kind, settings: dict[str, Any], tmp_path: Path
) -> None:
    """By the newest event in them, counted exactly, in every format; the sink goes on where it stood afterwards."""
    old, mixed, young, last = await write(tmp_path, kind, (40, 35), (34, 33, 20), (10,), (9,), **settings)
    [alone] = await write(tmp_path, kind, (50,), partition=1, **settings)
    files = FileStore(tmp_path, TOPICS)
    found = await files.find(kind, AGE, FLOOR, NOW)
    assert [(due.name, due.events) for due in found.due] == [(old.name, 2)]
    assert old.exists(), "nothing is deleted by looking"
    steps: list[int] = []
    assert await files.delete(kind, found.due[0], steps.append) == 2
    assert await files.delete(kind, found.due[0], steps.append) == 0
    assert steps == [2]
    assert not old.exists()
    assert all(path.exists() for path in (mixed, young, last, alone)), "alone is the newest of its partition"


async def test_the_sink_goes_on_behind_what_is_gone(tmp_path: Path) -> None:
    """Its last name is still there: nothing that was in a deleted file is written again."""
    old, _last = await write(tmp_path, "analytics", (40, 39), (38,))
    files = FileStore(tmp_path, TOPICS)
    for due in (await files.find("analytics", AGE, FLOOR, NOW)).due:
        await files.delete("analytics", due, lambda _: None)
    assert not old.exists()
    sink = sink_in(tmp_path)
    await sink.start()
    frame = frame_of("analytics", 40, 39, 38, 1)
    verdict = await sink.write(sink.prepare(frame).documents)
    await sink.close()
    assert verdict.duplicates == 3


async def test_files_go_by_bytes(tmp_path: Path) -> None:
    """The newest that fit stay, and what the log keeps."""
    made = await write(tmp_path, "analytics", *((float(day),) for day in range(40, 0, -1)))
    size = made[-1].stat().st_size
    files = FileStore(tmp_path, TOPICS)
    found = await files.find("analytics", Limit(max_bytes=20 * size + size // 2), FLOOR, NOW)
    assert len(found.due) == 20
    tight = await files.find("analytics", Limit(max_bytes=3 * size), FLOOR, NOW)
    assert len(tight.due) == 40 - 7, "of a week the log has everything"
    assert tight.excess_bytes == 4 * size


async def test_what_is_not_ours_or_not_to_be_read_stays(tmp_path: Path) -> None:
    """Damage, folders, links, hidden files, other kinds, names that only begin alike."""
    damaged, _ = await write(tmp_path, "analytics", (40,), (39,))
    damaged.write_bytes(b"\xff garbage")
    finished = micros(40) * 1_000
    os.utime(damaged, ns=(finished, finished))
    for name in ("sluice.analytics.v1-notes.jsonl", ".sluice.analytics.v1-0-0-1.part", "budget_aggregate.json"):
        (tmp_path / name).write_text("{}")
        os.utime(tmp_path / name, ns=(finished, finished))
    (tmp_path / f"sluice.analytics.v1-0-0-{0:020}-{1:020}.d").mkdir()
    files = FileStore(tmp_path, TOPICS)
    for kind in ("analytics", "budget", "proxy_log"):
        assert (await files.find(kind, AGE, FLOOR, NOW)).due == ()
    for name in ("budget_aggregate.json", "../x", ".service"):
        with pytest.raises(Halt, match="nothing is deleted"):
            await files.delete("analytics", Due(name, 1), lambda _: None)
    assert (await FileStore(tmp_path / "none", TOPICS).find("budget", AGE, FLOOR, NOW)).due == ()


def test_names_are_the_sink_s(tmp_path: Path) -> None:
    """Of journals too, whose partitions are called anything; nothing that merely holds such a name."""
    pattern = published_pattern("sluice.analytics.v1")
    offsets = f"{0:020}-{7:020}"
    assert pattern.fullmatch(f"sluice.analytics.v1-0-gw%2D1%2F0-{offsets}.jsonl.gz")
    for name in (
        f"x-sluice.analytics.v1-0-0-{offsets}.jsonl",
        f"sluice.analytics.v1-0-0-{offsets}",
        "sluice.analytics.v1",
    ):
        assert pattern.fullmatch(name) is None
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ValueError, match="isoformat"):
        read_content(tmp_path / "empty.jsonl")
