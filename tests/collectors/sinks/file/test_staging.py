"""A growing file has whole chunks: whatever was cut off behind them, they are read, and nothing else is."""

from __future__ import annotations

import os
from array import array
from pathlib import Path

import pytest

from collectors.sinks.file.staging import StagedFile, is_abandoned, read_chunks


def grown(path: Path, chunks: int = 3) -> StagedFile:
    """A file with some chunks."""
    staged = StagedFile.create(path)
    for number in range(chunks):
        staged.append(number * 10 + 2, 1_000 + number, array("Q", [number * 10, number * 10 + 1]), b"body %d" % number)
    return staged


def read(path: Path) -> list[tuple[int, int, list[int], bytes]]:
    """What is in it."""
    return [(chunk.next_offset, chunk.newest_ms, chunk.offsets.tolist(), chunk.packed) for chunk in read_chunks(path)]


EXPECTED = [(2, 1_000, [0, 1], b"body 0"), (12, 1_001, [10, 11], b"body 1"), (22, 1_002, [20, 21], b"body 2")]


def test_chunks_come_back(tmp_path: Path) -> None:
    """In their order, with their offsets; an empty file has none."""
    grown(tmp_path / "a").close()
    assert read(tmp_path / "a") == EXPECTED
    StagedFile.create(tmp_path / "b").close()
    assert read(tmp_path / "b") == []


def test_a_torn_end_is_no_chunk(tmp_path: Path) -> None:
    """Cut at every byte: the chunks before the cut are there, the one that is cut is not."""
    grown(tmp_path / "a").close()
    content = (tmp_path / "a").read_bytes()
    ends = [len(content) * at // 3 for at in range(4)]
    for cut in range(len(content) + 1):
        (tmp_path / "b").write_bytes(content[:cut])
        assert read(tmp_path / "b") == EXPECTED[: sum(end <= cut for end in ends) - 1]


@pytest.mark.parametrize("tail", [b"\0" * 4_096, b"\xff" * 64, os.urandom(100), b"\x14\0\0\0\0\0\0\0" + b"\0" * 20])
def test_a_tail_of_anything(tmp_path: Path, tail: bytes) -> None:
    """Zeros are what a power cut leaves."""
    grown(tmp_path / "a").close()
    with (tmp_path / "a").open("ab") as file:
        file.write(tail)
    assert read(tmp_path / "a") == EXPECTED


def test_a_flipped_bit_ends_it(tmp_path: Path) -> None:
    """Nothing damaged is ever taken for events."""
    grown(tmp_path / "a").close()
    content = bytearray((tmp_path / "a").read_bytes())
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 4
        (tmp_path / "b").write_bytes(damaged)
        found = read(tmp_path / "b")
        assert found == EXPECTED[: len(found)]
        assert len(found) <= at * 3 // len(content)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a chunk is cut off again, so that what is appended later is not behind it."""
    staged = grown(tmp_path / "a", 1)
    real = os.write

    def half(descriptor: int, content: memoryview) -> int:
        if len(content) < 12:
            raise OSError(28, "No space left on device")
        return real(descriptor, content[: len(content) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="space"):
            staged.append(12, 1_001, array("Q", [10, 11]), b"body 1")
    assert read(tmp_path / "a") == EXPECTED[:1]
    staged.append(12, 1_001, array("Q", [10, 11]), b"body 1")
    assert read(tmp_path / "a") == EXPECTED[:2]
    staged.close()


def test_a_file_is_its_makers_while_it_lives(tmp_path: Path) -> None:
    """Nobody else can make it, and nobody takes it for abandoned before its maker is gone."""
    staged = grown(tmp_path / "a")
    with pytest.raises(FileExistsError):
        StagedFile.create(tmp_path / "a")
    assert not is_abandoned(tmp_path / "a")
    assert staged.is_ours()
    staged.close()
    assert is_abandoned(tmp_path / "a")
    assert not is_abandoned(tmp_path / "none")


def test_a_file_whose_name_is_anothers(tmp_path: Path) -> None:
    """Removed, or replaced: it is not ours any more."""
    staged = grown(tmp_path / "a")
    (tmp_path / "a").unlink()
    assert not staged.is_ours()
    (tmp_path / "a").touch()
    assert not staged.is_ours()
    staged.close()
