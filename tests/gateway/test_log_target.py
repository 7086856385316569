"""Files of lines: appended to, rotated, shared, moved away."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from gateway.log_target import LogFile, StandardOutput, open_target
from gateway.settings import AccessLogSettings


def test_a_file_is_made_where_it_is_missing(tmp_path: Path) -> None:
    """With its folders, for its owner and group, and appended to by whoever opens it next."""
    path = tmp_path / "a" / "b" / "access.log"
    for line in (b"1\n", b"2\n"):
        LogFile(path, 0, 0).write(line)
    assert path.read_bytes() == b"1\n2\n"
    assert path.stat().st_mode & 0o007 == 0


def test_a_full_file_becomes_an_older_one(tmp_path: Path) -> None:
    """So many are kept; no line is cut in two, and one that is larger than a file has one of its own."""
    path = tmp_path / "access.log"
    target = LogFile(path, 10, 2)
    for line in (b"11111\n", b"22222\n", b"333333333333333\n", b"44\n", b"55\n"):
        target.write(line)
    assert path.read_bytes() == b"44\n55\n"
    assert (tmp_path / "access.log.1").read_bytes() == b"333333333333333\n"
    assert (tmp_path / "access.log.2").read_bytes() == b"22222\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "access.log", "access.log.1", "access.log.2", "access.log.lock",
    ]  # fmt: skip


def test_nothing_older_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    """Only the present file is there."""
    target = LogFile(tmp_path / "access.log", 5, 0)
    for line in (b"1111\n", b"2222\n"):
        target.write(line)
    assert (tmp_path / "access.log").read_bytes() == b"2222\n"
    assert not (tmp_path / "access.log.1").exists()


def test_a_file_may_be_moved_removed_or_cut_by_others(tmp_path: Path) -> None:
    """The next line is where the name is: nobody has to send a signal, and what was cut leaves no hole."""
    path = tmp_path / "access.log"
    target = LogFile(path, 0, 0)
    target.write(b"1\n")
    path.rename(tmp_path / "moved")
    target.write(b"2\n")
    path.unlink()
    target.write(b"3\n")
    os.truncate(path, 0)
    target.write(b"4\n")
    assert (path.read_bytes(), (tmp_path / "moved").read_bytes()) == (b"4\n", b"1\n")


def _append(path: Path, worker: int, lines: int) -> None:
    target = LogFile(path, 4_000, 1_000)
    for number in range(lines):
        target.write(b"%d %d %s\n" % (worker, number, b"x" * 50))


def test_workers_that_share_a_file_lose_and_mix_nothing(tmp_path: Path) -> None:
    """All lines of three processes are there, whole and once, however often each rotates it."""
    path = tmp_path / "access.log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(path, worker, 400)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    files = [each for each in tmp_path.iterdir() if each.suffix != ".lock"]
    lines = [line.split() for each in files for line in each.read_bytes().splitlines()]
    assert len(files) > 10
    assert sorted((int(worker), int(number)) for worker, number, _ in lines) == [
        (worker, number) for worker in range(3) for number in range(400)
    ]


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    """And works again as soon as it can be."""
    (tmp_path / "file").write_text("")
    target = LogFile(tmp_path / "file" / "access.log", 0, 0)
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        target.write(b"1\n")
    (tmp_path / "file").unlink()
    target.write(b"2\n")
    assert (tmp_path / "file" / "access.log").read_bytes() == b"2\n"


def test_standard_output_gets_all_of_it() -> None:
    """Also what a pipe takes in parts; a reader that is gone is an OSError."""
    reading, writing = os.pipe()
    StandardOutput(writing).write(b"line\n")
    assert os.read(reading, 100) == b"line\n"
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        StandardOutput(writing).write(b"line\n")
    os.close(writing)


def test_settings_say_where(tmp_path: Path) -> None:
    """A file, or standard output."""
    assert isinstance(open_target(AccessLogSettings(to="stdout")), StandardOutput)
    target = open_target(AccessLogSettings(to="file", file=str(tmp_path / "x.log")))
    target.write(b"1\n")
    assert (tmp_path / "x.log").read_bytes() == b"1\n"


@pytest.mark.parametrize("tree", [{"to": "file"}, {"to": "stdout", "file": "x"}, {"file": "x"}, {"to": "syslog"}])
def test_settings_that_do_not_go_together_are_refused(tree: dict[str, str]) -> None:
    """A file that nothing is written to would be looked for in vain."""
    with pytest.raises(ValueError, match="to"):
        AccessLogSettings.model_validate(tree)


def test_a_line_that_was_cut_is_not_the_begin_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk is full in mid-line: what comes when there is room again begins on a line of its own."""
    path, write = tmp_path / "access.log", os.write

    def full(descriptor: int, data: memoryview) -> int:
        if len(data) < 6:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:3])

    target = LogFile(path, 0, 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            target.write(b"11111\n")
    for line in (b"2\n", b"3\n"):
        target.write(line)
    assert path.read_bytes() == b"111\n2\n3\n"
