"""The way of a re-pricing.

1 settings and prices   2 the plan: its range fixed, or a resumed job's   3 read it: what each event would cost
4 say what differs   5 rebuild analytics at the new prices   6 publish corrections   7 report
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from collectors.deliveries import Frame
from collectors.entries import AnyEntry, CollectorEntry
from collectors.errors import Halt, Retryable
from collectors.jobs.engine.work import Work, carry, opened
from collectors.jobs.folder import JOBS_FOLDER, JobFolder, checked_name, new_job_name
from collectors.jobs.guard import open_guard, refuse
from collectors.jobs.interface import WRONG, Origin, UsageError
from collectors.jobs.origins import open_origin
from collectors.jobs.rebuild.interface import Rebuild
from collectors.jobs.rebuild.job import carried_and_swapped
from collectors.jobs.rebuild.opening import open_rebuild
from collectors.jobs.replay.dry import NoSink
from collectors.jobs.report import Report
from collectors.jobs.reprice.corrections import Corrections
from collectors.jobs.reprice.difference import Difference
from collectors.jobs.reprice.event_ids import version_in_ids
from collectors.jobs.reprice.frames import RepricedOrigin, repriced
from collectors.jobs.reprice.ledger import CorrectionLedger
from collectors.jobs.reprice.plan import (
    COMMAND,
    KINDS,
    RepriceOptions,
    RepricePlan,
    made_plan,
    resumed_folder,
    resumed_options,
    resumed_plan,
)
from collectors.jobs.reprice.prices import Prices, load_prices
from collectors.jobs.reprice.repricing import Repricer
from collectors.jobs.reprice.seen import Seen
from collectors.jobs.targets import TargetError, entry_named, start_target
from collectors.operations.printing import Printer
from collectors.operations.running import settings_of
from collectors.settings import ControlSettings, HostSettings, Settings
from sluice.eventlog.connect import open_publisher, topics_of
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventlog.places import LOCKS_FOLDER

LEDGER = "corrections.db"
_NO_REBUILD = "leave its analytics as they were charged: --corrections puts budgets right, --csv says what differs"


async def reprice(config: Path, collectors: Path, options: RepriceOptions, printer: Printer) -> int:
    """``sluice reprice``: its exit code."""
    host = settings_of(config, HostSettings)
    async with AsyncExitStack() as closing:
        origin = open_origin(host)
        closing.push_async_callback(origin.close)
        folder = closing.enter_context(resumed_folder(host, options)) if options.how.resume else None
        options = resumed_options(folder, options) if folder else options
        options.check() if folder is None else None
        prices = await _prices(config, collectors, options, host)  # 1
        options = replace(options, version=prices.version)
        plan = await _plan(origin, host, folder, options, prices)  # 2
        job = _Job(host, collectors, origin, plan, prices, printer, folder.name if folder else _name(options))
        try:
            report = await job.run(folder, closing)
        except TargetError as error:
            printer.note(str(error))
            return WRONG
    report.notes += plan.replay.chosen.notes
    report.show(printer)  # 7
    return report.exit_code


async def _prices(config: Path, collectors: Path, options: RepriceOptions, host: HostSettings) -> Prices:
    wanted = options.prices or str(config)
    control = settings_of(collectors, Settings).control if wanted == "control" else ControlSettings()
    return await load_prices(wanted, options.version, config, host, control)


async def _plan(
    origin: Origin, host: HostSettings, folder: JobFolder | None, options: RepriceOptions, prices: Prices
) -> RepricePlan:
    if folder is None:
        return await made_plan(origin, topics_of(host), options, prices.checksum)
    if folder.plan["prices"] != prices.checksum:
        raise UsageError(
            f"--resume: {prices.where} has other prices than when {folder.name!r} was begun; begin another job, with a "
            "version of its own"
        )
    return await resumed_plan(origin, topics_of(host), folder, options, prices.checksum)


def _name(options: RepriceOptions) -> str:
    return checked_name(options.how.job) if options.how.job else new_job_name(COMMAND)


@dataclass(slots=True)
class _Job:
    """One process's part of it."""

    host: HostSettings
    collectors: Path
    origin: Origin
    plan: RepricePlan
    prices: Prices
    printer: Printer
    name: str

    @property
    def options(self) -> RepriceOptions:
        return self.plan.options

    async def run(self, folder: JobFolder | None, closing: AsyncExitStack) -> Report:
        options = self.options
        if options.rebuild.undo:
            return await self._rebuild(folder, closing)
        if options.rebuild.rebuild:
            await self._opened_rebuild().close()  # what can have none is said before anything is read, or begun
        if options.corrections:
            closing.enter_context(_alone(self.host, options.version))
        if options.writes and not options.how.dry_run and folder is None:
            folder = JobFolder.begin(self.host.data_dir, self.name, self.plan.as_dict())
            closing.enter_context(folder)
        difference, corrections = Difference(), self._corrections(folder, closing)
        report = await self._read(difference, corrections)  # 3
        report.details |= {"price_version": options.version, "prices": self.prices.where, **difference.as_dict()}
        self._say(difference)  # 4
        if refusal := difference.refusal():
            report.problems.append(refusal)
        if report.problems or report.state != "counted" or (options.how.dry_run and not corrections):
            return await self._saved(folder, report)
        if options.rebuild.rebuild:
            report = self._joined(report, await self._rebuild(folder, closing))  # 5
        if corrections is not None and not report.problems:
            await self._correct(corrections, report, closing)  # 6
        return await self._saved(folder, report)

    def _corrections(self, folder: JobFolder | None, closing: AsyncExitStack) -> Corrections | None:
        options = self.options
        if not options.corrections:
            return None
        ledger = CorrectionLedger(folder.path / LEDGER if folder else None)
        closing.callback(ledger.close)
        return Corrections(ledger, self.origin, self.host, options.version, self.name, self.printer)

    async def _read(self, difference: Difference, corrections: Corrections | None) -> Report:
        repricer, wants = self._repricer(), self.plan.wants
        tests, seen = self.plan.replay.chosen.tests, Seen()

        def note(frame: Frame) -> None:
            frame = frame.pick(seen.new(frame.rows["event_id"]))
            changes = list(repriced(frame.rows, repricer))
            ids = frame.rows.select("app_id", "total_tokens").iter_rows()
            for (app_id, tokens), (old, new) in zip(ids, changes, strict=True):
                difference.add(app_id, tokens, old, new)
            if corrections is not None:
                corrections.note(frame, changes)

        tests = (*tests, wants) if wants else tests
        work = replace(
            self._work(self.origin, CollectorEntry(name="analytics")), tests=tests, observe=note, is_dry=True
        )
        try:
            report = await carry(work)
        finally:
            seen.close()
        if seen.again:
            report.notes.append(f"{seen.again} events are in the log more than once; each is counted once")
        return report

    def _repricer(self) -> Repricer:
        return Repricer(self.prices.table, with_estimates=self.options.estimated)

    def _work(self, origin: Origin, entry: CollectorEntry) -> Work:
        chosen = self.plan.replay.chosen
        return Work(
            name=self.name, command=COMMAND, origin=origin, ranges=chosen.ranges, topics=chosen.topics, entry=entry,
            sink=NoSink(), host=self.host, printer=self.printer, tests=chosen.tests, rate=self.plan.replay.rate,
        )  # fmt: skip

    def _say(self, difference: Difference) -> None:
        if not self.printer.as_json:
            difference.show(self.printer)
        if self.options.csv is not None:
            try:
                difference.write_csv(self.options.csv)
            except OSError as error:
                raise UsageError(f"--csv: {self.options.csv} cannot be written: {error.strerror}") from error

    async def _rebuild(self, folder: JobFolder | None, closing: AsyncExitStack) -> Report:
        """Analytics of the whole range, those that are meant at new prices: verified against the sums of just that."""
        settings, entry = self._settings(), self._entry()
        rebuild = self._opened_rebuild()
        closing.push_async_callback(rebuild.close)
        await start_target(rebuild.sink, f"--sink {self.options.sink}")
        await closing.enter_async_context(opened(rebuild.sink))
        origin = RepricedOrigin(self.origin, self._repricer(), self.plan.wants)
        work = replace(self._work(origin, entry), sink=rebuild.sink, folder=folder)
        if not (self.options.how.yes or self.options.how.resume):
            await self._refuse_resurrection(work, entry, settings)
        await rebuild.prepare()
        return await carried_and_swapped(work, rebuild, self.options.rebuild, self.plan.replay.coverage())

    def _settings(self) -> Settings:
        return settings_of(self.collectors, Settings)

    def _entry(self) -> AnyEntry:
        return entry_named(self.options.sink, self._settings(), self.host)

    def _opened_rebuild(self) -> Rebuild:
        """Reaches nothing yet; raises UsageError."""
        folder = self.host.data_dir / JOBS_FOLDER / self.name
        return open_rebuild(self._entry(), folder, self.name, KINDS, _NO_REBUILD)

    async def _refuse_resurrection(self, work: Work, entry: AnyEntry, settings: Settings) -> None:
        """Counted before anything is written; raises UsageError."""
        guard = await open_guard(entry, settings, self.host, self.collectors.parent, KINDS)
        if not await guard.is_concerned(work.origin, work.ranges):
            return
        counting = replace(
            work, sink=NoSink(), folder=None, is_dry=True, rate=0.0,
            observe=lambda frame: guard.add(frame.kind, frame.rows),
        )  # fmt: skip
        refuse(guard, await carry(counting))

    def _joined(self, read: Report, rebuilt: Report) -> Report:
        """What was written, with what was found when it was read."""
        rebuilt.details = read.details | rebuilt.details
        rebuilt.notes = read.notes + rebuilt.notes
        return rebuilt

    async def _correct(self, corrections: Corrections, report: Report, closing: AsyncExitStack) -> None:
        publisher = None
        if not self.options.how.dry_run:
            publisher = open_publisher(self.host, self.host.data_dir, f"{COMMAND}-{self.name}")
            closing.push_async_callback(publisher.close)
        try:
            outcome = await corrections.make(publisher)
        except (EventLogError, Halt, Retryable) as error:
            report.state = "stopped"
            report.problems.append(f"corrections: {error}; sluice {COMMAND} --resume {self.name} goes on")
            return
        report.details["corrections"] = outcome.as_dict()
        report.problems += outcome.problems(self.options.version)
        if not self.printer.as_json:
            self.printer.table(("corrections", ""), [*outcome.as_dict().items()])
            self.printer.line()
        if publisher is not None:
            report.state = "complete"

    async def _saved(self, folder: JobFolder | None, report: Report) -> Report:
        if folder is not None:
            folder.save_report(report.as_dict())
        return report


@contextmanager
def _alone(host: HostSettings, version: str) -> Iterator[None]:
    """Two that correct by one version would both find that nothing is corrected yet; raises UsageError."""
    path = host.data_dir / LOCKS_FOLDER / f"reprice-{version_in_ids(version)}.lock"
    try:
        lock = FileLock(path, "")
    except JournalBusyError as error:
        raise UsageError(
            f"process {error.pid or 'unknown'} corrects by version {version} already; wait for it, or stop it"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; make data_dir writable") from error
    try:
        yield
    finally:
        lock.release()
