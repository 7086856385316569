"""``sluice redrive``: one at a time, from its first look to its report."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collectors.jobs.folder import JobFolder
from collectors.jobs.interface import UsageError
from collectors.jobs.pulse import Pulse
from collectors.jobs.redrive.asking import COMMAND, RedriveOptions, job_folder
from collectors.jobs.redrive.ledger import Ledger
from collectors.jobs.redrive.routing import Routing
from collectors.jobs.redrive.survey import Survey, Surveyor, Wanted, ranges_of
from collectors.jobs.redrive.telling import go_on, tell, tell_end
from collectors.jobs.redrive.work import Work
from collectors.jobs.report import Report
from collectors.jobs.resuming import Fixed, refuse_others
from collectors.operations.log import Log
from collectors.operations.marks import REDRIVE_JOURNAL, Marks, letter_id, read_marks
from collectors.operations.moments import moment_ms
from collectors.operations.printing import Printer
from collectors.operations.running import settings_of
from collectors.settings import HostSettings, Settings
from sluice.eventlog.connect import open_publisher
from sluice.eventlog.interface import Partition, Publisher
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventlog.places import LOCKS_FOLDER
from sluice.eventlog.ranges import OffsetRange

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOCK_NAME = "redrive.lock"


Ends = dict[Partition, int]


async def redrive(config: Path, collectors: Path, options: RedriveOptions, printer: Printer) -> int:
    """The command; returns its exit code."""
    host, settings = settings_of(config, HostSettings), settings_of(collectors, Settings)
    if options.dry_run:
        return await _count(host, settings, options, printer)
    with _alone(host.data_dir), job_folder(host.data_dir, options, printer) as folder:
        job = Job(host, settings, collectors.parent, folder, printer)
        return await job.run()


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Two at once could make two dead letters of one."""
    try:
        lock = FileLock(data_dir / LOCKS_FOLDER / LOCK_NAME, "another redrive runs here: wait for it, or stop it")
    except JournalBusyError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"data_dir: {data_dir} cannot be written: {error.strerror}; make it writable") from error
    try:
        yield
    finally:
        lock.release()


async def _count(host: HostSettings, settings: Settings, options: RedriveOptions, printer: Printer) -> int:
    """A dry run."""
    report = Report(COMMAND, options.job or "-", "counted")
    began = time.monotonic()
    from_ms = moment_ms(options.since or "beginning", "--from")
    wanted = options.wanted(from_ms, moment_ms(options.until, "--to") if options.until else None)
    async with Log(host) as log:
        look = Look(log, settings, options, wanted)
        survey = await look.survey(await look.ends())
    tell(report, survey, look.marks, look.routing, options)
    report.seconds = time.monotonic() - began
    if not printer.as_json and (rows := survey.rows()):
        printer.table(list(rows[0]), [tuple(row.values()) for row in rows])
    report.show(printer)
    return report.exit_code


class Look:
    """What is there: marks and letters."""

    def __init__(self, log: Log, settings: Settings, options: RedriveOptions, wanted: Wanted) -> None:
        self._log = log
        self.wanted = wanted
        self.marks = Marks()
        self.routing = Routing(settings, log.topics, options.collector, options.give_to, options.max_redrives)
        self.routing.check()

    @property
    def where(self) -> str:
        """What is looked at, for people."""
        return self._log.where

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """Which logs these are."""
        return await self._log.reader.log_ids(partitions)

    async def ends(self) -> Ends:
        """Behind the last letter that is meant, of each place."""
        ranges = await ranges_of(self._log, self.wanted.kinds)
        if self.wanted.to_ms is not None:
            return dict(await self._log.reader.offsets_at(ranges, self.wanted.to_ms))
        return {partition: found.end for partition, found in ranges.items()}

    async def survey(self, ends: Ends) -> Survey:
        """All that is there now, of what is meant. Raises EventLogError."""
        self.marks = await read_marks(self._log)
        ranges = await self.ranges()
        return await Surveyor(self._log, self.routing, self.wanted, self.marks).look(ranges, ends)

    async def ranges(self) -> dict[Partition, OffsetRange]:
        """Of letters, from the moment on that was asked for."""
        return await ranges_of(self._log, self.wanted.kinds, self.wanted.from_ms)

    async def outlived(self) -> Iterator[str]:
        """The marked letters that retention has deleted: of Kafka, as a journal's marks are deleted after them."""
        ranges = await ranges_of(self._log, self.wanted.kinds) if self._log.is_kafka else {}
        return (
            letter_id(each, offset)
            for each, found in ranges.items()
            for offset in list(self.marks.before(each, found.first))
        )


@dataclass(slots=True)
class Job:
    """One redrive, from its first look to its report."""

    host: HostSettings
    settings: Settings
    collectors_folder: Path
    folder: JobFolder
    printer: Printer

    async def run(self) -> int:
        """The exit code. What is not settled when it ends is open, and given back by the next."""
        report, began = Report(COMMAND, self.folder.name), time.monotonic()
        spent = (self.folder.report() or {}).get("seconds", 0.0)
        publisher = open_publisher(self.host, self.host.data_dir, REDRIVE_JOURNAL)
        stopping = Stopping()
        try:
            with stopping.on_signals():
                await self._work(report, publisher, stopping)
        except asyncio.CancelledError:
            if not stopping.is_asked:
                raise
            report.state = "stopped"
            report.problems.append(go_on(report, "before anything was given back"))
        finally:
            report.seconds = round(spent + time.monotonic() - began, 3)
            self.folder.save_report(report.as_dict())
            await publisher.close()
        report.show(self.printer)
        return report.exit_code

    async def _work(self, report: Report, publisher: Publisher, stopping: Stopping) -> None:
        plan = self.folder.plan
        options = RedriveOptions.of(plan["asked"])
        async with Log(self.host) as log:
            look = Look(log, self.settings, options, options.wanted(plan["from_ms"], plan["to_ms"]))
            survey = await look.survey(await self._ends(look))
            tell(report, survey, look.marks, look.routing, options)
            ledger = Ledger(
                publisher, log.topics.redrive.name, self.folder.name, self.folder.failures, logs=look.marks.logs
            )
            ledger.mark("superseded", survey.unmarked)
            ledger.forget(await look.outlived())
        work = Work(self.host, self.settings, self.collectors_folder, look.routing, ledger, publisher, self.printer)
        work.pulse = Pulse(self.folder.path, time.monotonic)
        stopping.stop = work.stop
        await work.run(survey.chosen)
        work.tell(report)
        tell_end(report, ledger, is_stopped=work.is_stopped)

    async def _ends(self, look: Look) -> Ends:
        """As they were when the job was begun. Raises UsageError where they are another log's by now."""
        progress = self.folder.progress()
        if progress is None:
            ends = await look.ends()
            saved = {"ends": [[*partition, end] for partition, end in ends.items()]}
            self.folder.save_progress(saved | Fixed(await look.log_ids(ends)).as_dict())
            return ends
        ends = {Partition(topic, number): end for topic, number, end in progress["ends"]}
        refuse_others(Fixed.read(progress).logs, await look.log_ids(ends), look.where)
        return ends


class Stopping:
    """Ctrl-C and SIGTERM: what is in flight is finished, and the rest stays open. ``stop`` does so, once there is work;
    before that the job is cancelled."""

    def __init__(self) -> None:
        self.is_asked = False
        self.stop: Callable[[], object] | None = None

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Until the block ends."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one

        def ask() -> None:
            self.is_asked = True
            (self.stop or task.cancel)()

        for number in _SIGNALS:
            loop.add_signal_handler(number, ask)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
