"""``--corrections``: budget events that make what was charged what the prices say. The log decides what is due.

1 what each exchange should cost   2 what the log has charged for it, this version's corrections among it
3 the differences, numbered on disk   4 publish those that the log has not   5 read again: all are there
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from collectors.deliveries import Frame
from collectors.entries import CollectorEntry
from collectors.errors import Halt
from collectors.jobs.engine.work import Work, carry
from collectors.jobs.interface import Origin, Ranges, UsageError
from collectors.jobs.replay.dry import NoSink
from collectors.jobs.reprice.correcting_events import Correction, correction_record, value_of
from collectors.jobs.reprice.event_ids import correction_id, version_in_ids
from collectors.jobs.reprice.ledger import Account, Charged, CorrectionLedger, Issued, Wanted
from collectors.jobs.reprice.repricing import New, Old
from collectors.operations.printing import Printer
from collectors.settings import HostSettings
from schemas.events import SUFFIXES
from schemas.ids import new_boot_id
from sluice.clock import now_micros
from sluice.eventlog.connect import topics_of
from sluice.eventlog.interface import Boot, Partition, Publisher
from sluice.eventlog.ranges import OffsetRange

GATEWAY_ID = "reprice"
"""Whose events corrections are; their worker is the job."""
COMMON = ("exchange_id", "request_id", "user_id", "llm_slug", "vendor", "outcome", "trace_id", "model_name")
"""What a correction has of its exchange, beside its app, its LLM and its time."""
_EARLIER_MS = 3_600_000
"""How much earlier than it occurred an exchange's budget event may have been appended, as clocks differ."""
_PAGE = 1_000
_CHARGES = ("event_id", "exchange_id", "cost_nanos", "currency", "kind", "boot_id", "charges")
_PERIODS_KNOWN = 100_000


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    due: int = 0
    """Corrections that the log had not when it was read."""
    nanos: Counter[str] = field(default_factory=Counter)
    """Of these, by currency."""
    published: int = 0
    already_there: int = 0
    """Exchanges that this version has corrected."""
    equal: int = 0
    """Exchanges of which the log has charged what they should cost."""
    unbudgeted: int = 0
    """Of the due those that had no budget event: all is charged now."""
    no_history: int = 0
    """Those of which the log has no budget event, and may have deleted one: not corrected."""
    no_periods: int = 0
    """Those of which no budget event says when the periods of their app and LLM begin: not corrected."""
    otherwise: int = 0
    """Those that this version has corrected to another amount: not corrected."""
    other_currency: int = 0
    """Those that were charged in another currency: not corrected."""

    def as_dict(self) -> dict[str, Any]:
        """For a report."""
        return {
            "due": self.due, "nanos": dict(self.nanos), "published": self.published,
            "already_there": self.already_there, "equal": self.equal, "unbudgeted": self.unbudgeted,
            "no_history": self.no_history, "no_periods": self.no_periods, "corrected_otherwise": self.otherwise,
            "other_currency": self.other_currency,
        }  # fmt: skip

    def problems(self, version: str) -> Iterator[str]:
        """What is not as it should be, each with what to do."""
        if self.no_history:
            yield (
                f"{self.no_history} exchanges have no budget event in the log, and retention has deleted from its "
                "budget topic what may have been theirs: not corrected, else they might be charged twice; begin later "
                "with --from and --by occurred"
            )
        if self.no_periods:
            yield (
                f"{self.no_periods} exchanges had no budget event, and no event of their app and LLM says which "
                "periods they belong to: not corrected; begin earlier with --from"
            )
        if self.otherwise:
            yield (
                f"{self.otherwise} exchanges were corrected by version {version} before, to other amounts: give the "
                "prices a version of their own, and correct by that"
            )
        if self.other_currency:
            yield f"{self.other_currency} exchanges were charged in another currency than their price: not corrected"


class Corrections:
    """Of one job. ``note`` is shown every event that was priced again, then ``make`` does the rest, once."""

    def __init__(
        self,
        ledger: CorrectionLedger,
        origin: Origin,
        host: HostSettings,
        version: str,
        job: str,
        printer: Printer,
        clock: Callable[[], int] = now_micros,
    ) -> None:
        self._ledger = ledger
        self._origin = origin
        self._host = host
        self._version = version
        self._written = version_in_ids(version)
        self._printer = printer
        self._topic = topics_of(host).event("budget").name
        self._job = job
        self._boot = Boot(GATEWAY_ID, job, str(ledger.fact("boot_id", new_boot_id())))
        self._completed_at = int(str(ledger.fact("completed_at", str(clock()))))
        self._begins_ms: int | None = None
        self._has_history = True
        """Whether the log still has all budget events that the exchanges can have."""
        self._periods: set[tuple[str, str, int]] = set()
        ledger.forget_what_was_read()

    def note(self, frame: Frame, changes: Sequence[tuple[Old, New]]) -> None:
        """Step 1: a frame of analytics, and its rows as they would be."""
        columns = frame.rows.select(*COMMON, "app_id", "llm_id").iter_rows(named=True)
        self._ledger.want(
            Wanted(row["exchange_id"], new.cost_nanos or 0, new.currency, row["app_id"], row["llm_id"],
                   old.occurred_at, orjson.dumps({name: row[name] for name in COMMON}).decode())
            for row, (old, new) in zip(columns, changes, strict=True)
            if not new.reason
        )  # fmt: skip
        times = [record.timestamp for record in frame.delivery.records]
        times += [old.occurred_at // 1_000 for old, new in changes if not new.reason]  # an event may come again, later
        self._begins_ms = min([*times, *([] if self._begins_ms is None else [self._begins_ms])])

    async def make(self, publisher: Publisher | None) -> Outcome:
        """Steps 2 to 5; with no publisher it only says what is due. Raises EventLogError, Halt, UsageError."""
        outcome = Outcome()
        if self._begins_ms is None:
            return outcome
        await self._read()
        self._refuse_overtaken()
        for page in _pages(self._due(outcome)):
            self._issue(page)
        if publisher is not None and outcome.due:
            await self._publish(publisher, outcome)
        return outcome

    async def _read(self) -> None:
        """Step 2."""
        there = await self._origin.ranges([self._topic])
        firsts = await self._origin.offsets_at(there, max(0, (self._begins_ms or 0) - _EARLIER_MS))
        self._has_history = _reaches_back(there, firsts, await self._origin.lost(there))
        ranges = {each: OffsetRange(max(found.first, firsts[each]), found.end) for each, found in there.items()}
        if all(wanted.is_empty for wanted in ranges.values()):
            return
        report = await carry(
            Work(
                name=self._job,
                command="reprice",
                origin=self._origin,
                ranges=ranges,
                topics=[self._topic],
                entry=CollectorEntry(name="budget"),
                sink=NoSink(),
                host=self._host,
                printer=self._printer,
                observe=self._note_budget,
                is_dry=True,
            )
        )
        if report.state != "counted" or report.undecodable:
            causes = "; ".join(report.problems) or f"{report.undecodable} of its records cannot be decoded"
            raise Halt(f"{self._topic} cannot be read: {causes}", "nothing was corrected")

    def _note_budget(self, frame: Frame) -> None:
        if frame.kind != "budget":
            return
        rows = list(frame.rows.select(_CHARGES).iter_rows())
        self._ledger.charge(
            Charged(event_id, exchange_id, nanos, currency, kind == "usage", boot_id, orjson.dumps(charges).decode())
            for event_id, exchange_id, nanos, currency, kind, boot_id, charges in rows
        )
        self._ledger.note_periods(self._new_periods(row[-1] for row in rows))

    def _new_periods(self, charges: Iterator[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
        found = []
        for each in (charge for several in charges for charge in several):
            key = (each["scope"], each["scope_id"], each["period_start"])
            if key not in self._periods:
                if len(self._periods) >= _PERIODS_KNOWN:
                    self._periods.clear()
                self._periods.add(key)
                found.append(each)
        return found

    def _refuse_overtaken(self) -> None:
        """What another job published instead would be charged twice: by both their numbers."""
        event_id = self._ledger.overtaken(self._boot.boot_id)
        if event_id is not None:
            raise UsageError(
                f"{event_id} has a number of this job, and another job published it: this one cannot go on; begin "
                "anew, without --resume"
            )

    def _due(self, outcome: Outcome) -> Iterator[Correction]:
        """Step 3: what must be charged beside what was."""
        for account in self._ledger.accounts(f"{SUFFIXES['budget']}-{self._written}"):
            difference = account.wanted.nanos - (account.charged or 0)
            if set(account.currencies) - {account.wanted.currency}:
                outcome.other_currency += 1
            elif account.is_corrected:
                outcome.already_there += 1
                outcome.otherwise += difference != 0
            elif difference == 0:
                outcome.equal += 1
            else:
                correction = self._correction(account, difference, outcome)
                if correction is not None:
                    yield correction

    def _correction(self, account: Account, difference: int, outcome: Outcome) -> Correction | None:
        """``None`` where it cannot be made, or has its number from an earlier run."""
        if account.charges is None and not self._has_history:
            outcome.no_history += 1
            return None
        charges = self._charges(account)
        if charges is None:
            outcome.no_periods += 1
            return None
        event_id = correction_id(account.wanted.exchange_id, self._written)
        issued = self._ledger.issued_nanos(event_id)
        if issued not in {None, difference}:
            raise UsageError(
                f"{event_id} was {issued} nanos when this job was stopped and is {difference} now: others corrected it "
                "meanwhile; begin anew, without --resume"
            )
        outcome.due += 1
        outcome.nanos[account.wanted.currency] += difference
        outcome.unbudgeted += account.charged is None
        return Correction(event_id, account.wanted, difference, charges) if issued is None else None

    def _charges(self, account: Account) -> list[dict[str, Any]] | None:
        """The original's; of an exchange that has none those of its app's and its LLM's other exchanges in the same
        periods."""
        if account.charges is not None:
            return list(orjson.loads(account.charges))
        wanted = account.wanted
        app, llm = str(wanted.app_id or 0), str(wanted.llm_id or 0)
        of_app = self._ledger.period("app", app, wanted.occurred_at)
        of_llm = self._ledger.period("llm", llm, wanted.occurred_at)
        if of_app is None or of_llm is None:
            return None
        return [of_app, of_llm, {**of_app, "scope": "app_llm", "scope_id": f"{app}:{llm}"}]

    def _issue(self, corrections: Sequence[Correction]) -> None:
        first = self._ledger.last_sequence + 1
        self._ledger.issue(
            Issued(at, each.event_id, each.wanted.exchange_id, each.nanos,
                   value_of(each, at, self._boot, self._version, self._completed_at))
            for at, each in enumerate(corrections, first)
        )  # fmt: skip

    async def _publish(self, publisher: Publisher, outcome: Outcome) -> None:
        """Steps 4 and 5."""
        for page in self._ledger.unpublished():
            for at in range(0, len(page), _PAGE):
                part = page[at : at + _PAGE]
                await publisher.publish(
                    [correction_record(self._topic, each, GATEWAY_ID, self._completed_at) for each in part]
                )
                outcome.published += len(part)
                self._printer.progress(outcome.published, outcome.due, "corrections")
        await self._read()
        self._refuse_overtaken()
        issued, seen = self._ledger.issued_count()
        if issued != seen:
            raise Halt(f"of {issued} corrections the log has {seen}", "go on with --resume")


def _reaches_back(there: Ranges, firsts: Mapping[Partition, int], lost: Collection[Partition]) -> bool:
    """Whether retention has left everything from these offsets on: by what lies before them. A partition that it left
    nothing of shows nothing; it goes by the others then."""
    has_older = {each for each, found in there.items() if firsts[each] > found.first}
    return all(each in has_older or (there[each].is_empty and has_older) for each in lost)


def _pages(corrections: Iterator[Correction]) -> Iterator[list[Correction]]:
    page: list[Correction] = []
    for each in corrections:
        page.append(each)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
