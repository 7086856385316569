"""A file is read when it has come to rest, whatever is done to it; what is half written is never taken."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from collectors.configuration.file import FileOrigin
from collectors.configuration.origin import Origin
from sluice.settings import SettingsError

OLD_NS = 1_700_000_000_000_000_000


class Bench:
    """A file, and a wall clock long after it was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.micros = OLD_NS // 1_000 + 3_600_000_000
        self.origin = FileOrigin(path, lambda: self.micros)

    def write(self, text: str, age: int = 0) -> None:
        self.path.write_text(text)
        os.utime(self.path, ns=(OLD_NS + age, OLD_NS + age))

    async def look(self) -> bytes | None:
        return await self.origin.read(insists=False)

    async def insist(self) -> bytes | None:
        return await self.origin.read(insists=True)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """A file that was read once."""
    bench = Bench(tmp_path / "collectors.yaml")
    bench.write("one")
    assert await bench.insist() == b"one"
    return bench


async def test_nothing_is_read_while_nothing_changes(bench: Bench) -> None:
    """Look after look; who insists gets it again."""
    assert [await bench.look() for _ in range(3)] == [None] * 3
    assert await bench.insist() == b"one"


async def test_a_change_is_read_when_two_looks_agree(bench: Bench) -> None:
    """The first look sees that something happens, the second that it is over; then it is read once."""
    bench.write("two and more", age=1)
    assert [await bench.look() for _ in range(3)] == [None, b"two and more", None]


async def test_a_file_that_is_being_written_is_waited_for(bench: Bench) -> None:
    """As long as each look finds another file it is not read."""
    for at in range(5):
        bench.write("x" * at, age=at + 1)
        assert await bench.look() is None
    assert await bench.look() == b"xxxx"


async def test_a_rename_over_it_is_a_change(bench: Bench) -> None:
    """Of the same size and the same time: the inode tells."""
    other = bench.path.with_name("other")
    other.write_text("two")
    os.utime(other, ns=(OLD_NS, OLD_NS))
    other.replace(bench.path)
    assert [await bench.look() for _ in range(3)] == [None, b"two", None]


async def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """As where a ConfigMap is mounted: ``..data`` is swapped below the name that we know."""
    for name, text in (("first", "one"), ("second", "two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "collectors.yaml").write_text(text)
        os.utime(tmp_path / name / "collectors.yaml", ns=(OLD_NS, OLD_NS))
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "collectors.yaml").symlink_to("..data/collectors.yaml")
    bench = Bench(tmp_path / "collectors.yaml")
    assert await bench.insist() == b"one"
    (tmp_path / "..tmp").symlink_to("second")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    assert [await bench.look() for _ in range(3)] == [None, b"two", None]


async def test_a_file_that_is_gone_is_said_once(bench: Bench) -> None:
    """Not between unlink and rename, but when two looks miss it; and it is read when it is there again."""
    bench.path.unlink()
    assert await bench.look() is None
    with pytest.raises(SettingsError, match="cannot be read"):
        await bench.look()
    assert [await bench.look() for _ in range(3)] == [None] * 3
    bench.write("one")
    assert [await bench.look() for _ in range(3)] == [None, b"one", None]


async def test_an_unlink_and_a_rename_between_are_no_loss(bench: Bench) -> None:
    """One look that finds nothing says nothing."""
    bench.path.unlink()
    assert await bench.look() is None
    bench.write("two", age=1)
    assert [await bench.look() for _ in range(2)] == [None, b"two"]


async def test_what_was_written_a_moment_ago_is_read_again(bench: Bench) -> None:
    """A write of the same size within a tick of the clock of files leaves all its times as they were."""
    bench.write("two", age=1)
    bench.micros = OLD_NS // 1_000 + 500_000
    assert [await bench.look(), await bench.look()] == [None, b"two"]
    bench.write("six", age=1)
    assert await bench.look() == b"six"
    bench.micros += 10_000_000
    assert [await bench.look(), await bench.look()] == [b"six", None]


async def test_a_young_file_that_goes_is_said(bench: Bench) -> None:
    """Also where it was not at rest when it was read."""
    bench.write("two", age=1)
    bench.micros = OLD_NS // 1_000
    assert [await bench.look(), await bench.look()] == [None, b"two"]
    bench.path.unlink()
    assert await bench.look() is None
    with pytest.raises(SettingsError):
        await bench.look()


async def test_a_large_file_is_not_read_whole(bench: Bench) -> None:
    """One byte more than settings may have is enough to refuse it."""
    with bench.path.open("wb") as file:
        file.truncate(64 << 20)
    assert len(await bench.insist() or b"") == (4 << 20) + 1


async def test_relative_paths_begin_beside_it(bench: Bench) -> None:
    """And a file keeps itself: there is no other copy."""
    assert bench.origin.folder == bench.path.parent
    bench.origin.keep(b"anything")
    origin: Origin = bench.origin
    assert origin.kept() is None
    assert [path.name for path in bench.path.parent.iterdir()] == ["collectors.yaml"]


async def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    """As of ``--collectors <(sops -d …)``: who opens it again waits for a writer for ever, or finds it empty."""
    reading, writing = os.pipe()
    os.write(writing, b"one")
    os.close(writing)
    origin = FileOrigin(Path(f"/dev/fd/{reading}"))
    try:
        assert await origin.read(insists=True) == b"one"
        assert [await origin.read(insists=insists) for insists in (False, False, True)] == [None] * 3
    finally:
        os.close(reading)
    os.mkfifo(tmp_path / "fifo")
    named = FileOrigin(tmp_path / "fifo")
    writer = threading.Thread(target=(tmp_path / "fifo").write_bytes, args=(b"two",), daemon=True)
    writer.start()
    assert await named.read(insists=True) == b"two"
    writer.join(20)
    assert await named.read(insists=True) is None
