"""One partition's files: finished whole, once, by one owner, whatever dies in the middle."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.file import folder as folder_module
from collectors.sinks.file.store import Content, FileStore, Rotation, abandoned
from collectors.sinks.ordering import Placed, Position
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition

CONTENT = Content("analytics", "t", ("t", 0), "jsonl", "none")
LANE = Lane(Partition("t", 0))


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


def document(offset: int, text: str = "") -> Placed:
    """One of so many bytes."""
    line = json.dumps({"n": offset, "text": text}).encode() + b"\n"
    return Placed(LANE, "analytics", "t", offset, 1_000 + offset, 1, line)


def documents(first: int, last: int) -> list[Placed]:
    """From one offset to another."""
    return [document(offset) for offset in range(first, last + 1)]


def store(path: Path, *, max_bytes: int = 1 << 20, content: Content = CONTENT, epoch: int = 0) -> FileStore:
    """What a process has of the folder; not open."""
    return FileStore(path, content, Rotation(max_bytes, 60.0, CLOCK), epoch)


def opened(path: Path, max_bytes: int = 1 << 20) -> FileStore:
    """One that is."""
    made = store(path, max_bytes=max_bytes)
    made.open(document(0))
    return made


def names(path: Path) -> list[str]:
    """The finished files, by what tells them apart."""
    return sorted(_short(each.name) for each in path.iterdir() if each.name[0] != ".")


def _short(name: str) -> str:
    stem, _, extension = name.partition(".")
    topic, epoch, partition, first, last = stem.split("-")
    return f"{topic}-{epoch}-{partition}-{int(first)}-{int(last)}.{extension}"


def hidden(path: Path) -> list[str]:
    """Whatever else lies there."""
    return sorted(each.name for each in path.iterdir() if each.name[0] == ".")


def offsets(path: Path) -> list[int]:
    """What all finished files hold, in the order of their names."""
    files: Sequence[Path] = sorted(each for each in path.iterdir() if each.name[0] != ".")
    return [json.loads(line)["n"] for each in files for line in each.read_bytes().splitlines()]


def test_a_file_is_finished_by_size(tmp_path: Path) -> None:
    """At once with the write that fills it; until then only a hidden file is there."""
    made = opened(tmp_path, max_bytes=400)
    made.append(documents(0, 2))
    assert names(tmp_path) == []
    made.append(documents(3, 30))
    assert names(tmp_path) == ["t-0-0-0-30.jsonl"]
    made.append(documents(31, 60))
    assert names(tmp_path) == ["t-0-0-0-30.jsonl", "t-0-0-31-60.jsonl"]
    assert offsets(tmp_path) == list(range(61))


def test_a_folder_is_not_listed_for_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have hundreds of thousands: once the partition is ours what has a name is kept in mind."""
    made = opened(tmp_path, max_bytes=1)
    listed = made._listed
    monkeypatch.setattr(made, "_listed", lambda: pytest.fail("the folder was listed"))
    for at in range(20):
        made.append(documents(at * 3, at * 3 + 2))
    assert offsets(tmp_path) == list(range(60))
    assert len(names(tmp_path)) == 20
    monkeypatch.setattr(made, "_listed", listed)
    assert made.open(document(0)).next_offset == 60


def test_a_file_is_finished_by_age(tmp_path: Path) -> None:
    """Counted from its first event; an empty one is never finished."""
    made = opened(tmp_path)
    CLOCK.now += 1_000
    made.tend()
    made.append(documents(0, 1))
    CLOCK.now += 59
    made.append(documents(2, 2))
    made.tend()
    assert names(tmp_path) == []
    CLOCK.now += 1
    made.tend()
    assert names(tmp_path) == ["t-0-0-0-2.jsonl"]
    CLOCK.now += 1_000
    made.tend()
    assert names(tmp_path) == ["t-0-0-0-2.jsonl"]
    assert len(hidden(tmp_path)) == 1


def test_a_gap_in_the_offsets_is_none_in_the_name(tmp_path: Path) -> None:
    """What was filtered out before is not missing."""
    made = opened(tmp_path)
    made.append([document(3), document(7)])
    made.append([document(90)])
    made.close()
    assert names(tmp_path) == ["t-0-0-3-90.jsonl"]
    assert opened(tmp_path).open(document(0)) == Position(91, 1_090)


def test_after_a_kill_everything_durable_is_finished(tmp_path: Path) -> None:
    """The next owner goes on behind it, whatever the group says."""
    killed = opened(tmp_path)
    killed.append(documents(0, 4))
    killed.append(documents(5, 9))
    after = store(tmp_path)
    assert after.open(document(3)) == Position(10, 1_009)
    assert names(tmp_path) == ["t-0-0-0-9.jsonl"]
    after.append(documents(10, 11))
    after.close()
    assert offsets(tmp_path) == list(range(12))


def test_a_torn_write_is_no_event(tmp_path: Path) -> None:
    """It was not acknowledged, so it comes again."""
    killed = opened(tmp_path)
    killed.append(documents(0, 4))
    killed.append(documents(5, 9))
    [growing] = hidden(tmp_path)
    os.truncate(tmp_path / growing, (tmp_path / growing).stat().st_size - 3)
    after = store(tmp_path)
    assert after.open(document(0)) == Position(5, 1_004)
    after.append(documents(5, 9))
    after.close()
    assert offsets(tmp_path) == list(range(10))


@pytest.mark.parametrize("step", ["link", "unlink", "fsync"])
def test_killed_while_a_file_is_finished(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two steps: the next owner finishes it, and nothing is there twice."""
    killed = opened(tmp_path)
    killed.append(documents(0, 9))

    class Killed(BaseException):
        pass

    def kill(*_arguments: object, **_named: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if step == "link":
            patch.setattr(os, "link", kill)
        elif step == "unlink":
            patch.setattr(FileStore, "_publish_ended", kill)
        else:
            patch.setattr(folder_module, "sync_folder", kill)
        with pytest.raises(Killed):
            killed.close()
    after = store(tmp_path)
    assert after.open(document(0)).next_offset == 10
    after.close()
    assert offsets(tmp_path) == list(range(10))
    assert not [name for name in hidden(tmp_path) if name.endswith(".tmp")]


def test_killed_after_it_was_published(tmp_path: Path) -> None:
    """The growing file is still there: its events are known by the name of the finished one."""
    killed = opened(tmp_path)
    killed.append(documents(0, 9))
    [growing] = hidden(tmp_path)
    content = (tmp_path / growing).read_bytes()
    killed.close()
    (tmp_path / growing).write_bytes(content)
    after = store(tmp_path)
    assert after.open(document(0)).next_offset == 10
    after.close()
    assert offsets(tmp_path) == list(range(10))


def test_part_of_it_was_published_already(tmp_path: Path) -> None:
    """By whoever: only the rest becomes a file."""
    killed = opened(tmp_path)
    killed.append(documents(0, 4))
    first = tmp_path / (CONTENT.names().name(0, 0, 4) + ".jsonl")
    first.write_bytes(b"".join(document.body for document in documents(0, 4)))
    killed.append(documents(5, 9))
    assert store(tmp_path).open(document(0)).next_offset == 10
    assert names(tmp_path) == ["t-0-0-0-4.jsonl", "t-0-0-5-9.jsonl"]
    assert offsets(tmp_path) == list(range(10))


def test_a_process_taken_for_dead_loses(tmp_path: Path) -> None:
    """Whatever it still writes is published by nobody, and it is told so; the new owner's events are there once."""
    dead = opened(tmp_path)
    dead.append(documents(0, 4))
    owner = opened(tmp_path)
    owner.append(documents(5, 7))
    with pytest.raises(Retryable, match="taken over"):
        dead.append(documents(5, 9))
    with pytest.raises(Retryable):
        dead.append(documents(5, 9))
    dead.close()
    owner.append(documents(8, 9))
    owner.close()
    assert offsets(tmp_path) == list(range(10))
    assert names(tmp_path) == ["t-0-0-0-4.jsonl", "t-0-0-5-9.jsonl"]


def test_a_process_taken_for_dead_publishes_nothing(tmp_path: Path) -> None:
    """It wakes up in the middle of finishing its file."""
    dead = opened(tmp_path)
    dead.append(documents(0, 4))
    owner = opened(tmp_path)
    dead.close()
    CLOCK.now += 1_000
    dead.tend()
    owner.append(documents(5, 6))
    owner.close()
    assert names(tmp_path) == ["t-0-0-0-4.jsonl", "t-0-0-5-6.jsonl"]


def test_two_that_take_over_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one of them can; the other finds out before it writes anything."""
    opened(tmp_path).append(documents(0, 4))
    first, second = store(tmp_path), store(tmp_path)
    listed = first._listed()
    second.open(document(0))
    with monkeypatch.context() as patch:
        patch.setattr(first, "_listed", lambda: listed)
        with pytest.raises(Retryable, match="took the partition over"):
            first.open(document(0))
    second.append(documents(5, 6))
    assert second._is_newest()
    second.close()
    assert offsets(tmp_path) == list(range(7))


def test_who_died_of_taking_over(tmp_path: Path) -> None:
    """Its empty generation stands in nobody's way: the living one goes on in a newer one."""
    living = opened(tmp_path)
    living.append(documents(0, 4))
    (tmp_path / ".t-0-0-1.part").touch()
    assert living.open(document(0)).next_offset == 5
    living.append(documents(5, 6))
    living.close()
    assert offsets(tmp_path) == list(range(7))
    assert len(hidden(tmp_path)) == 1


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are refused, and taken later; what was durable is neither lost nor there twice."""
    made = opened(tmp_path)
    made.append(documents(0, 4))

    def full(_descriptor: int, _content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(Retryable, match="space"):
            made.append(documents(5, 9))
        with pytest.raises(Retryable, match="space"):
            made.open(document(5))
    assert made.open(document(5)) == Position(5, 1_004)
    made.append(documents(5, 9))
    made.close()
    assert offsets(tmp_path) == list(range(10))
    assert len(hidden(tmp_path)) == 1


def test_a_file_that_cannot_be_finished_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for events and none for the file: they are acknowledged, and it is finished later."""
    made = opened(tmp_path, max_bytes=100)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        assert made.append(documents(0, 9)) == 10
        assert made.append(documents(10, 19)) == 10
        made.tend()
        assert names(tmp_path) == []
    made.tend()
    assert names(tmp_path) == ["t-0-0-0-9.jsonl", "t-0-0-10-19.jsonl"]
    made.close()
    assert offsets(tmp_path) == list(range(20))


def test_a_folder_that_is_gone_halts(tmp_path: Path) -> None:
    """It is not made again in silence: it may be a disk that is not mounted."""
    path = tmp_path / "out"
    path.mkdir()
    made = opened(path)
    path.rename(tmp_path / "away")
    with pytest.raises((Halt, Retryable)):
        made.append(documents(0, 1))
    with pytest.raises(Halt, match="mount"):
        made.open(document(0))
    assert not path.exists()
    (tmp_path / "away").rename(path)
    made.open(document(0))
    made.close()


def test_files_may_be_carried_away(tmp_path: Path) -> None:
    """Where to go on is in the hidden file too: whoever takes finished files leaves that."""
    made = opened(tmp_path)
    made.append(documents(0, 9))
    made.close()
    for path in tmp_path.glob("t-*"):
        path.unlink()
    assert store(tmp_path).open(document(0)) == Position(10, 1_009)


def test_files_alone_are_enough(tmp_path: Path) -> None:
    """Without the hidden file the names tell."""
    made = opened(tmp_path)
    made.append(documents(0, 9))
    made.close()
    for name in hidden(tmp_path):
        (tmp_path / name).unlink()
    assert store(tmp_path).open(document(0)) == Position(10, None)


def test_a_log_that_begins_anew(tmp_path: Path) -> None:
    """Its files have the next epoch, and the old ones stay."""
    made = opened(tmp_path)
    made.append(documents(0, 9))
    assert made.begin_epoch() == Position()
    made.append(documents(0, 3))
    killed_then = store(tmp_path)
    assert killed_then.open(document(0)) == Position(4, 1_003)
    killed_then.close()
    assert names(tmp_path) == ["t-0-0-0-9.jsonl", "t-1-0-0-3.jsonl"]


def test_an_epoch_may_be_raised_by_hand(tmp_path: Path) -> None:
    """Then nothing that is there counts."""
    made = opened(tmp_path)
    made.append(documents(0, 9))
    made.close()
    raised = store(tmp_path, epoch=5)
    assert raised.open(document(0)) == Position(0, None)
    raised.append(documents(0, 1))
    raised.close()
    assert names(tmp_path) == ["t-0-0-0-9.jsonl", "t-5-0-0-1.jsonl"]


def test_a_changed_format_finishes_the_old_file_as_it_was_begun(tmp_path: Path) -> None:
    """What a growing file is stands in it."""
    opened(tmp_path).append(documents(0, 2))
    other = store(tmp_path, content=Content("analytics", "t", ("t", 0), "jsonl", "gzip"))
    other.open(document(0))
    other.append(documents(3, 4))
    other.close()
    assert names(tmp_path) == ["t-0-0-0-2.jsonl", "t-0-0-3-4.jsonl.gz"]


def test_what_is_abandoned_is_found_and_finished(tmp_path: Path) -> None:
    """Without a single record of its partition; what a living process writes to is left alone."""
    dead, living = store(tmp_path), store(tmp_path, content=Content("budget", "b", ("gw/0", 0), "csv", "none"))
    dead.open(document(0))
    dead.append(documents(0, 3))
    living.open(document(0))
    living.append(documents(0, 3))
    assert abandoned(tmp_path) == []
    dead._let_go()  # as the end of its process does
    assert abandoned(tmp_path) == [CONTENT]
    store(tmp_path).recover()
    assert abandoned(tmp_path) == []
    assert names(tmp_path) == ["t-0-0-0-3.jsonl"]
    living.close()


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    """Whatever lies in the folder: it is neither read as ours nor removed."""
    foreign = {".x.part": b"?", ".t-0-0-.part": b"", "t-0-0-1-2.jsonl": b"{}", "notes.txt": b"n", ".y.part": b"\0" * 99}
    for name, content in foreign.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "t-0-0-folder").mkdir()
    assert abandoned(tmp_path) == []
    made = opened(tmp_path)
    made.append(documents(0, 1))
    made.close()
    assert {name: (tmp_path / name).read_bytes() for name in foreign} == foreign


def test_a_growing_file_without_a_beginning_is_kept(tmp_path: Path) -> None:
    """Damaged on disk: it is set aside for people, not removed, and the service goes on."""
    (tmp_path / ".t-0-0-4.part").write_bytes(b"damaged beyond reading")
    made = opened(tmp_path)
    assert (tmp_path / ".t-0-0-4.damaged").read_bytes() == b"damaged beyond reading"
    made.append(documents(0, 1))
    made.close()
    assert offsets(tmp_path) == [0, 1]


def of_log(log_id: str, first: int, last: int) -> list[Placed]:
    """Records of this log, all of one time: its clock tells nothing."""
    lane = Lane(Partition("t", 0), log_id)
    return [each._replace(lane=lane, appended_at_ms=1_000) for each in documents(first, last)]


@pytest.mark.parametrize("is_restarted", [True, False])
def test_a_log_with_another_id_begins_anew(tmp_path: Path, is_restarted: bool) -> None:
    """Made anew under the same name, with its clock set back: its offsets mean other records, whatever their times are.
    What the one before had is finished first, and a redelivery of either is known."""
    made = store(tmp_path)
    assert made.open(of_log("a", 0, 0)[0]) == Position()
    made.append(of_log("a", 0, 4))
    if is_restarted:
        made.close()
        made = store(tmp_path)
    assert made.open(of_log("b", 0, 0)[0]) == Position()
    made.append(of_log("b", 0, 2))
    again = store(tmp_path)
    assert again.open(of_log("b", 0, 0)[0]).next_offset == 3
    again.close()
    assert names(tmp_path) == ["t-0-0-0-4.jsonl", "t-1-0-0-2.jsonl"]


def test_an_id_that_is_not_known_is_no_other(tmp_path: Path) -> None:
    """A log that does not say which it is goes on where it was, and one that says so from now on does too."""
    made = store(tmp_path)
    made.open(of_log("", 0, 0)[0])
    made.append(of_log("", 0, 1))
    for log_id, first in (("a", 2), ("", 4), ("a", 6)):
        made.close()
        made = store(tmp_path)
        assert made.open(of_log(log_id, first, first)[0]).next_offset == first
        made.append(of_log(log_id, first, first + 1))
    made.close()
    for path in abandoned(tmp_path):
        store(tmp_path, content=path).recover()
    assert store(tmp_path).open(of_log("b", 0, 0)[0]) == Position()
