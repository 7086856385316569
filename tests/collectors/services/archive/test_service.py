"""The archive as a service: over real journals, killed at any step, beside another, and without its place."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collectors.alerts import Alerts
from collectors.errors import Halt
from collectors.jobs.origins import open_origin
from collectors.services.archive.against_log import Comparison
from collectors.services.archive.layout import HOUR_MS, OWNER
from collectors.services.archive.places import FolderPlace
from collectors.services.archive.service import Archive, topics_in
from collectors.services.archive.settings import ArchiveSettings
from collectors.services.archive.verify import Span, Verifier, topics_at
from collectors.settings import HostSettings
from schemas.cloudevents import cloudevent_headers
from schemas.events import KINDS
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError, Record
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.places import LOCKS_FOLDER, collector_journal
from sluice.eventlog.settings import JournalSettings
from tests.collectors.events import make_event
from tests.collectors.services.archive.benches import HOUR, Bench, Published, filled, problems_of

TOPICS = Topics()
EACH = 30
MOMENT = now_micros() // (HOUR_MS * 1_000) * HOUR_MS * 1_000 + HOUR_MS * 500
"""The middle of an hour: what is appended now may lie in two."""
_KILL = """
import asyncio, os, signal, sys
from pathlib import Path
at, step, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
real, calls = getattr(os, step), 0
def dies(*given, **named):
    global calls
    calls += 1
    if calls == at:
        os.kill(os.getpid(), signal.SIGKILL)
    done = real(*given, **named)
    return done
setattr(os, step, dies)
from tests.collectors.services.archive.test_service import swept
asyncio.run(swept(folder))
"""


@pytest.fixture(autouse=True)
def in_one_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a test appends."""
    monkeypatch.setattr("sluice.eventlog.journal.publisher.Journal", partial(Journal, clock=lambda: MOMENT))


async def journals(folder: Path, *services: str) -> HostSettings:
    """A host with journals that have events of all kinds, and alerts."""
    for service in services:
        publisher = JournalPublisher(collector_journal(folder, service), service, JournalSettings(), TOPICS)
        records = []
        for number in range(EACH * len(KINDS)):
            event = make_event(KINDS[number % len(KINDS)])
            topic = TOPICS.event(event.kind).name
            headers = cloudevent_headers(topic, event.event_id, "gw-1", event.occurred_at)
            records.append(Record(topic, event.exchange_id.encode(), event.value(number), tuple(headers)))
        await publisher.publish(records)
        await publisher.publish([Record(TOPICS.alert.name, b"k", b'{"kind":"x"}')])
        await publisher.close()
    return HostSettings(data_dir=folder)


async def swept(host: Path, **settings: Any) -> int:
    """Archive a host's journals, a day from now."""
    wanted = ArchiveSettings.model_validate(
        {"folder": str(host / "archive"), "max_file_bytes": 3_000, "topics": ["all"], **settings}
    )
    archive = Archive(wanted, HostSettings(data_dir=host), host, clock=lambda: MOMENT + 26 * HOUR_MS * 1_000)
    return await archive.sweep(Alerts(Published(), TOPICS.alert.name, "archive"))


async def compared(folder: Path) -> Any:
    """Verified, and compared with the log."""
    place = FolderPlace(folder / "archive")
    found = await asyncio.to_thread(Verifier(place).verify, topics_at(place))
    origin = open_origin(HostSettings(data_dir=folder))
    await Comparison(place, origin, found).compare(topics_at(place), Span(), lambda *_: None)
    await origin.close()
    return found


async def killed(step: str, at: int, folder: Path) -> int:
    """Another process that archives, and dies before such a step."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", _KILL, str(at), step, str(folder))
    return await child.wait()


async def test_journals_are_archived_whole(tmp_path: Path) -> None:
    """A journal is a partition of every topic: each topic has its own files, every record of each journal once."""
    await journals(tmp_path, "one", "two")
    assert await swept(tmp_path) == 1
    found = await compared(tmp_path)
    assert (found.problems, found.records, found.compared) == ([], 2 * (EACH * 3 + 1), 2 * (EACH * 3 + 1))
    assert await swept(tmp_path) == 0


async def test_a_journal_that_was_put_back_from_a_copy_is_archived_whole(tmp_path: Path) -> None:
    """It has its id and goes on with the next segment, in which lie other records than were archived of it."""
    await journals(tmp_path, "one")
    directory = collector_journal(tmp_path, "one")
    shutil.copytree(directory, tmp_path / "copy")
    await journals(tmp_path, "one")
    await swept(tmp_path)
    shutil.rmtree(directory)
    shutil.copytree(tmp_path / "copy", directory)
    for _ in range(2):
        publisher = JournalPublisher(directory, "one", JournalSettings(), TOPICS)
        await publisher.publish([Record(TOPICS.alert.name, b"k", b'{"kind":"y"}')])
        await publisher.close()
    await swept(tmp_path)
    found = await compared(tmp_path)
    whole = EACH * 3 + 1
    assert (found.problems, found.records, found.compared) == ([], 2 * whole + whole + 2, whole + 2)


@pytest.mark.parametrize(
    "steps",
    [
        [("fsync", 31), ("link", 2)],
        pytest.param([("fsync", 3), ("fsync", 17), ("link", 9), ("link", 20)], marks=pytest.mark.long),
    ],
    ids=["two", "more"],
)
async def test_kill_9_at_any_step_leaves_nothing_twice_and_nothing_out(
    tmp_path: Path, steps: list[tuple[str, int]]
) -> None:
    """A process that dies before any sync or link: whoever comes next completes the hour; verify is clean, also beside
    the log, and no half file is left."""
    await journals(tmp_path / "0", "one")
    for number in range(1, len(steps) + 1):
        shutil.copytree(tmp_path / "0", tmp_path / str(number))
    codes = await asyncio.gather(
        *(killed(step, at, tmp_path / str(number)) for number, (step, at) in enumerate(steps, 1))
    )
    assert codes.count(-signal.SIGKILL) == len(steps)
    for number in range(1, len(steps) + 1):
        await swept(tmp_path / str(number))
        found = await compared(tmp_path / str(number))
        assert (found.problems, found.records, found.compared) == ([], EACH * 3 + 1, EACH * 3 + 1)
        assert list((tmp_path / str(number) / "archive").glob("**/.*")) == []


async def test_one_process_of_a_host_archives(tmp_path: Path) -> None:
    """The second is told who does."""
    await journals(tmp_path, "one")
    lock = FileLock(tmp_path / LOCKS_FOLDER / "archive.lock", "")
    with pytest.raises(JournalBusyError, match="it archives there already"):
        await swept(tmp_path)
    lock.release()
    assert await swept(tmp_path) == 1


async def test_an_archive_is_of_one_log(tmp_path: Path) -> None:
    """Another host's journals, or another cluster's topics, are refused by name, with a remedy."""
    await journals(tmp_path / "one", "service")
    await journals(tmp_path / "two", "service")
    assert await swept(tmp_path / "one") == 1
    with pytest.raises(Halt, match=r"is of another log.*another folder or prefix"):
        await swept(tmp_path / "two", folder=str(tmp_path / "one" / "archive"))
    assert (tmp_path / "one" / "archive" / OWNER).exists()


async def test_progress_is_only_a_hint(tmp_path: Path) -> None:
    """Without it, or with garbage in its place, the archive is the same."""
    bench = Bench(tmp_path)
    filled(bench.log, hours=2)
    await bench.sweep_all()
    path = bench.data_dir / "archiving" / "progress.json"
    for content in (b"", b"garbage", b'{"where":"elsewhere","topics":{}}', None):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        bench.log.add("analytics", 0, [max(each.timestamp for each in bench.log.all) + HOUR_MS])
        assert await bench.sweep_all() == 1
        assert problems_of(bench) == []


async def test_it_goes_on_through_failures_of_log_and_place(tmp_path: Path) -> None:
    """``run`` never ends by itself: what fails is counted with since when, tried again soon, and then it is well."""
    bench = Bench(tmp_path, every=3_600)
    filled(bench.log, hours=1)
    bench.now_ms = HOUR.end_ms + 10 * HOUR_MS
    failures = [EventLogError("away"), OSError("a fault of ours")]

    def fails(what: str) -> None:
        if failures and what == "ranges":
            raise failures.pop()

    bench.log.fails = fails
    bench.meter.enough = lambda waits: len(waits) > 2 and waits[-1] == 0.0
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.service.run())
        await bench.meter.reached.wait()
        running.cancel()
    assert len(bench.meter.waits) == 3
    assert problems_of(bench) == []
    assert sum(bench.meter.records.values()) == len(bench.log.all)


async def test_who_is_ended_while_it_waits_waits_no_more(tmp_path: Path) -> None:
    """A section that a reload takes away leaves no gauge behind that says it fails."""
    bench = Bench(tmp_path, every=3_600)

    def fails(_what: str) -> None:
        raise EventLogError("away")

    bench.log.fails = fails
    bench.meter.enough = lambda waits: len(waits) > 0
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.service.run())
        await bench.meter.reached.wait()
        running.cancel()
    assert (len(bench.meter.waits), bench.meter.waits[-1]) == (2, 0.0)


def test_topics_are_named_as_everywhere() -> None:
    """By kind or short name; all of them; one that there is not halts with what there is."""
    settings = ArchiveSettings.model_validate({"folder": "x", "topics": ["analytics", "alert", "analytics"]})
    assert topics_in(settings, TOPICS) == {TOPICS.event("analytics").name: "analytics", TOPICS.alert.name: None}
    every = ArchiveSettings.model_validate({"folder": "x", "topics": ["all"]})
    assert set(topics_in(every, TOPICS)) == {topic.name for topic in TOPICS.all()}
    with pytest.raises(Halt, match=r"archive\.topics: no topic or kind 'analitics'; did you mean analytics"):
        topics_in(ArchiveSettings.model_validate({"folder": "x", "topics": ["analitics"]}), TOPICS)
